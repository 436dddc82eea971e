/* Two normal equations on centred, whitened rows; the residuals are summed once more, exactly. */
#include "growth/ar1.h"

#include <math.h>

#define S2_MIN 1e-24 /* of rows of size 1: what is left of rounding */

struct sums {
	double z, y, zz, zy;
};

/* Over one usual step: 1; weight makes rows after a gap as noisy as the others. */
struct step {
	double phi, weight;
};

static struct step step_over(double gap, double rho)
{
	struct step s = { rho, 1 };

	if (gap == 1 || rho <= 0)
		return s;
	s.phi = pow(rho, gap);
	s.weight = sqrt((1 - rho * rho) / (1 - s.phi * s.phi));
	return s;
}

static void means(const struct ar1_rows *r, double *z, double *y)
{
	*z = *y = 0;
	for (size_t i = 0; i < r->n; i++) {
		*y += r->y[i];
		*z += r->z ? r->z[i] : 0;
	}
	*y /= r->n;
	*z /= r->n;
}

/* Lag-1 correlation of the residuals of plain least squares, unbiased to first order. */
static double memory(const struct ar1_rows *r, double mz, double my)
{
	double zz = 0, zy = 0, slope, before = 0, ee = 0, e1 = 0;
	double k = r->z ? 2 : 1, n = r->n;

	for (size_t i = 0; r->z && i < r->n; i++) {
		double z = r->z[i] - mz;

		zz += z * z;
		zy += z * (r->y[i] - my);
	}
	slope = zz > 0 ? zy / zz : 0;
	for (size_t i = 0; i < r->n; i++) {
		double e = r->y[i] - my - (r->z ? slope * (r->z[i] - mz) : 0);

		ee += e * e;
		e1 += e * before;
		before = e;
	}
	if (!(ee > n * S2_MIN))
		return 0;
	return fmin(fmax((n * e1 / ee + k) / fmax(n - 3 - k, 4), 0), AR1_RHO_MAX);
}

struct normal {
	double cc, cz, zz, cy, zy; /* c: the whitened constant */
	double logs;		   /* of the variances of rows, beside s2 */
};

static void row(const struct ar1_rows *r, const struct ar1 *f, size_t i, double mz, double my,
		double out[3], double *logs)
{
	double z = r->z ? r->z[i] - mz : 0, y = r->y[i] - my;
	struct step s;

	if (i == 0) {
		double first = sqrt(1 - f->rho * f->rho);

		out[0] = first;
		out[1] = first * z;
		out[2] = first * y;
		*logs -= 2 * log(first);
		return;
	}
	s = step_over(r->gap ? r->gap[i] : 1, f->rho);
	out[0] = s.weight * (1 - s.phi);
	out[1] = s.weight * (z - s.phi * (r->z ? r->z[i - 1] - mz : 0));
	out[2] = s.weight * (y - s.phi * (r->y[i - 1] - my));
	if (s.weight != 1)
		*logs -= 2 * log(s.weight);
}

static void solve(const struct normal *m, struct ar1 *f)
{
	double det = m->cc * m->zz - m->cz * m->cz;

	if (det > 1e-12 * m->cc * m->zz && m->zz > 0) {
		f->k0 = (m->zz * m->cy - m->cz * m->zy) / det;
		f->k1 = (m->cc * m->zy - m->cz * m->cy) / det;
		f->v00 = m->zz / det;
		f->v01 = -m->cz / det;
		f->v11 = m->cc / det;
		return;
	}
	f->k0 = m->cy / m->cc;
	f->k1 = 0;
	f->v00 = 1 / m->cc;
	f->v01 = f->v11 = 0;
}

static void finish(const struct ar1_rows *r, const struct normal *m, double sse, double mz,
		   double my, struct ar1 *f)
{
	double floor = r->floor * r->floor / 2 * (1 - f->rho) * (1 - f->rho) + S2_MIN;
	double left = sse / r->n, k = r->z ? 2 : 1;

	f->deviance = r->n * log(fmax(left, floor)) + m->logs;
	f->s2 = fmax(sse / (r->n - k), floor);
	f->v00 *= f->s2;
	f->v01 *= f->s2;
	f->v11 *= f->s2;
	/* back to z and y that are not centred */
	f->k0 += my - f->k1 * mz;
	f->v00 = fmax(f->v00 - 2 * mz * f->v01 + mz * mz * f->v11, 0);
	f->v01 -= mz * f->v11;
}

static void fit_centred(const struct ar1_rows *r, double mz, double my, struct ar1 *f)
{
	struct normal m = {};
	double sse = 0, w[3], unused = 0;

	for (size_t i = 0; i < r->n; i++) {
		row(r, f, i, mz, my, w, &m.logs);
		m.cc += w[0] * w[0];
		m.cz += w[0] * w[1];
		m.zz += w[1] * w[1];
		m.cy += w[0] * w[2];
		m.zy += w[1] * w[2];
	}
	solve(&m, f);
	for (size_t i = 0; i < r->n; i++) {
		double e;

		row(r, f, i, mz, my, w, &unused);
		e = w[2] - f->k0 * w[0] - f->k1 * w[1];
		sse += e * e;
	}
	finish(r, &m, sse, mz, my, f);
}

void ar1_fit(const struct ar1_rows *r, struct ar1 *ret)
{
	double mz, my;
	struct ar1 f = {};

	means(r, &mz, &my);
	f.rho = memory(r, mz, my);
	fit_centred(r, mz, my, &f);
	*ret = f;
}

void ar1_fit_rho(const struct ar1_rows *r, double rho, struct ar1 *ret)
{
	double mz, my;
	struct ar1 f = { .rho = fmin(fmax(rho, 0), AR1_RHO_MAX) };

	means(r, &mz, &my);
	fit_centred(r, mz, my, &f);
	*ret = f;
}
