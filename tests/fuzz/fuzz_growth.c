/*
 * Any series into the judge: values, times, gaps, restarts. Nothing crashes, takes long or gives a
 * number where none is promised to be missing. smoke: 400
 *
 * Input: how (0 window, 1 stream, 2 fit), then steps of two bytes (what the time does, what the
 * value does), some with more bytes behind.
 */
#include <math.h>
#include <time.h>

#include "fuzz.h"

#include "growth/fit.h"
#include "growth/forecast.h"
#include "growth/growth.h"
#include "growth/shape.h"

#define POINTS_MAX 3000
#define RESTARTS_MAX 8
#define SECONDS_MAX 5 /* for one input, sanitizers on */

struct series {
	double t[POINTS_MAX], v[POINTS_MAX], restart[RESTARTS_MAX];
	size_t n, restarts;
};

static const double odd[] = { NAN,	INFINITY,   -INFINITY, 0.0,   -0.0,   1e308,
			      -1e308,	5e-324,	    1e-300,    1e300, 4096,   135168,
			      67108864, 1.8446e19,  9.007e15,  1.7e9, 1e150,  -1e150,
			      1e100,	2147483648, -1,	       1e-9,  6.4e10, 1 };

static double number(const uint8_t **data, size_t *size)
{
	uint64_t bits = fuzz_take(data, size, 8);
	double d;

	memcpy(&d, &bits, 8);
	return d;
}

/* The next of a row of numbers: mostly a step from the last one, at times anything. */
static double next(double last, uint8_t how, const uint8_t **data, size_t *size)
{
	if (how < 160)
		return last + (how - 32);
	if (how < 200)
		return last + (int16_t)fuzz_take(data, size, 2) * 4096.0;
	if (how < 220)
		return last * (1 + (how - 205) / 64.0);
	if (how < 250)
		return odd[(how - 220) % (sizeof(odd) / sizeof(*odd))];
	return number(data, size);
}

static void add(struct series *s, double t, double v)
{
	if (s->n == POINTS_MAX)
		return;
	s->t[s->n] = t;
	s->v[s->n++] = v;
}

/* The same step again and again: long series of few bytes. */
static void repeat(struct series *s, uint8_t times, double v)
{
	double dt = s->n > 1 ? s->t[s->n - 1] - s->t[s->n - 2] : 1;
	double dv = s->n > 1 ? s->v[s->n - 1] - s->v[s->n - 2] : 0;

	for (int i = 0; i < times * 4; i++)
		add(s, (s->n ? s->t[s->n - 1] : 0) + dt, v + dv * (i + 1));
}

static void read_series(struct series *s, const uint8_t *data, size_t size)
{
	double t = 0, v = 1e6;

	s->n = s->restarts = 0;
	while (size >= 2 && s->n < POINTS_MAX) {
		uint8_t time_does = fuzz_take(&data, &size, 1), value_does;

		value_does = fuzz_take(&data, &size, 1);
		if (time_does == 255 && s->restarts < RESTARTS_MAX) {
			s->restart[s->restarts++] = next(t, value_does, &data, &size);
			continue;
		}
		if (time_does == 254) {
			repeat(s, value_does, v);
			continue;
		}
		t = time_does < 64 ? t + 1 : next(t, time_does, &data, &size);
		v = next(v, value_does, &data, &size);
		add(s, t, v);
	}
}

static void check_share(double p)
{
	CLAIM(p >= 0 && p <= 1); /* not when it is no number */
}

static void check_shape(const struct shape *s, size_t n)
{
	double sum = 0;

	check_share(s->confidence);
	check_share(s->leak_probability);
	CLAIM(s->pattern < PATTERN_MAX && s->p[PATTERN_NONE] == 0);
	if (s->pattern == PATTERN_NONE) {
		CLAIM(isnan(shape_at(s, s->start_s)));
		return;
	}
	for (int i = 0; i < PATTERN_MAX; i++) {
		check_share(s->p[i]);
		sum += s->p[i];
	}
	CLAIM(fabs(sum - 1) < 1e-6);
	CLAIM(s->points >= SHAPE_POINTS_MIN && s->points <= n);
	CLAIM(isfinite(s->start_s) && isfinite(s->end_s) && s->start_s < s->end_s);
	CLAIM(isfinite(s->growth_per_s) && isfinite(s->total_growth));
	CLAIM(s->growth_low_per_s <= s->growth_per_s && s->growth_per_s <= s->growth_high_per_s);
	CLAIM(s->noise >= 0 && isfinite(s->noise));
	CLAIM(!isnan(s->detectability) && s->why);
	CLAIM(isfinite(shape_at(s, s->start_s)) && isfinite(shape_at(s, s->end_s)));
	CLAIM(isfinite(shape_at(s, s->end_s + 1e6)) && isfinite(shape_at(s, -1e300)));
}

