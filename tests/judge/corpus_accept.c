/* How visible a shape is in its noise, and which other answers nobody could argue against. */
#include <errno.h>
#include <string.h>

#include "corpus_window.h"

/* The part of a window that counts. */
struct view {
	const struct making *m;
	size_t first;
	struct whitener whitener; /* owned */
	struct basis basis;
};

static int view_init(const struct making *m, double quantum, struct view *ret)
{
	const struct labelled *l = m->w.out;
	struct view v = { .m = m, .basis.column = m->basis };

	for (size_t i = 0; i < l->restart_count; i++)
		while (v.first + 3 < l->n && l->t_s[v.first] < l->restart_t_s[i])
			v.first++;
	v.basis.n = l->n - v.first;
	if (whitener_init(&m->noise, l->t_s + v.first, m->scale + v.first, v.basis.n, quantum,
			  &v.whitener))
		return -ENOMEM;
	*ret = v;
	return 0;
}

static void view_add(struct view *v, const double *column)
{
	whitener_apply(&v->whitener, column + v->first, v->m->white);
	basis_add(&v->basis, v->m->white);
}

static void view_add_constant(struct view *v)
{
	for (size_t i = 0; i < v->m->w.n; i++)
		v->m->alternative[i] = 1;
	view_add(v, v->m->alternative);
}

int making_distances(const struct making *m, double size, double quantum, double *ret_d1,
		     double *ret_d2)
{
	struct view v;

	if (view_init(m, quantum, &v))
		return -ENOMEM;
	view_add_constant(&v);
	view_add(&v, m->other);
	whitener_apply(&v.whitener, m->shape + v.first, m->white);
	*ret_d1 = size * basis_distance(&v.basis, m->white, NULL);
	v.basis.count = 1;
	view_add(&v, m->x);
	for (size_t i = 0; i < m->w.n; i++)
		m->alternative[i] = size * m->shape[i] + m->other_size * m->other[i];
	whitener_apply(&v.whitener, m->alternative + v.first, m->white);
	*ret_d2 = basis_distance(&v.basis, m->white, NULL);
	whitener_done(&v.whitener);
	return 0;
}

/* Curves of other labels: when one is as near as this to the truth, nobody can tell them apart. */
#define NEAR 4

enum curve {
	CURVE_LINE,
	CURVE_HINGE,
	CURVE_EXPONENTIAL,
	CURVE_POWER,
	CURVE_SATURATING,
	CURVE_RAMP,
	CURVE_STEP,
	CURVE_STEPS
};

static const struct alternative {
	enum pattern pattern;
	enum curve curve;
	double a, b;
} alternatives[] = {
	{ PATTERN_LINEAR, CURVE_LINE, 0, 0 },
	{ PATTERN_LINEAR, CURVE_HINGE, 0.2, 0 },
	{ PATTERN_LINEAR, CURVE_HINGE, 0.35, 0 },
	{ PATTERN_LINEAR, CURVE_HINGE, 0.5, 0 },
	{ PATTERN_EXPONENTIAL, CURVE_EXPONENTIAL, 2, 0 },
	{ PATTERN_EXPONENTIAL, CURVE_EXPONENTIAL, 3.5, 0 },
	{ PATTERN_EXPONENTIAL, CURVE_EXPONENTIAL, 5, 0 },
	{ PATTERN_SUSTAINED, CURVE_POWER, 0.4, 0 },
	{ PATTERN_SUSTAINED, CURVE_POWER, 0.55, 0 },
	{ PATTERN_SUSTAINED, CURVE_POWER, 0.75, 0 },
	{ PATTERN_STABLE, CURVE_SATURATING, 0.2, 0 },
	{ PATTERN_STABLE, CURVE_SATURATING, 0.1, 0 },
	{ PATTERN_STABLE, CURVE_RAMP, 0, 0.4 },
	{ PATTERN_STABLE, CURVE_RAMP, 0, 0.6 },
	{ PATTERN_STABLE, CURVE_RAMP, 0.15, 0.5 },
	{ PATTERN_STABLE, CURVE_RAMP, 0.25, 0.65 },
	{ PATTERN_STABLE, CURVE_STEPS, 0.1, 0.4 },
	{ PATTERN_STABLE, CURVE_STEPS, 0.25, 0.5 },
	{ PATTERN_STABLE, CURVE_STEPS, 0.3, 0.6 },
	{ PATTERN_STABLE, CURVE_STEP, 0.2, 0 },
	{ PATTERN_STABLE, CURVE_STEP, 0.4, 0 },
	{ PATTERN_STABLE, CURVE_STEP, 0.6, 0 },
	{ PATTERN_STABLE, CURVE_STEP, 0.75, 0 },
};

static double curve_at(const struct alternative *a, double x)
{
	switch (a->curve) {
	case CURVE_LINE: return x;
	case CURVE_HINGE: return shape_clip(x, a->a, 1);
	case CURVE_EXPONENTIAL: return expm1(a->a * x);
	case CURVE_POWER: return pow(x, a->a);
	case CURVE_SATURATING: return shape_saturating(x, a->a);
	case CURVE_RAMP: return shape_clip(x, a->a, a->b);
	case CURVE_STEP: return x >= a->a;
	case CURVE_STEPS: return (x >= a->a) + (x >= a->b);
	}
	return 0;
}

