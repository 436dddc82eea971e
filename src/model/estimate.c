#include "model/estimate.h"

#include <math.h>

#define SIGMAS 1.96
#define MISSED 6 /* samples; see estimate.h */

double estimate_unit(double bytes, double var)
{
	return bytes > 0 && var > 0 ? var / bytes : 0;
}

double estimate_error(double var, double unit)
{
	if (!(var > 0))
		return 0;
	return SIGMAS * sqrt(var + MISSED * unit * unit);
}

double estimate_weight(double count, double records, double bytes, double var)
{
	double mean = records > 0 ? count / records : 1;
	double effect = bytes > 0 ? 1 + var / bytes * (count / bytes) : 1;

	return fmax(fmax(mean, effect), 1);
}
