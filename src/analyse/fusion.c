/* See fusion.h. Descriptors, sockets and threads have no bytes that a process could show. */
#include "analyse/fusion.h"

#include <math.h>

struct fusion_cfg fusion_defaults(void)
{
	return (struct fusion_cfg){
		.masked_bytes = 1 << 20, /* heap tops and arenas move in steps of 132 KiB */
		.visible_share = 0.25,
		.untouched_factor = 0.7,
		.masked_factor = 0.9, /* that old things do not die holds wherever they are */
		.class_factor = 0.85,
		.part_share = 0.25,
		.max_confidence = 0.99,
		.max_kept = 0.9,
	};
}

static bool hidden(const struct fusion_cfg *cfg, const struct fusion_input *in)
{
	return in->residency_known && isfinite(in->external_growth_bytes) &&
	       in->s->growth_bytes >= cfg->masked_bytes &&
	       in->external_growth_bytes < cfg->visible_share * in->s->growth_bytes;
}

static bool hidden_in_class(const struct fusion_cfg *cfg, const struct fusion_input *in)
{
	return in->residency_known && isfinite(in->class_bytes_per_s) &&
	       in->s->growth_bytes >= cfg->masked_bytes &&
	       in->class_bytes_per_s < cfg->visible_share * in->s->bytes_per_s;
}

/* Both could be wrong only together. */
static double either(double a, double b)
{
	return 1 - (1 - fmin(fmax(a, 0), 1)) * (1 - fmin(fmax(b, 0), 1));
}

static struct fusion agree(const struct fusion_cfg *cfg, const struct fusion_input *in)
{
	struct fusion f = { FUSION_ALONE, in->s->confidence };
	const struct growth_opinion *p = in->process;
	double both;

	if (!p || (p->verdict != GROWTH_SUSPECT && p->verdict != GROWTH_LEAK) ||
	    !(in->s->bytes_per_s >= cfg->part_share * p->shape.growth_per_s) ||
	    !(p->shape.growth_per_s > 0))
		return f;
	both = either(p->leak_probability, f.confidence);
	f.kind = FUSION_AGREES;
	if (in->s->opinion == SUSPECT_SURVIVES)
		f.confidence = fmax(f.confidence, fmin(both, cfg->max_confidence));
	else if (p->verdict == GROWTH_LEAK)
		f.confidence = fmax(f.confidence, fmin(both, cfg->max_kept));
	return f;
}

struct fusion fusion_judge(const struct fusion_cfg *cfg, const struct fusion_input *in)
{
	bool survives = in->s->opinion == SUSPECT_SURVIVES;
	struct fusion f = { FUSION_ALONE, in->s->confidence };

	if (suspect_counts_things(in->kind))
		return f;
	if (hidden(cfg, in)) {
		f.kind = survives && in->kind == MT_SITE_HEAP ? FUSION_MASKED : FUSION_UNTOUCHED;
		if (in->kind == MT_SITE_HEAP)
			f.confidence *= survives ? cfg->masked_factor : cfg->untouched_factor;
		return f;
	}
	if (in->kind == MT_SITE_HEAP && hidden_in_class(cfg, in)) {
		f.kind = FUSION_CLASS;
		f.confidence *= survives ? 1 : cfg->class_factor;
		return f;
	}
	return agree(cfg, in);
}
