#include "analyse/conserve.h"

#include <math.h>

#include "analyse/robust.h"

double conserve_growth(const struct conserve *c, double span_s)
{
	double cells = span_s / c->snap->elapsed_s * (ROBUST_GRID - 1);

	if (!c->external || !(cells <= ROBUST_GRID - 1))
		return NAN;
	return c->external[ROBUST_GRID - 1] -
	       c->external[ROBUST_GRID - 1 - (size_t)ceil(fmax(cells, 1))];
}

/* The same, with free memory of the allocator that was used up in that time. */
static double growth_with_slack(const struct conserve *c, double span_s)
{
	double slack_per_s = subjects_class_rate(c->subjects, CLASS_allocator_slack, span_s);
	bool walked = c->snap->allocator && c->snap->allocator->known.how;

	return conserve_growth(c, span_s) - (walked && slack_per_s < 0 ? slack_per_s * span_s : 0);
}

/* A part of the window: what came to an end within it still grows over the whole. */
static double span_of(const struct conserve *c, const struct claim *claim)
{
	return fmax(claim->window_s / 3, c->cfg->quiet_s);
}

bool conserve_lacks(const struct conserve *c, double bytes_per_s, double span_s)
{
	return growth_with_slack(c, span_s) < c->cfg->fusion.visible_share * bytes_per_s * span_s;
}

bool conserve_contradicts(const struct conserve *c, const struct claim *claim, double all_per_s)
{
	double span_s = span_of(c, claim);

	return all_per_s * span_s >= c->cfg->visible_bytes &&
	       conserve_lacks(c, claim->bytes_per_s, span_s);
}

bool conserve_is_replacing(const struct conserve *c, const struct claim *claim, bool alone)
{
	double share = c->cfg->fusion.visible_share, visible = c->cfg->visible_bytes, claimed;
	struct turnover_change d;

	if (!turnover_since(c->turnover, c->snap->elapsed_s - span_of(c, claim), &d))
		return false;
	claimed = claim->count_per_s * d.span_s;
	if (!alone)
		claimed = fmax(claimed, d.live_count);
	return turnover_denies(&d, claim->weight, claimed, share) &&
	       growth_with_slack(c, d.span_s) <
		       fmax(share * claim->bytes_per_s * d.span_s, visible / 2);
}

bool conserve_shows(const struct conserve *c, const struct claim *claim)
{
	double claimed = claim->bytes_per_s * claim->window_s;

	return conserve_growth(c, claim->window_s) >=
	       fmax(c->cfg->fusion.visible_share * claimed, c->cfg->visible_bytes);
}

bool conserve_drowns(const struct conserve *c, const struct claim *claim)
{
	double span_s = span_of(c, claim), growth = conserve_growth(c, span_s);

	return growth >= c->cfg->visible_bytes &&
	       claim->bytes_per_s * span_s < c->cfg->drowned_share * growth;
}

double conserve_real_share(const struct conserve *c, double span_s)
{
	struct turnover_change d;
	double share;

	if (!turnover_since(c->turnover, c->snap->elapsed_s - span_s, &d) ||
	    !(d.live_bytes >= c->cfg->visible_bytes))
		return 1;
	share = growth_with_slack(c, d.span_s) / d.live_bytes;
	return isfinite(share) ? fmin(fmax(share, 0), 1) : 1;
}
