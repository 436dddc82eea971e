/* Recorded series with labels: JSON lines, packed with xz (tests/golden/series). */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct recorded {
	char id[64], unit[16];
	size_t n;
	double *t_s, *value; /* owned */
	bool leak;
	double onset_s; /* NAN without a leak */
};

struct recorded_set {
	struct recorded *series; /* owned */
	size_t count;
};

/* -ENOENT and its like, -EINVAL: not such a file, -ENOMEM. */
int recorded_load(const char *path, struct recorded_set *ret);
void recorded_done(struct recorded_set *set);
