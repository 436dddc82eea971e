#include "tally.h"

#include <math.h>

#define LEAKS (1u << PATTERN_LINEAR | 1u << PATTERN_EXPONENTIAL | 1u << PATTERN_SUSTAINED)

const double tally_thresholds[TALLY_THRESHOLDS] = { 0.5, 0.8, 0.9, 0.95 };
const double tally_d1_edges[TALLY_D1_BINS - 1] = { 4, 6, 9, 15, 30 };

static void count(struct tally_share *s, bool right)
{
	s->right += right;
	s->of++;
}

static size_t bin_of(double p)
{
	size_t bin = p > 0 ? (size_t)(p * TALLY_BINS) : 0;

	return bin < TALLY_BINS ? bin : TALLY_BINS - 1;
}

static void add_leak(struct tally *t, const struct labelled *l, double p)
{
	bool all_leaks = !(l->accept & ~LEAKS), no_leaks = !(l->accept & LEAKS);
	size_t bin = 0;

	for (int k = 0; k < TALLY_THRESHOLDS; k++) {
		if (l->leak && all_leaks)
			count(&t->recall[k], p > tally_thresholds[k]);
		if (!l->leak && no_leaks)
			count(&t->false_positive[k], p > tally_thresholds[k]);
	}
	count(l->leak ? &t->recall_any : &t->false_positive_any, p > 0.5);
	while (bin < TALLY_D1_BINS - 1 && l->d1 >= tally_d1_edges[bin])
		bin++;
	if (l->leak)
		count(&t->recall_d1[bin], p > 0.5);
	if (l->leak && all_leaks && l->d1 >= 9)
		count(&t->recall_seen, p > 0.5);
	bin = bin_of(p);
	t->leak_bin[bin].sum += p;
	t->leak_bin[bin].right += l->leak;
	t->leak_bin[bin].of++;
}

void tally_add(struct tally *t, const struct labelled *l, const struct answer *a)
{
	bool right = l->accept >> a->pattern & 1, strict = a->pattern == l->label;
	size_t bin = bin_of(a->confidence);

	t->windows++;
	t->accepted += right;
	if (l->accept == 1u << l->label)
		t->confusion[l->label][a->pattern]++;
	add_leak(t, l, a->leak_probability);
	t->confidence_bin[bin].sum += a->confidence;
	t->confidence_bin[bin].right += right;
	t->confidence_bin[bin].strict += strict;
	t->confidence_bin[bin].of++;
	if (fabs(a->confidence - 0.9) > 0.05)
		return;
	t->confidence_09.sum += a->confidence;
	t->confidence_09.right += right;
	t->confidence_09.strict += strict;
	t->confidence_09.of++;
}

void tally_merge(struct tally *t, const struct tally *other)
{
	const double *from = (const double *)other; /* nothing but counts */
	double *to = (double *)t;

	_Static_assert(sizeof(*t) % sizeof(double) == 0, "counts only");
	for (size_t i = 0; i < sizeof(*t) / sizeof(double); i++)
		to[i] += from[i];
}

double tally_ratio(struct tally_share s)
{
	return s.of > 0 ? s.right / s.of : NAN;
}

double tally_accepted(const struct tally *t)
{
	return t->accepted / t->windows;
}

double tally_of(const struct tally *t, enum pattern p)
{
	double of = 0;

	for (int truth = 1; truth < PATTERN_MAX; truth++)
		for (int a = 0; a < PATTERN_MAX && (!p || truth == (int)p); a++)
			of += t->confusion[truth][a];
	return of;
}

double tally_right(const struct tally *t)
{
	struct tally_share s = { .of = tally_of(t, PATTERN_NONE) };

	for (int p = 1; p < PATTERN_MAX; p++)
		s.right += t->confusion[p][p];
	return tally_ratio(s);
}

double tally_recall(const struct tally *t, enum pattern p)
{
	return tally_ratio((struct tally_share){ t->confusion[p][p], tally_of(t, p) });
}

double tally_precision(const struct tally *t, int threshold)
{
	double true_positive = t->recall[threshold].right;

	return tally_ratio((struct tally_share){
		true_positive, true_positive + t->false_positive[threshold].right });
}

double tally_leak_error(const struct tally *t)
{
	double error = 0;

	for (int k = 0; k < TALLY_BINS; k++)
		error += fabs(t->leak_bin[k].sum - t->leak_bin[k].right);
	return error / t->windows;
}

double tally_confidence_error(const struct tally *t)
{
	double error = 0;

	for (int k = 0; k < TALLY_BINS; k++)
		error += fabs(t->confidence_bin[k].sum - t->confidence_bin[k].right);
	return error / t->windows;
}
