/*
 * See growing.h. Rising is told by ranks (Kendall, 1938): a single step, or noise around a level,
 * has no more rises than falls.
 */
#include "analyse/growing.h"

struct growing_cfg growing_defaults(void)
{
	return (struct growing_cfg){
		.least_points = 4,     /* 8 s at the usual pace */
		.least_rising = 0.6,   /* 5 of 6 pairs of 4 points, 96 of 120 of 16 */
		.least_share = 0.0005, /* 0.5 MB of 1 GB in half a minute: 17 kB/s */
		.least_bytes = 65536,  /* some pages come and go in any process */
		.least_things = 3,
	};
}

static void past_add(struct growing_past *p, double value, bool known)
{
	if (known)
		p->value[p->count++ % GROWING_POINTS] = value;
	else
		p->count = 0;
}

/* What was gained over the points that are looked at; 0 when it does not rise. */
static double past_gain(const struct growing_past *p, const struct growing_cfg *cfg)
{
	size_t n = p->count < GROWING_POINTS ? p->count : GROWING_POINTS, first = p->count - n;
	double pairs = n * (n - 1) / 2.0;
	long rises = 0;

	if (n < cfg->least_points)
		return 0;
	for (size_t i = 0; i < n; i++)
		for (size_t k = i + 1; k < n; k++) {
			double a = p->value[(first + i) % GROWING_POINTS];
			double b = p->value[(first + k) % GROWING_POINTS];

			rises += (b > a) - (b < a);
		}
	if (rises < cfg->least_rising * pairs)
		return 0;
	return p->value[(p->count - 1) % GROWING_POINTS] - p->value[first % GROWING_POINTS];
}

static void add_tick(struct growing *g, const struct analysis *a)
{
	const struct ledger *l = a->ledger;

	past_add(&g->whole, (double)l->external_bytes, l->external_bytes != FACT_UNKNOWN);
	past_add(&g->threads, a->snap->thread_count, a->snap->thread_count > 0);
	for (int c = 1; c < CLASS_MAX; c++) {
		const struct class_row *row = &l->rows[c];
		bool in_bytes = row->bytes != FACT_UNKNOWN;
		uint64_t value = in_bytes ? row->bytes : row->count;

		past_add(&g->class[c], (double)value,
			 value != FACT_UNKNOWN && row->how != HOW_UNAVAILABLE);
	}
}

struct growing_answer growing_add(struct growing *g, const struct growing_cfg *cfg,
				  const struct analysis *a)
{
	struct growing_answer r = { .grows = false };
	double external = (double)a->ledger->external_bytes, bound, most = 0;

	add_tick(g, a);
	if (a->ledger->external_bytes == FACT_UNKNOWN)
		external = 0;
	bound = external * cfg->least_share;
	bound = bound > cfg->least_bytes ? bound : cfg->least_bytes;
	for (int c = 1; c < CLASS_MAX; c++) {
		bool in_bytes = a->ledger->rows[c].bytes != FACT_UNKNOWN;
		double gain = past_gain(&g->class[c], cfg);

		if (gain < (in_bytes ? bound : cfg->least_things))
			continue;
		r.things_grow |= !in_bytes;
		if (in_bytes ? gain > most : r.class == CLASS_NONE)
			r.class = (enum resource_class)c;
		if (in_bytes && gain > most)
			most = gain;
	}
	r.things_grow |= past_gain(&g->threads, cfg) >= cfg->least_things;
	for (size_t i = 0; a->findings && i < a->findings->count; i++)
		r.findings |= a->findings->list[i].active;
	r.grows = r.class != CLASS_NONE || r.things_grow || r.findings ||
		  past_gain(&g->whole, cfg) >= bound;
	return r;
}
