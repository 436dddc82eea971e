#include "model/site_estimate.h"

#include <math.h>

#include "model/estimate.h"
#include "model/sat.h"

#define DOUBTED_MAX 0.1 /* of what is believed to be live */

double site_estimate_unit(const struct site *s)
{
	return fmax(estimate_unit((double)s->alloc_bytes, s->born_var),
		    estimate_unit((double)site_live_bytes(s), site_live_var(s)));
}

static uint64_t rounded(double n)
{
	return (uint64_t)fmin(fmax(n, 0), 0x1p63);
}

/* Blocks that were sampled one by one, and those that came by windows: whichever tells of more. */
static double error_of(double var, double unit, double spread)
{
	return isnan(spread) ? NAN : estimate_error(fmax(var, spread), unit);
}

/*
 * What is live was seen in so many fewer windows than what was ever allocated: its relative
 * variance is that much larger.
 */
static void add_errors(const struct site *s, double unit, const struct spread_windows *windows,
		       struct snap_site *ret)
{
	double spread = spread_variance(&s->in_windows, windows), bytes = (double)ret->live_bytes;
	double share = s->alloc_bytes ? fmin(bytes / (double)s->alloc_bytes, 1) : 0;

	ret->live_error_bytes = error_of(site_live_var(s), unit, spread * share);
	ret->live_common_bytes = error_of(bytes * bytes * spread_common(windows), 0, 0);
	ret->allocated_error_bytes = error_of(s->born_var, unit, spread);
}

void site_estimate(const struct site *s, double unit, const struct spread_windows *windows,
		   struct snap_site *ret)
{
	double bytes = (double)ret->live_bytes, var = site_live_var(s);

	ret->estimated = site_is_estimated(s) || s->kind == MT_SITE_FAULT;
	if (!ret->estimated)
		return;
	ret->records = sat_sub(s->born_records, s->died_records);
	ret->allocated_records = s->born_records;
	ret->weight =
		fmax(estimate_weight((double)ret->live_count, (double)ret->records, bytes, var),
		     estimate_weight((double)s->alloc_count, (double)s->born_records,
				     (double)s->alloc_bytes, s->born_var));
	add_errors(s, unit, windows, ret);
	if ((double)s->doubted_old_bytes > DOUBTED_MAX * bytes)
		ret->live_error_bytes = NAN; /* nobody knows how many of those are live */
	ret->exposed_count = rounded(s->exposed);
	ret->left_count = rounded(s->left);
}
