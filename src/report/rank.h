/*
 * Which call sites are worth telling, and the figures told of them. Pure functions over an
 * analysis; indices that do not fit the snapshot are treated as not known.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "analyse/analysis.h"

struct ranked_site {
	size_t site;		       /* index into snapshot.sites */
	double growth_bytes_per_s;     /* NAN while the series is too short */
	const struct finding *finding; /* borrowed from the analysis; NULL when there is none */
};

/*
 * The `top` sites, first the largest of each finding (in its order), then by live bytes plus ten
 * minutes of growth, so that what is big and what becomes big both appear. The caller frees *ret.
 * -ENOMEM.
 */
int rank_sites(const struct analysis *a, size_t top, struct ranked_site **ret, size_t *ret_count);

/*
 * Robust slope per second over the last ten minutes of a series (longer where points are sparse),
 * see robust_line_fit(). NAN with fewer than four points.
 * *ret_window_s (may be NULL) is the time covered, 0 then.
 */
double rank_slope(const struct snap_series *series, double *ret_window_s);

/* Ages of the live blocks of a site, read from its histogram: within a bucket, evenly spread. */
struct site_age {
	double p50_s, oldest_s;	 /* NAN when not known or nothing is live */
	uint64_t over_60s_bytes; /* at the site's mean block size; FACT_UNKNOWN when not known */
};

struct site_age rank_age(const struct snap_site *site, double elapsed_s);

/* Lower edge of an age bucket in seconds: 0, 1, 2, 4, ... 512. */
double rank_age_edge(size_t bucket);

/* NULL when the finding has no single site in this snapshot. */
const struct snap_site *rank_finding_site(const struct analysis *a, const struct finding *f);

/* The same for one of the call paths of a finding, i < path_count. */
const struct snap_site *rank_path_site(const struct analysis *a, const struct finding *f, size_t i);

/* How a site grows, and the process; NULL when it is not known. */
const struct pattern_row *rank_site_pattern(const struct analysis *a, uint64_t site_id);
const struct pattern_row *rank_process_pattern(const struct analysis *a);

/* NULL when nobody is known. */
const struct owner *rank_owner(const struct analysis *a, const struct snap_site *site);
const struct snap_module *rank_module(const struct snapshot *s, uint32_t index);

/* Frames of the innermost end that belong to the allocator itself and say nothing of the caller. */
size_t rank_allocator_frames(const struct snapshot *s, const struct snap_stack *stack);

/* The frame that asked for the memory: the owner's, else the first outside the allocator; or NULL.
 */
const struct snap_frame *rank_asking_frame(const struct analysis *a, const struct snap_site *site);
