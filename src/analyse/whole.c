/* See whole.h. The grid's rules keep a verdict open; only growth.h makes it a leak. */
#include "analyse/whole.h"

#include <math.h>

struct whole_cfg whole_defaults(void)
{
	return (struct whole_cfg){
		.min_bytes = 1 << 20, /* heap tops and arenas move in steps of 132 KiB */
		.min_untraced_bytes = 64 << 10,
		.traced_probability = 0.95,
		.max_confidence = 0.8,
		.covered_share = 0.5,
		.min_significance = 4, /* t with 7 degrees of freedom: 0.3 % */
		.min_significance_shape = 6,
		.min_weakest_third = 0.25,
		.min_recent = 0.3,
		.max_slowing = 0.5,
		.watch_s = 60, /* the task of a minute, seen whole */
	};
}

/* External memory that grew lately, or whose lows are above all former highs. */
static bool grew_lately(const struct whole_cfg *cfg, const double *external)
{
	size_t last = ROBUST_GRID - 1;
	double high = 0, low = INFINITY;
	struct robust_trend trend;

	for (size_t i = 0; i <= last / 2; i++)
		high = fmax(high, external[i]);
	for (size_t i = last * 3 / 4; i <= last; i++)
		low = fmin(low, external[i]);
	if (low - high >= cfg->min_bytes)
		return true;
	return robust_trend_fit(external, last / 2, last, false, &trend) == 0 &&
	       trend.growth >= cfg->min_bytes && trend.significance >= cfg->min_significance;
}

/* Straight growth that is still going on: a buffer that doubles, file mappings, arenas that
 * fragment have no site that grows steadily. */
static bool grows_steadily(const struct whole_cfg *cfg, const double *external, double least)
{
	size_t last = ROBUST_GRID - 1;
	struct robust_trend trend;

	return robust_trend_fit(external, last / 2, last, false, &trend) == 0 &&
	       trend.growth >= least && trend.significance >= cfg->min_significance_shape &&
	       trend.weakest_third >= cfg->min_weakest_third && trend.recent >= cfg->min_recent &&
	       trend.slowing + trend.slowing_error < cfg->max_slowing;
}

static bool covered(const struct whole_cfg *cfg, const struct whole_input *in, double per_s)
{
	return fmax(in->explained_per_s, 0) + fmax(in->bounded_per_s, 0) >=
	       cfg->covered_share * per_s;
}

static struct suspicion leak_of(const struct whole_cfg *cfg, const struct growth_opinion *o)
{
	const struct shape *s = &o->shape;

	return (struct suspicion){
		.opinion = SUSPECT_SHAPE,
		.pattern = s->pattern,
		.confidence = fmin(o->leak_probability, cfg->max_confidence),
		.window_s = s->end_s - s->start_s,
		.growth_bytes = s->total_growth,
		.bytes_per_s = s->growth_per_s,
		.low_per_s = s->growth_low_per_s,
		.high_per_s = s->growth_high_per_s,
		.size_bytes = s->total_growth,
		.third_ratio = NAN,
	};
}

/* Does the curve, as far as it goes, keep anybody from saying that all is well? */
static bool looks_like_growth(const struct whole_cfg *cfg, const struct whole_input *in)
{
	double per_s;

	if (!in->external)
		return false;
	per_s = (in->external[ROBUST_GRID - 1] - in->external[ROBUST_GRID / 2]) / (in->now_s / 2);
	if (covered(cfg, in, per_s))
		return false;
	return grows_steadily(cfg, in->external,
			      in->heap_traced ? cfg->min_bytes : cfg->min_untraced_bytes) ||
	       (!in->heap_traced && grew_lately(cfg, in->external));
}

static bool is_leak(const struct whole_cfg *cfg, const struct whole_input *in)
{
	const struct growth_opinion *o = in->growth;

	return o->verdict == GROWTH_LEAK && o->shape.total_growth >= cfg->min_bytes &&
	       o->shape.growth_per_s > 0 && !covered(cfg, in, o->shape.growth_per_s) &&
	       (!in->heap_traced || o->leak_probability >= cfg->traced_probability);
}

bool whole_is_explained(const struct whole_cfg *cfg, const struct whole_input *in)
{
	double per_s = in->growth ? in->growth->shape.growth_per_s : 0;

	return per_s > 0 && covered(cfg, in, per_s);
}

struct whole whole_judge(const struct whole_cfg *cfg, const struct whole_input *in)
{
	const struct growth_opinion *o = in->growth;
	struct whole w = { .kind = WHOLE_QUIET, .known_in_s = NAN };
	bool known = o && o->shape.pattern != PATTERN_NONE;

	if (known && is_leak(cfg, in)) {
		w.kind = WHOLE_LEAK;
		w.s = leak_of(cfg, o);
		return w;
	}
	if ((known && o->verdict == GROWTH_NONE && !growth_is_open(o)) ||
	    !looks_like_growth(cfg, in))
		return w;
	w.kind = WHOLE_GROWS;
	if (known)
		w.known_in_s = o->known_in_s;
	else
		w.known_in_s = fmax(cfg->watch_s - in->now_s, 0);
	return w;
}

static enum range_use use_of(enum resource_class class)
{
	switch (class) {
	case CLASS_shared_memory: return RANGE_SHM;
	case CLASS_mapped_files: return RANGE_FILE;
	case CLASS_code: return RANGE_CODE;
	case CLASS_preexisting: return RANGE_BEFORE;
	default: return 0;
	}
}

static double known_bytes(uint64_t v)
{
	return v == FACT_UNKNOWN ? 0 : (double)v;
}

static struct whole_reserve read_reserve(const struct snapshot *snap)
{
	struct whole_reserve r = { .known = snap->residency_known };

	for (size_t i = 0; i < snap->range_count; i++) {
		const struct snap_range *x = &snap->ranges[i];

		if (x->use < 0 || x->use >= WHOLE_USES || x->end < x->start)
			continue;
		r.mapped[x->use] += (double)(x->end - x->start);
		r.resident[x->use] +=
			known_bytes(x->resident_bytes) + known_bytes(x->swapped_bytes);
	}
	return r;
}

double whole_heap_gain(const struct whole_reserve *first, const struct snapshot *snap)
{
	struct whole_reserve now = read_reserve(snap);

	if (!now.known || !first->known)
		return 0;
	return fmax(now.resident[RANGE_MANAGED] - first->resident[RANGE_MANAGED], 0);
}

/* What is unexplained came, for the most part, with pages of mappings that were there before. */
static bool fills_heaps(const struct whole_reserve *first, const struct whole_reserve *now)
{
	double gained = now->unexplained - first->unexplained;

	return gained > 0 &&
	       now->resident[RANGE_BEFORE] - first->resident[RANGE_BEFORE] >= gained / 2;
}

void whole_find_bounded(struct whole_reserve *first, const struct snapshot *snap,
			double unexplained, bool ret[static CLASS_MAX])
{
	struct whole_reserve now = read_reserve(snap);

	now.unexplained = unexplained;
	if (now.known && !first->known)
		*first = now;
	for (int c = 0; c < CLASS_MAX; c++) {
		enum range_use use = use_of((enum resource_class)c);
		double gained = now.resident[use] - first->resident[use];

		ret[c] = now.known && use && gained > 0 &&
			 now.mapped[use] - first->mapped[use] < gained / 2;
	}
	ret[CLASS_unexplained] = ret[CLASS_preexisting] && fills_heaps(first, &now);
	/* free memory was seen to be free: nobody loses what is there to be given out again */
	if (snap->allocator && snap->allocator->known.how)
		ret[CLASS_allocator_slack] = true;
}
