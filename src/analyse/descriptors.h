/* How many descriptors there are of which kind (peers.h). Pure functions over a const snapshot. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "analyse/peers.h"

#define DESCRIPTORS_KINDS_MAX 48 /* more than peers.h tells apart */

struct descriptors_row {
	const char *kind; /* static */
	enum resource_class class;
	uint64_t count;
	uint64_t kernel_bytes; /* of sockets; FACT_UNKNOWN: none of them was measured */
	double confidence;     /* mean */
	const char *evidence;  /* of the least certain one; static */
	double least;	       /* its confidence */
	struct native_sum native;
};

/* What of a leak of descriptors is open now. */
struct descriptors_held {
	uint64_t count;
	uint64_t kernel_bytes; /* FACT_UNKNOWN: no socket among them was measured */
	double oldest_s;       /* NAN: not known */
	const char *kind;      /* of most of them; static; NULL without any */
	uint64_t of_kind;
	struct native_sum native;
	char peer[FINDING_PEER_BYTES]; /* that more than half lead to; "" when there is none */
};

/* Those that these sites opened. */
void descriptors_of_sites(const struct snapshot *s, const struct finding_path *path, size_t paths,
			  struct descriptors_held *ret);

/*
 * How sure it is that what was allocated while a connection was served is its own, by those that
 * were closed: what they held went with them, or stayed.
 */
double descriptors_native_confidence(const struct snapshot *s);
/* The connections that hold most native memory, by place in s->fds, most first. Returns how many.
 */
#define DESCRIPTORS_LARGEST_MAX 10
size_t descriptors_largest(const struct snapshot *s, size_t ret[static DESCRIPTORS_LARGEST_MAX]);
/* Of all that are open; *ret_count: how many those are, measured or not. */
struct native_sum descriptors_native_sum(const struct snapshot *s, uint64_t *ret_count);

/* Fills rows, most numerous first; returns how many. */
size_t descriptors_count(const struct snapshot *s,
			 struct descriptors_row ret[static DESCRIPTORS_KINDS_MAX]);
