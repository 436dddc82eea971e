/* Two normal equations on centred, whitened rows; the residuals are summed once more, exactly. */
#include "growth/ar1.h"

#include <math.h>

#define S2_MIN 1e-24 /* of rows of size 1: what is left of rounding */

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

/* Sums over rows of columns c (the constant), z and s (the side), and of y. */
struct normal {
	double cc, cz, cs, zz, zs, ss, cy, zy, sy;
	double logs; /* of the variances of rows, beside s2 */
};

struct row {
	double c, z, s, y;
};

static void add_row(struct normal *m, const struct row *w)
{
	m->cc += w->c * w->c;
	m->cz += w->c * w->z;
	m->zz += w->z * w->z;
	m->cy += w->c * w->y;
	m->zy += w->z * w->y;
	m->cs += w->c * w->s;
	m->zs += w->z * w->s;
	m->ss += w->s * w->s;
	m->sy += w->s * w->y;
}

/* With the first columns projected on what the side leaves of them. */
static double solve(const struct normal *m, struct ar1 *f)
{
	double side = m->ss > 0 ? 1 / m->ss : 0;
	double cc = m->cc - m->cs * m->cs * side, cz = m->cz - m->cs * m->zs * side;
	double zz = m->zz - m->zs * m->zs * side, cy = m->cy - m->cs * m->sy * side;
	double zy = m->zy - m->zs * m->sy * side, det = cc * zz - cz * cz;

	if (det > 1e-12 * cc * zz && zz > 0 && cc > 0) {
		f->k0 = (zz * cy - cz * zy) / det;
		f->k1 = (cc * zy - cz * cy) / det;
		f->v00 = zz / det;
		f->v01 = -cz / det;
		f->v11 = cc / det;
	} else {
		f->k0 = cc > 0 ? cy / cc : 0;
		f->k1 = f->v01 = f->v11 = 0;
		f->v00 = cc > 0 ? 1 / cc : 0;
	}
	return (m->sy - f->k0 * m->cs - f->k1 * m->zs) * side;
}

static struct row plain_row(const struct ar1_rows *r, size_t i, const struct row *mean)
{
	return (struct row){ 1, r->z ? r->z[i] - mean->z : 0, r->side ? r->side[i] : 0,
			     r->y[i] - mean->y };
}

static double columns_of(const struct ar1_rows *r)
{
	return 1 + (r->z != NULL) + (r->side != NULL);
}

/* Lag-1 correlation of the residuals of plain least squares, unbiased to first order. */
static double memory(const struct ar1_rows *r, const struct row *mean)
{
	double k = columns_of(r), n = r->n, ee = 0, e1 = 0, before = 0, side;
	struct normal m = {};
	struct ar1 f;

	for (size_t i = 0; i < r->n; i++) {
		struct row w = plain_row(r, i, mean);

		add_row(&m, &w);
	}
	side = solve(&m, &f);
	for (size_t i = 0; i < r->n; i++) {
		struct row w = plain_row(r, i, mean);
		double e = w.y - f.k0 - f.k1 * w.z - side * w.s;

		ee += e * e;
		e1 += e * before;
		before = e;
	}
	if (!(ee > n * S2_MIN))
		return 0;
	return fmin(fmax((n * e1 / ee + k) / fmax(n - 3 - k, 4), 0), AR1_RHO_MAX);
}

static struct row white_row(const struct ar1_rows *r, double rho, size_t i, const struct row *mean,
			    double *logs)
{
	struct row w = plain_row(r, i, mean), before;
	struct step s;

	if (i == 0) {
		double first = sqrt(1 - rho * rho);

		*logs -= 2 * log(first);
		return (struct row){ first, first * w.z, first * w.s, first * w.y };
	}
	before = plain_row(r, i - 1, mean);
	s = step_over(r->gap ? r->gap[i] : 1, rho);
	if (s.weight != 1)
		*logs -= 2 * log(s.weight);
	return (struct row){ s.weight * (1 - s.phi), s.weight * (w.z - s.phi * before.z),
			     s.weight * (w.s - s.phi * before.s),
			     s.weight * (w.y - s.phi * before.y) };
}

static void finish(const struct ar1_rows *r, double logs, double sse, const struct row *mean,
		   struct ar1 *f)
{
	double floor = r->floor * r->floor / 2 * (1 - f->rho) * (1 - f->rho) + S2_MIN;
	double left = sse / r->n;

	f->deviance = r->n * log(fmax(left, floor)) + logs;
	f->s2 = fmax(sse / (r->n - columns_of(r)), floor);
	f->v00 *= f->s2;
	f->v01 *= f->s2;
	f->v11 *= f->s2;
	/* back to z and y that are not centred */
	f->k0 += mean->y - f->k1 * mean->z;
	f->v00 = fmax(f->v00 - 2 * mean->z * f->v01 + mean->z * mean->z * f->v11, 0);
	f->v01 -= mean->z * f->v11;
}

static void fit_centred(const struct ar1_rows *r, const struct row *mean, struct ar1 *f)
{
	struct row w[AR1_ROWS_MAX];
	struct normal m = {};
	double sse = 0, side;

	for (size_t i = 0; i < r->n; i++) {
		w[i] = white_row(r, f->rho, i, mean, &m.logs);
		add_row(&m, &w[i]);
	}
	side = solve(&m, f);
	for (size_t i = 0; i < r->n; i++) {
		double e = w[i].y - f->k0 * w[i].c - f->k1 * w[i].z - side * w[i].s;

		sse += e * e;
	}
	finish(r, m.logs, sse, mean, f);
}

static struct row means(const struct ar1_rows *r)
{
	struct row m = {};

	for (size_t i = 0; i < r->n; i++) {
		m.y += r->y[i];
		m.z += r->z ? r->z[i] : 0;
	}
	m.y /= r->n;
	m.z /= r->n;
	return m;
}

void ar1_fit(const struct ar1_rows *r, struct ar1 *ret)
{
	struct row mean = means(r);
	struct ar1 f = {};

	f.rho = memory(r, &mean);
	fit_centred(r, &mean, &f);
	*ret = f;
}

void ar1_fit_rho(const struct ar1_rows *r, double rho, struct ar1 *ret)
{
	struct row mean = means(r);
	struct ar1 f = { .rho = fmin(fmax(rho, 0), AR1_RHO_MAX) };

	fit_centred(r, &mean, &f);
	*ret = f;
}
