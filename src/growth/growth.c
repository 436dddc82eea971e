/* The shape of the last points; neither CUSUM nor a verdict that waits are there yet. */
#include "growth/growth.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "growth/history.h"

struct growth {
	struct growth_cfg cfg;
	struct history *history; /* owned */
	struct growth_opinion opinion;
};

struct growth_cfg growth_defaults(void)
{
	return (struct growth_cfg){
		.min_points = 300,
		.hold_points = 100,
		.leak_probability = 0.95,
		.alarm_points = 30 * 86400.0,
	};
}

int growth_new(const struct growth_cfg *cfg, struct growth **ret)
{
	struct growth *g = calloc(1, sizeof(*g));

	if (!g)
		return -ENOMEM;
	g->cfg = *cfg;
	g->opinion.since_s = g->opinion.known_in_s = NAN;
	if (history_new(&g->history)) {
		free(g);
		return -ENOMEM;
	}
	*ret = g;
	return 0;
}

void growth_free(struct growth *g)
{
	if (g)
		history_free(g->history);
	free(g);
}

void growth_freep(struct growth **g)
{
	growth_free(*g);
}

int growth_add(struct growth *g, double t_s, double value)
{
	int r = history_add(g->history, t_s, value);

	if (r == 0 && history_count(g->history) % 8 == 0)
		growth_judge(g);
	return r;
}

void growth_restart(struct growth *g, double t_s)
{
	(void)t_s;
	history_clear(g->history);
}

const struct growth_opinion *growth_opinion(const struct growth *g)
{
	return &g->opinion;
}

const struct growth_opinion *growth_judge(struct growth *g)
{
	double t[HISTORY_RING], v[HISTORY_RING];
	struct shape_input in = { .t_s = t, .value = v };
	struct growth_opinion *o = &g->opinion;

	in.n = history_whole(g->history, t, v);
	shape_judge(&in, &o->shape);
	o->leak_probability = o->shape.leak_probability;
	o->verdict = history_count(g->history) < g->cfg.min_points ? GROWTH_TOO_SHORT
		     : o->leak_probability > 0.5		   ? GROWTH_SUSPECT
								   : GROWTH_NONE;
	return o;
}

size_t growth_bytes(const struct growth *g)
{
	return sizeof(*g) + history_bytes(g->history);
}
