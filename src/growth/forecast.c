/* Usable points become means of blocks, these become futures, and those a distribution of the time
 * at which the limit is reached. */
#include "growth/forecast.h"

#include <math.h>
#include <string.h>

#include "growth/future.h"
#include "growth/segments.h"

#define LARGEST 1e150
#define PRIOR_POWER 0.03
#define LEAST_PRIOR 0.002 /* shapes less probable than this are left out */
#define LEAST_WEIGHT 1e-4 /* of all: futures below are left out */
#define NEAREST 1e-6	  /* spans: that is now */
#define HALVINGS 13	  /* of a factor of two */
#define RATE_HALVINGS 22  /* of 80 standard errors */
#define FARTHEST 1e6	  /* spans of the window: beyond that is never */
/* On either side of the interval: less than 0.05, as grids, memory and the list of shapes are
 * chosen chosen with an eye on the points that they are then judged by. Measured (score_forecast),
 * not derived. */
#define TAIL 0.02
#define RATE_TAIL 0.02 /* for the same reason less than 0.025 */
#define LONE_NOISES 6  /* how far a lone point is off */

/* Usable points after a moment, in order. */
struct reader {
	const struct shape_input *in;
	double from_s, last_s;
	size_t at;
};

static bool next_point(struct reader *r, double *t_s, double *value)
{
	for (; r->at < r->in->n; r->at++) {
		double t = r->in->t_s[r->at], v = r->in->value[r->at];

		if (!(t >= r->from_s && t > r->last_s) || !(fabs(v) <= LARGEST) || !isfinite(t))
			continue;
		r->last_s = *t_s = t;
		*value = v;
		r->at++;
		return true;
	}
	return false;
}

struct raw {
	size_t count;
	double first_s, last_s, last, low, high;
	double step; /* least between neighbours that differ */
};

static struct raw survey(struct reader r)
{
	struct raw w = { .step = INFINITY };
	double t, v;

	while (next_point(&r, &t, &v)) {
		if (!w.count++) {
			w.first_s = t;
			w.low = w.high = v;
		} else if (v != w.last) {
			w.step = fmin(w.step, fabs(v - w.last));
		}
		w.low = fmin(w.low, v);
		w.high = fmax(w.high, v);
		w.last_s = t;
		w.last = v;
	}
	return w;
}

/* Means of blocks of time order; their noise is that of rounding over the root of their size. */
static void gather(struct reader r, const struct raw *w, struct future_points *p)
{
	double scale = w->high > w->low ? w->high - w->low : 1, span = w->last_s - w->first_s, t, v;
	size_t n = w->count < FIT_POINTS_MAX ? w->count : FIT_POINTS_MAX, i = 0, block = 0,
	       size = 0;

	*p = (struct future_points){ .n = n };
	while (block < n && next_point(&r, &t, &v)) {
		p->x[block] += (t - w->first_s) / span;
		p->y[block] += (v - w->low) / scale;
		size++;
		if (++i < (block + 1) * w->count / n)
			continue;
		p->x[block] /= size;
		p->y[block++] /= size;
		size = 0;
	}
	if (isfinite(w->step))
		p->floor = fmin(w->step / scale, 0.2) / sqrt(12.0 * w->count / n);
	p->noise = segments_noise(p->y, n, fmax(p->floor, 1e-9));
}

static double middle_of(const double *y, size_t n) /* at most 5 */
{
	double v[5];

	for (size_t i = 0; i < n; i++) {
		size_t k = i;

		for (; k > 0 && v[k - 1] > y[i]; k--)
			v[k] = v[k - 1];
		v[k] = y[i];
	}
	return v[n / 2];
}

/* A point far above or below what was before and what comes after: a burst. */
static bool is_lone(const struct future_points *p, size_t i)
{
	size_t width = p->n / 8 > 5 ? p->n / 8 : 5;
	double before[5], after[5], far = LONE_NOISES * p->noise;

	if (i < width || i + width >= p->n)
		return false;
	for (size_t k = 0; k < 5; k++) { /* not the nearest: they may be of the same burst */
		before[k] = p->y[i - width + k];
		after[k] = p->y[i + width - k];
	}
	far = fmax(far, fabs(middle_of(after, 5) - middle_of(before, 5)));
	return (p->y[i] > middle_of(before, 5) + far && p->y[i] > middle_of(after, 5) + far) ||
	       (p->y[i] < middle_of(before, 5) - far && p->y[i] < middle_of(after, 5) - far);
}

