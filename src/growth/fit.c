/* Least squares; kinds other than a line are not there yet. */
#include "growth/fit.h"

#include <errno.h>
#include <math.h>

int fit_shape(const double *x, const double *y, size_t n, enum fit_kind kind, double floor,
	      struct fit *ret)
{
	double mx = 0, my = 0, sxx = 0, sxy = 0, left = 0;
	struct fit f = { .kind = kind, .n = n };

	if (n < 5 || kind > FIT_LINE)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		mx += x[i] / n;
		my += y[i] / n;
	}
	for (size_t i = 0; i < n; i++) {
		sxx += (x[i] - mx) * (x[i] - mx);
		sxy += (x[i] - mx) * (y[i] - my);
	}
	if (!(sxx > 0) || !isfinite(sxy))
		return -EINVAL;
	f.b = kind == FIT_LINE ? sxy / sxx : 0;
	f.a = my - f.b * mx;
	for (size_t i = 0; i < n; i++)
		left += pow(y[i] - f.a - f.b * x[i], 2);
	f.noise = fmax(sqrt(left / n), floor);
	f.b_error = f.noise / sqrt(sxx);
	f.a_error = f.noise / sqrt(n);
	f.bic = n * log(fmax(f.noise * f.noise, 1e-300)) + (kind + 2) * log(n);
	*ret = f;
	return 0;
}

double fit_at(const struct fit *f, double x)
{
	return fmin(fmax(f->a + f->b * x, -1e300), 1e300);
}
