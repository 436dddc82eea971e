/* Along a line; other shapes are not there yet. */
#include "growth/forecast.h"

#include <math.h>

void forecast_limit(const struct shape_input *in, const struct shape *shape, double limit,
		    struct forecast *ret)
{
	double left = in->n ? limit - in->value[in->n - 1] : NAN;

	*ret = (struct forecast){ .limit = limit, .seconds = NAN, .low_s = NAN, .high_s = NAN };
	if (!(shape->growth_low_per_s > 0) || !isfinite(left))
		return;
	left = fmax(left, 0);
	ret->known = true;
	ret->seconds = left / shape->growth_per_s;
	ret->low_s = left / shape->growth_high_per_s;
	ret->high_s = left / shape->growth_low_per_s;
}
