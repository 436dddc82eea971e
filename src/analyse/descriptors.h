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
};

/* What of a leak of descriptors is open now. */
struct descriptors_held {
	uint64_t count;
	uint64_t kernel_bytes; /* FACT_UNKNOWN: no socket among them was measured */
	double oldest_s;       /* NAN: not known */
	const char *kind;      /* of most of them; static; NULL without any */
	uint64_t of_kind;
	char peer[FINDING_PEER_BYTES]; /* that more than half lead to; "" when there is none */
};

/* Those that these sites opened. */
void descriptors_of_sites(const struct snapshot *s, const struct finding_path *path, size_t paths,
			  struct descriptors_held *ret);

/* Fills rows, most numerous first; returns how many. */
size_t descriptors_count(const struct snapshot *s,
			 struct descriptors_row ret[static DESCRIPTORS_KINDS_MAX]);
