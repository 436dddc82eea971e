/*
 * Least squares with noise that remembers: y = k0 + k1 z + AR(1) noise. The memory is taken from
 * the residuals of plain least squares (corrected for the bias of a short window), rows are
 * whitened by it, and the line is fitted again (Cochrane and Orcutt, with Prais and Winsten's
 * first row). Over a gap of g usual steps the memory is rho^g. Pure.
 */
#pragma once
#include <stddef.h>

#define AR1_RHO_MAX 0.97
#define AR1_ROWS_MAX 128

struct ar1_rows {
	size_t n;	     /* at most AR1_ROWS_MAX */
	const double *y, *z; /* borrowed; z NULL: a constant only */
	const double
		*side; /* borrowed; a third column that is fitted, too, but not told of; or NULL */
	const double *gap; /* borrowed; of row i to the row before, in usual steps; NULL: all 1 */
	double floor;	   /* least standard deviation of the noise */
};

struct ar1 {
	double k0, k1;
	double v00, v01, v11; /* their covariance */
	double rho;
	double s2;	 /* variance of the whitened residuals, degrees of freedom allowed for */
	double deviance; /* -2 log likelihood at its best, without constants */
};

/* Rows must be finite and of a size near 1; z may be flat (then k1 is 0). Always writes *ret. */
void ar1_fit(const struct ar1_rows *r, struct ar1 *ret);

/* The same with a memory that is known. */
void ar1_fit_rho(const struct ar1_rows *r, double rho, struct ar1 *ret);