static void drop_bursts(struct future_points *p)
{
	struct future_points kept = *p;

	kept.n = 0;
	for (size_t i = 0; i < p->n; i++) {
		if (is_lone(p, i))
			continue;
		kept.x[kept.n] = p->x[i];
		kept.y[kept.n++] = p->y[i];
	}
	if (kept.n * 5 >= p->n * 4)
		*p = kept;
}

/* The futures of one shape. */
struct family {
	enum pattern pattern;
	double prior, evidence, weight;
	size_t first, end;
	bool teeth;
};

#define FAMILIES 3

static void add_family(struct futures *f, struct family *k, const struct future_points *points,
		       const struct future_points *smooth)
{
	k->first = f->count;
	if (k->prior > LEAST_PRIOR) {
		if (k->pattern == PATTERN_LINEAR)
			future_add_line(f, smooth);
		else if (k->pattern == PATTERN_EXPONENTIAL)
			future_add_exponential(f, smooth);
		else
			k->teeth = future_add_sustained(f, points, k->first == 0);
	}
	k->end = f->count;
	k->evidence = futures_evidence(f, k->first);
}

/* Weights of families from the judge's probabilities, raised to a power, and the likelihood of the
 * points. Teeth are no smooth curve with noise, so likelihoods do not compare with theirs: they
 * weigh what the judge gave them. */
static void mix(struct family *family, double power)
{
	double most = -INFINITY, sum = 0, teeth = 0;

	for (int k = 0; k < FAMILIES; k++) {
		if (family[k].teeth)
			teeth = family[k].prior;
		else if (family[k].end > family[k].first)
			most = fmax(most, family[k].evidence);
	}
	for (int k = 0; k < FAMILIES; k++) {
		struct family *one = &family[k];

		one->weight = 0;
		if (one->teeth || one->end == one->first)
			continue;
		one->weight = pow(one->prior, power) * exp(one->evidence - most);
		sum += one->weight;
	}
	for (int k = 0; k < FAMILIES; k++) {
		struct family *one = &family[k];

		one->weight = one->teeth ? teeth : sum > 0 ? one->weight / sum * (1 - teeth) : 0;
	}
}

/* Two weightings of the same futures. */
struct outlook {
	struct futures likely; /* as the judge weighs shapes: for the one answer */
	/* The judge's probabilities say which answers nobody could call wrong, and where a line and
	 * a curve cannot be told apart that is the line. What is to come differs all the same: for
	 * intervals, what it gives a little counts nearly in full. */
	struct futures possible;
};

static void weigh(const struct family *family, struct futures *f)
{
	for (int k = 0; k < FAMILIES; k++)
		futures_weigh(f, family[k].first, family[k].end, family[k].weight);
	futures_thin(f, LEAST_WEIGHT);
}

static void look_ahead(const struct shape *shape, const struct future_points *points,
		       struct outlook *o)
{
	struct family family[FAMILIES] = { { PATTERN_LINEAR },
					   { PATTERN_EXPONENTIAL },
					   { PATTERN_SUSTAINED } };
	struct future_points smooth = *points;
	double sum = 0;

	o->likely.count = 0;
	o->likely.clear = false;
	drop_bursts(&smooth);
	for (int k = 0; k < FAMILIES; k++)
		sum += shape->p[family[k].pattern];
	for (int k = 0; k < FAMILIES; k++) {
		family[k].prior = shape->p[family[k].pattern] / sum;
		add_family(&o->likely, &family[k], points, &smooth);
	}
	o->possible = o->likely;
	mix(family, 1);
	weigh(family, &o->likely);
	mix(family, PRIOR_POWER);
	weigh(family, &o->possible);
}

