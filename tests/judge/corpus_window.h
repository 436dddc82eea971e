/* Between the families of shapes and what makes a labelled window of them. */
#pragma once
#include "corpus.h"
#include "corpus_noise.h"

#define ACCEPT(pattern) (1u << (pattern))
#define ALSO_STABLE ACCEPT(PATTERN_STABLE)
#define ALSO_LINEAR ACCEPT(PATTERN_LINEAR)
#define ALSO_EXPONENTIAL ACCEPT(PATTERN_EXPONENTIAL)
#define ALSO_SPIKE ACCEPT(PATTERN_SPIKE)
#define ALSO_SUSTAINED ACCEPT(PATTERN_SUSTAINED)
#define ALSO_OSCILLATING ACCEPT(PATTERN_OSCILLATING)

#define SIGMAS_NONE 1e-9 /* no shape: nothing but noise */

/* A window while it is made. A family fills shape, and other where it has one, and says how large
 * they are; size and noise are then chosen so that the shape is as visible as asked. */
struct window {
	struct rng *r;
	size_t n;
	const double *t_s, *x; /* x: time in [0, 1] */
	double *shape;	       /* the growth, or what else is to be seen; 0 to 1 */
	double *other;	       /* a wave or a warm-up below it; 0 to 1 */
	double step;	       /* nominal interval, in units of x */

	double sigmas;	     /* size of shape in standard deviations; 0: from a drawn d1 */
	double other_share;  /* size of other in sizes of shape */
	double other_sigmas; /* and in standard deviations */
	uint32_t also;	     /* labels that are accepted, too */
	uint32_t hidden;     /* what it is where the growth cannot be seen; 0: stable */
	bool chance;	     /* the shape is a path of noise: no distance says anything about it */
	double rate, from;   /* exponential: e^(rate (x - from)) */
	struct labelled *out;
};

struct family {
	const char *name;
	enum pattern label;
	bool leak;
	double weight; /* shares; they need not add up to 1 */
	void (*make)(struct window *w);
};

extern const struct family corpus_protocol_families[];
extern const struct family corpus_calm_families[], corpus_growth_families[]; /* of the wide set */
extern const size_t corpus_protocol_count, corpus_calm_count, corpus_growth_count;

/* Pieces of shapes. */
double shape_saturating(double x, double tau);	     /* 1 - e^(-x / tau), 0 before 0 */
double shape_clip(double x, double from, double to); /* 0 to 1 between them */
void shape_pulse(struct window *w, double *column, double at, double width, double height,
		 bool decays);
double shape_logistic(double x, double middle, double steep);
void shape_step(struct window *w, double *column, double at, double height);
void shape_scale(double *column, size_t n); /* to 0 .. 1 */

enum wave { WAVE_SAW, WAVE_SINE, WAVE_SQUARE, WAVE_TRIANGLE, WAVES };
/* Periods in the whole window that can be seen at this sampling; log-uniform. */
double shape_periods(struct window *w, double low, double high);
/* Adds a wave of unit range; each period and height differ by up to the shares given. */
void shape_wave(struct window *w, double *column, enum wave kind, double periods,
		double period_jitter, double height_jitter);
/* One of these or with leaning teeth, regular or not. */
void shape_any_wave(struct window *w, double *column, double periods);

/* What is known of a window while it is made. */
struct making {
	struct rng r;
	struct sampling sampling;
	struct noise noise;
	double base, size, other_size, quantum;
	bool wide;
	double *memory; /* owned: all columns */
	double *x, *shape, *other, *scale, *white, *alternative, *basis;
	struct window w;
};

/* d1 of size * shape from the nuisance, a constant and other; d2 of all that is no noise from a
 * line. After a restart only what came then counts. -ENOMEM. */
int making_distances(const struct making *m, double size, double quantum, double *ret_d1,
		     double *ret_d2);
/* Fills accept of the window, from its distances. -ENOMEM. */
int making_accept(struct making *m, const struct family *f);
