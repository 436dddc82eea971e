/*
 * Ways in which a growing series may go on, each with a weight: a list of them is a distribution of
 * what is to come (model averaging). What is not linear in a curve (its rate, where it began, where
 * a line broke) is on a grid, weighted by likelihood; what is linear has its covariance. Pure.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "growth/fit.h"

#define FUTURES_MAX 128
#define FUTURE_CLEAR 4 /* from there on a slope can be told from noise: d1 of the field */

/* Points of a series on scales without units, at most FIT_POINTS_MAX (means of blocks). */
struct future_points {
	size_t n;
	double x[FIT_POINTS_MAX], y[FIT_POINTS_MAX]; /* both from 0 to 1; the last x is 1 */
	double noise;				     /* between neighbours */
	double floor;				     /* least noise: of rounding */
};

enum future_kind {
	FUTURE_LINE,	    /* k0 + k1 max(x - from, 0) */
	FUTURE_EXPONENTIAL, /* k0 + k1 (e^(curve max(x - from, 0)) - 1) */
	FUTURE_POWER,	    /* k0 + k1 x^curve */
	FUTURE_WALK,	    /* k0 + k1 (x - 1) and a random walk from x = 1 on */
};

struct future {
	enum future_kind kind;
	double weight; /* or its logarithm, see below */
	double from, curve;
	double k0, k1, v00, v01, v11; /* and their covariance */
	double walk;		      /* variance per unit of x */
	double freedom;		      /* degrees of freedom of the variances */
};

struct futures {
	bool clear; /* one of them rises by FUTURE_CLEAR standard errors */
	size_t count;
	struct future one[FUTURES_MAX];
};

/* Each adds futures, or none; their weights are logarithms of the likelihood of the points, what
 * was fitted integrated out, until futures_weigh(). */
void future_add_line(struct futures *f, const struct future_points *p);
void future_add_exponential(struct futures *f, const struct future_points *p);
/* lines: among them, too, for teeth and stairs that noise hides. true: teeth were found, whose
 * weight cannot be compared with that of smooth curves. */
bool future_add_sustained(struct futures *f, const struct future_points *p, bool lines);

/* Logarithm of the summed weights of the futures from one on; -INFINITY when there are none. */
double futures_evidence(const struct futures *f, size_t from);

/* Logarithms from one up to another become weights that sum to weight. */
void futures_weigh(struct futures *f, size_t from, size_t to, double weight);

/* Leaves out what weighs less than a share of all. */
void futures_thin(struct futures *f, double least);

/* Probability that the series has reached a height at x >= 1; 0 to 1. Weights must be weights. */
double futures_reached(const struct futures *f, double height, double x);

/* Probability that the rate at x = 1 is below one, and between which all of them are. */
double futures_slower(const struct futures *f, double rate);
void futures_rate_range(const struct futures *f, double *low, double *high);