static void check_forecast(const struct shape_input *in, const struct shape *shape, double limit)
{
	struct forecast f;

	memset(&f, 0xff, sizeof(f));
	forecast_limit(in, shape, limit, &f);
	if (!f.known)
		return;
	CLAIM(f.low_s >= 0 && isfinite(f.low_s) && isfinite(f.seconds));
	CLAIM(f.low_s <= f.seconds && f.seconds <= f.high_s);
}

static void window(const struct series *s)
{
	struct shape_input in = { s->t, s->v, s->n, s->restart, s->restarts };
	struct shape shape, again;

	shape_judge(&in, &shape);
	check_shape(&shape, s->n);
	shape_judge(&in, &again);
	CLAIM(shape.pattern == again.pattern && shape.confidence == again.confidence);
	for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i += 3)
		check_forecast(&in, &shape, odd[i]);
	check_forecast(&in, &shape, s->n ? s->v[s->n - 1] : 0);
	check_forecast(&in, &shape, 1e9);
}

static void check_opinion(const struct growth_opinion *o, size_t n)
{
	bool grows = o->verdict == GROWTH_SUSPECT || o->verdict == GROWTH_LEAK;

	CLAIM(o->verdict <= GROWTH_LEAK);
	check_share(o->leak_probability);
	CLAIM(grows ? isfinite(o->since_s) : isnan(o->since_s));
	CLAIM(isnan(o->known_in_s) || (o->known_in_s >= 0 && isfinite(o->known_in_s)));
	check_shape(&o->shape, n);
}

static void stream(const struct series *s)
{
	struct growth_cfg cfg = growth_defaults();
	struct growth *g = NULL;
	size_t restart = 0;

	CLAIM(growth_new(&cfg, &g) == 0);
	for (size_t i = 0; i < s->n; i++) {
		if (restart < s->restarts && s->restart[restart] <= s->t[i])
			growth_restart(g, s->restart[restart++]);
		(void)growth_add(g, s->t[i], s->v[i]);
		if (i % 64 == 0)
			check_opinion(growth_opinion(g), i + 1);
	}
	CLAIM(growth_add(g, NAN, 1) < 0 && growth_add(g, 1, NAN) < 0);
	check_opinion(growth_judge(g), s->n);
	CLAIM(growth_bytes(g) < 64 * 1024);
	growth_free(g);
}

/* x in [0, 1] as the caller promises, and x as it comes. */
static void fit(struct series *s, bool scaled)
{
	double floor = s->n ? s->v[0] : 0;
	struct fit f;

	if (s->n > 1 + FIT_POINTS_MAX)
		s->n = 1 + FIT_POINTS_MAX;
	for (size_t i = 0; scaled && i < s->n; i++)
		s->t[i] = (double)i / s->n;
	for (enum fit_kind kind = 0; kind < FIT_KINDS; kind++) {
		if (fit_shape(s->t, s->v, s->n, kind, floor > 0 ? floor : 1e-9, &f))
			continue;
		CLAIM(f.kind == kind && f.n == s->n && isfinite(f.bic));
		CLAIM(isfinite(f.a) && isfinite(f.b) && isfinite(f.c) && isfinite(f.d));
		CLAIM(f.a_error >= 0 && isfinite(f.a_error));
		CLAIM(f.b_error >= 0 && isfinite(f.b_error));
		CLAIM(f.rho >= 0 && f.rho <= 0.97 && f.noise >= 0 && isfinite(f.noise));
		CLAIM(isfinite(fit_at(&f, 0)) && isfinite(fit_at(&f, 1)));
		CLAIM(isfinite(fit_at(&f, 1e9)) && isfinite(fit_at(&f, -1e9)));
	}
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct series s;
	double begun = now_s();
	uint8_t how = fuzz_take(&data, &size, 1);

	read_series(&s, data, size);
	if (how % 3 == 0)
		window(&s);
	else if (how % 3 == 1)
		stream(&s);
	else
		fit(&s, how & 4);
	CLAIM(now_s() - begun < SECONDS_MAX);
	return 0;
}
