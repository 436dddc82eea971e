/* What a snapshot says of a site whose figures are estimates; estimate.h has the statistics. */
#pragma once
#include "model/sites.h"
#include "model/snapshot.h"

/* How much one sample of this site stands for; see estimate_error(). */
double site_estimate_unit(const struct site *s);
/* Fills in the fields of an estimate, from the counts that *ret has; exact sites stay as they are.
 */
void site_estimate(const struct site *s, double unit, const struct spread_windows *windows,
		   struct snap_site *ret);