/* Distance of the truth, as projected in truth, from a curve that rises; of norm d if it does not.
 */
static double distance_from(struct view *v, const struct alternative *a, const double *truth,
			    double d)
{
	const struct window *w = &v->m->w;
	double from = w->x[v->first], along = 0, size = 0, *column = v->m->alternative;

	for (size_t i = v->first; i < w->n; i++)
		column[i] = curve_at(a, (w->x[i] - from) / (1 - from));
	whitener_apply(&v->whitener, column + v->first, v->m->white);
	basis_distance(&v->basis, v->m->white, column);
	for (size_t i = 0; i < v->basis.n; i++) {
		along += truth[i] * column[i];
		size += column[i] * column[i];
	}
	return along > 0 ? sqrt(fmax(d * d - along * along / size, 0)) : d;
}

static void accept_near(struct view *v, struct making *m, bool leaks, uint32_t not )
{
	double *truth = m->basis + (BASIS_MAX - 1) * m->w.n, d; /* the basis has but two columns */
	const struct alternative *a;

	for (size_t i = 0; i < m->w.n; i++)
		m->alternative[i] =
			m->size * m->shape[i] + (leaks ? m->other_size * m->other[i] : 0);
	whitener_apply(&v->whitener, m->alternative + v->first, m->white);
	d = basis_distance(&v->basis, m->white, truth);
	for (size_t i = 0; i < sizeof(alternatives) / sizeof(*alternatives); i++) {
		a = &alternatives[i];
		if (leaks == (a->pattern == PATTERN_STABLE) || (not &ACCEPT(a->pattern)))
			continue;
		if (distance_from(v, a, truth, d) < NEAR)
			m->w.out->accept |= a->pattern == PATTERN_STABLE && m->w.hidden
						    ? m->w.hidden
						    : ACCEPT(a->pattern);
	}
}

/* Between kinds of growth, where a straight line is only that, and between growth and its end,
 * which a wave or a warm-up may hide. */
static int accept_neighbours(struct making *m, const struct family *f)
{
	uint32_t not = ACCEPT(f->label);
	struct view v;

	if (view_init(m, m->quantum, &v))
		return -ENOMEM;
	view_add_constant(&v);
	if (m->w.out->d2 < NEAR)
		not |= ALSO_EXPONENTIAL | ALSO_SUSTAINED;
	accept_near(&v, m, true, not );
	view_add(&v, m->other);
	accept_near(&v, m, false, not );
	whitener_done(&v.whitener);
	return 0;
}

/* Growth, or whatever else there is to see, that is not to be seen. */
static void accept_hidden(struct making *m)
{
	struct labelled *l = m->w.out;

	if (l->d1 < 4 || m->size < 2.5 * m->quantum) {
		l->accept |= m->w.hidden ? m->w.hidden : ALSO_STABLE;
		if (m->other_size < 4 * m->quantum)
			l->accept |= ALSO_STABLE;
	}
	if (m->w.hidden && m->other_size > (m->wide ? 3 : 5) * m->size)
		l->accept |= m->w.hidden;
}

/* Too few points since the last restart. */
static bool begins(const struct labelled *l)
{
	size_t since = 0;

	for (size_t i = 0; l->restart_count && i < l->n; i++)
		since += l->t_s[i] >= l->restart_t_s[l->restart_count - 1];
	return l->restart_count && since < 10;
}

/* Nothing but noise, of which little is seen: steps of rounding, held values, few points, or a
 * memory that looks like a wave. */
static uint32_t accept_of_noise(const struct making *m)
{
	const struct noise *k = &m->noise;
	double sigma = noise_sigma(k), memory = k->memory_s / m->sampling.dt_s;

	if (!m->wide)
		return 0;
	if (k->hold > 0 || m->quantum > 2 * sigma)
		return ALSO_OSCILLATING | ALSO_SPIKE;
	if (m->w.n < 16 || (k->slow > 0.5 * sigma && memory > fmax(3, (double)m->w.n / 25)))
		return ALSO_OSCILLATING;
	return 0;
}

int making_accept(struct making *m, const struct family *f)
{
	bool grows = f->leak || f->label == PATTERN_STABLE, rises;
	struct labelled *l = m->w.out;

	l->accept = ACCEPT(f->label) | m->w.also;
	if (begins(l))
		l->accept |= ACCEPT(PATTERN_NONE) | ALSO_STABLE | ALSO_LINEAR | ALSO_SUSTAINED;
	if (m->w.sigmas == SIGMAS_NONE)
		l->accept |= accept_of_noise(m);
	if (m->w.sigmas == SIGMAS_NONE || m->w.chance)
		return 0;
	rises = m->shape[m->w.n - 1] > m->shape[0] || l->restart_count > 0;
	accept_hidden(m);
	if (l->d2 < 5 && grows && rises)
		l->accept |= ALSO_LINEAR;
	return m->wide && grows && rises ? accept_neighbours(m, f) : 0;
}
