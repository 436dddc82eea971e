/* Pieces of which families of shapes are made. */
#include "corpus_window.h"

double shape_saturating(double x, double tau)
{
	return x > 0 ? 1 - exp(-x / tau) : 0;
}

double shape_clip(double x, double from, double to)
{
	return x <= from ? 0 : x >= to ? 1 : (x - from) / (to - from);
}

void shape_scale(double *column, size_t n)
{
	double low = column[0], high = column[0];

	for (size_t i = 0; i < n; i++) {
		low = fmin(low, column[i]);
		high = fmax(high, column[i]);
	}
	for (size_t i = 0; i < n && high > low; i++)
		column[i] = (column[i] - low) / (high - low);
}

void shape_pulse(struct window *w, double *column, double at, double width, double height,
		 bool decays)
{
	size_t first = 0;

	while (first + 1 < w->n && w->x[first] < at)
		first++;
	for (size_t i = first; i < w->n; i++)
		if (decays)
			column[i] += height * exp(-(w->x[i] - w->x[first]) / (width / 2));
		else if (i == first || w->x[i] < at + width)
			column[i] += height;
}

static double wave_at(enum wave kind, double phase)
{
	if (kind == WAVE_SAW)
		return phase;
	if (kind == WAVE_SINE)
		return 0.5 - 0.5 * cos(2 * M_PI * phase);
	if (kind == WAVE_SQUARE)
		return phase < 0.5 ? 0 : 1;
	return phase < 0.5 ? 2 * phase : 2 - 2 * phase;
}

void shape_wave(struct window *w, double *column, enum wave kind, double periods,
		double period_jitter, double height_jitter)
{
	double length = 1 / periods, start = -length * rng_unit(w->r), height = 1, here = length;

	for (size_t i = 0; i < w->n; i++) {
		while (w->x[i] >= start + here) {
			start += here;
			here = length * (1 + period_jitter * rng_between(w->r, -1, 1));
			height = 1 - height_jitter * rng_unit(w->r);
		}
		column[i] += height * wave_at(kind, (w->x[i] - start) / here);
	}
}

double shape_periods(struct window *w, double low, double high)
{
	return rng_scale(w->r, low, fmax(low * 1.2, fmin(high, 0.22 / w->step)));
}

double shape_logistic(double x, double middle, double steep)
{
	return 1 / (1 + exp(-steep * (x - middle)));
}

void shape_step(struct window *w, double *column, double at, double height)
{
	for (size_t i = 0; i < w->n; i++)
		column[i] += w->x[i] >= at ? height : 0;
}

/* Teeth that lean. */
static void add_leaning_wave(struct window *w, double *column, double periods, double jitter,
			     double height_jitter)
{
	double lean = rng_between(w->r, 0.08, 0.92), length = 1 / periods, height = 1;
	double start = -length * rng_unit(w->r), here = length, phase;

	for (size_t i = 0; i < w->n; i++) {
		while (w->x[i] >= start + here) {
			start += here;
			here = length * (1 + jitter * rng_between(w->r, -1, 1));
			height = 1 - height_jitter * rng_unit(w->r);
		}
		phase = (w->x[i] - start) / here;
		column[i] += height * (phase < lean ? phase / lean : (1 - phase) / (1 - lean));
	}
}

void shape_any_wave(struct window *w, double *column, double periods)
{
	double jitter = rng_unit(w->r) < 0.5 ? rng_between(w->r, 0, 0.4) : 0;
	double height_jitter = rng_unit(w->r) < 0.4 ? rng_between(w->r, 0, 0.6) : 0;

	if (rng_unit(w->r) < 0.4)
		add_leaning_wave(w, column, periods, jitter, height_jitter);
	else
		shape_wave(w, column, (enum wave)rng_below(w->r, WAVES), periods, jitter,
			   height_jitter);
}