/* The first moment, in spans after the last point, by which it is reached with a probability. */
static double quantile(const struct futures *f, double height, double probability)
{
	double low = 0, high = 1;

	if (futures_reached(f, height, 1) >= probability)
		return 0;
	while (futures_reached(f, height, 1 + high) < probability) {
		low = high;
		high *= 2;
		if (high > FARTHEST)
			return INFINITY;
	}
	while (low == 0 && high > NEAREST) {
		double middle = high / 2;

		*(futures_reached(f, height, 1 + middle) < probability ? &low : &high) = middle;
	}
	for (int i = 0; i < HALVINGS; i++) {
		double middle = (low + high) / 2;

		*(futures_reached(f, height, 1 + middle) < probability ? &low : &high) = middle;
	}
	return high;
}

/* Of the rate at the last point: in heights per span. */
static double rate_quantile(const struct futures *f, double probability)
{
	double low, high;

	futures_rate_range(f, &low, &high);
	for (int i = 0; i < RATE_HALVINGS; i++) {
		double middle = (low + high) / 2;

		*(futures_slower(f, middle) < probability ? &low : &high) = middle;
	}
	return (low + high) / 2;
}

static void tell_rate(const struct outlook *o, double unit, struct forecast *ret)
{
	double middle = unit * rate_quantile(&o->likely, 0.5);
	double low = unit * rate_quantile(&o->possible, RATE_TAIL);
	double high = unit * rate_quantile(&o->possible, 1 - RATE_TAIL);

	if (!isfinite(middle) || !isfinite(low) || !isfinite(high))
		return;
	ret->per_s = middle;
	ret->low_per_s = fmin(low, middle);
	ret->high_per_s = fmax(high, middle);
}

static void tell_limit(const struct outlook *o, double height, double span, struct forecast *ret)
{
	double seconds = span * quantile(&o->likely, height, 0.5);

	if (!isfinite(seconds))
		return;
	ret->known = true;
	ret->seconds = seconds;
	ret->low_s = fmin(span * quantile(&o->possible, height, TAIL), seconds);
	ret->high_s = fmax(span * quantile(&o->possible, height, 1 - TAIL), seconds);
}

static void predict(const struct raw *w, struct reader r, const struct shape *shape,
		    struct forecast *ret)
{
	double scale = w->high > w->low ? w->high - w->low : 1, span = w->last_s - w->first_s;
	struct future_points points;
	struct outlook outlook;

	gather(r, w, &points);
	look_ahead(shape, &points, &outlook);
	if (!outlook.likely.count || !outlook.likely.clear)
		return;
	tell_rate(&outlook, scale / span, ret);
	if (!ret->known && isfinite(ret->limit))
		tell_limit(&outlook, (ret->limit - w->low) / scale, span, ret);
}

void forecast_limit(const struct shape_input *in, const struct shape *shape, double limit,
		    struct forecast *ret)
{
	struct reader r = { .in = in, .from_s = -INFINITY, .last_s = -INFINITY };
	struct raw w;

	*ret = (struct forecast){ .limit = limit,
				  .seconds = NAN,
				  .low_s = NAN,
				  .high_s = NAN,
				  .per_s = NAN,
				  .low_per_s = NAN,
				  .high_per_s = NAN };
	if (shape->pattern != PATTERN_NONE && isfinite(shape->start_s))
		r.from_s = shape->start_s;
	w = survey(r);
	if (!w.count || fabs(limit) > LARGEST)
		return;
	if (w.last >= limit) {
		ret->known = true;
		ret->seconds = ret->low_s = ret->high_s = 0;
	}
	if (pattern_grows(shape->pattern) && w.count >= SHAPE_POINTS_MIN && w.last_s > w.first_s &&
	    isfinite(w.last_s - w.first_s))
		predict(&w, r, shape, ret);
}

void forecast_set_rate(const struct forecast *f, struct shape *shape)
{
	if (!isfinite(f->per_s))
		return;
	shape->growth_per_s = f->per_s;
	shape->growth_low_per_s = f->low_per_s;
	shape->growth_high_per_s = f->high_per_s;
}
