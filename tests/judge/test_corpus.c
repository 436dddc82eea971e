/* The measure itself: labelled windows, distances, counts, the two rules beside us, the recordings.
 */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "baseline_naive.h"
#include "baseline_rss.h"
#include "corpus.h"
#include "corpus_noise.h"
#include "recorded.h"
#include "tally.h"

#define LEAKS (1u << PATTERN_LINEAR | 1u << PATTERN_EXPONENTIAL | 1u << PATTERN_SUSTAINED)

typedef int (*make_fn)(uint64_t seed, uint64_t number, size_t n, struct labelled *ret);

static struct labelled made(make_fn make, uint64_t seed, uint64_t number, size_t n)
{
	struct labelled l = {};

	assert_int_equal(make(seed, number, n, &l), 0);
	return l;
}

static bool same(const struct labelled *a, const struct labelled *b)
{
	return a->n == b->n && a->label == b->label &&
	       !memcmp(a->t_s, b->t_s, a->n * sizeof(*a->t_s)) &&
	       !memcmp(a->value, b->value, a->n * sizeof(*a->value));
}

static void the_same_numbers_give_the_same_window(void **state)
{
	static const make_fn makers[] = { corpus_window, corpus_window_wide };

	for (int k = 0; k < 2; k++) {
		struct labelled a = made(makers[k], 5, 7, 50), b = made(makers[k], 5, 7, 50);
		struct labelled c = made(makers[k], 6, 7, 50), d = made(makers[k], 5, 8, 50);

		assert_true(same(&a, &b));
		assert_false(same(&a, &c));
		assert_false(same(&a, &d));
		labelled_done(&a);
		labelled_done(&b);
		labelled_done(&c);
		labelled_done(&d);
	}
	(void)state;
}

static void check_window(const struct labelled *l)
{
	for (size_t i = 0; i < l->n; i++) {
		assert_true(isfinite(l->value[i]) && l->value[i] >= 0);
		assert_true(i == 0 || l->t_s[i] > l->t_s[i - 1]);
	}
	assert_true(l->label > PATTERN_NONE && l->label < PATTERN_MAX);
	assert_true(l->accept >> l->label & 1);
	assert_int_equal(l->leak, LEAKS >> l->label & 1);
	assert_true(l->d1 >= 0 && l->d2 >= 0);
	for (size_t i = 0; i < l->restart_count; i++)
		assert_true(l->restart_t_s[i] > 0 && l->restart_t_s[i] < l->t_s[l->n - 1]);
}

static void windows_are_well_formed(void **state)
{
	static const size_t lengths[] = { 8, 9, 20, 50, 600 };
	struct labelled l;

	for (size_t k = 0; k < sizeof(lengths) / sizeof(*lengths); k++)
		for (uint64_t i = 0; i < 300; i++) {
			l = made(corpus_window, 1000, i, lengths[k]);
			assert_int_equal(l.n, lengths[k]);
			check_window(&l);
			labelled_done(&l);
			l = made(corpus_window_wide, 1000, i, lengths[k]);
			assert_int_equal(l.n, lengths[k]);
			check_window(&l);
			labelled_done(&l);
		}
	for (uint64_t i = 0; i < 300; i++) {
		l = made(corpus_window_wide, 1000, i, 0);
		assert_in_range(l.n, 8, 1200);
		check_window(&l);
		labelled_done(&l);
	}
	(void)state;
}

static void lengths_out_of_range_are_refused(void **state)
{
	struct labelled l = { .n = 77 };

	assert_int_equal(corpus_window(1, 1, 7, &l), -EINVAL);
	assert_int_equal(corpus_window(1, 1, 0, &l), -EINVAL);
	assert_int_equal(corpus_window(1, 1, CORPUS_POINTS_MAX + 1, &l), -EINVAL);
	assert_int_equal(corpus_window_wide(1, 1, 7, &l), -EINVAL);
	assert_int_equal(l.n, 77);
	(void)state;
}

static void shares_are_those_of_the_protocol(void **state)
{
	static const double shares[PATTERN_MAX] = { 0, 0.30, 0.15, 0.12, 0.12, 0.18, 0.13 };
	double count[PATTERN_MAX] = {};
	const double windows = 4000;
	struct labelled l;

	for (uint64_t i = 0; i < windows; i++) {
		l = made(corpus_window, 1001, i, 20);
		count[l.label]++;
		labelled_done(&l);
	}
	for (int p = 1; p < PATTERN_MAX; p++)
		assert_true(fabs(count[p] / windows - shares[p]) < 0.03);
	(void)state;
}

#define POINTS 4000

static void whitened_noise_has_unit_variance_and_no_memory(void **state)
{
	struct noise k = { .white = 1000, .slow = 3000, .memory_s = 20 };
	double *t = calloc(4 * POINTS, sizeof(*t)), *v = t + POINTS, *w = v + POINTS,
	       *scale = w + POINTS;
	struct sampling s = { .dt_s = 2, .jitter = 0.2, .missing = 0.1 };
	struct rng r = rng_new(3, 4);
	double square = 0, product = 0;
	struct whitener whitener;

	assert_non_null(t);
	sampling_times(&s, &r, POINTS, t);
	for (int i = 0; i < POINTS; i++)
		scale[i] = 1 + i / (double)POINTS;
	noise_add(&k, &r, t, scale, POINTS, v);
	assert_int_equal(whitener_init(&k, t, scale, POINTS, 0, &whitener), 0);
	whitener_apply(&whitener, v, w);
	for (int i = 0; i < POINTS; i++) {
		square += w[i] * w[i] / POINTS;
		product += i ? w[i] * w[i - 1] / POINTS : 0;
	}
	assert_true(fabs(square - 1) < 0.08);
	assert_true(fabs(product) < 0.06);
	whitener_done(&whitener);
	free(t);
	(void)state;
}

/* The textbook's figure for a line in white noise. */
static void distance_of_a_line_is_that_of_least_squares(void **state)
{
	enum { N = 50 };
	struct noise k = { .white = 2000 };
	double t[N], ones[N], line[N], white[N], column[(BASIS_MAX + 1) * N];
	struct basis b = { .n = N, .column = column };
	struct whitener w;
	double expected = 300 / 2000.0 * sqrt(N * (N * N - 1) / 12.0);

	for (int i = 0; i < N; i++) {
		t[i] = i;
		ones[i] = 1;
		line[i] = 300 * i;
	}
	assert_int_equal(whitener_init(&k, t, NULL, N, 0, &w), 0);
	whitener_apply(&w, ones, white);
	basis_add(&b, white);
	whitener_apply(&w, line, white);
	assert_float_equal(basis_distance(&b, white, NULL), expected, 1e-6 * expected);
	basis_add(&b, white);
	assert_int_equal(b.count, 2);
	basis_add(&b, white); /* depends on the others */
	assert_int_equal(b.count, 2);
	assert_true(basis_distance(&b, white, NULL) < 1e-9 * expected);
	whitener_done(&w);
	(void)state;
}

static void rules_beside_us_know_the_plain_cases(void **state)
{
	double t[60], line[60], flat[60], spike[60], steep[60];
	struct naive_cfg cfg = naive_defaults();
	struct naive_answer a;

	for (int i = 0; i < 60; i++) {
		t[i] = i;
		line[i] = 1e8 + 1e6 * i;
		flat[i] = spike[i] = 1e8 + 1e4 * (i % 2);
		steep[i] = 1e8 * exp(0.05 * i);
	}
	spike[40] = 2e8;
	naive_judge(&cfg, t, line, 60, &a);
	assert_int_equal(a.pattern, PATTERN_LINEAR);
	assert_true(a.leak);
	naive_judge(&cfg, t, steep, 60, &a);
	assert_int_equal(a.pattern, PATTERN_EXPONENTIAL);
	naive_judge(&cfg, t, flat, 60, &a);
	assert_int_equal(a.pattern, PATTERN_STABLE);
	naive_judge(&cfg, t, spike, 60, &a);
	assert_int_equal(a.pattern, PATTERN_SPIKE);
	assert_false(a.leak);
	assert_true(rss_rule_leaks(t, line, 60));
	assert_false(rss_rule_leaks(t, flat, 60));
	assert_false(rss_rule_leaks(t, line, 5));
	(void)state;
}

static void right_answers_score_one_and_wrong_ones_nothing(void **state)
{
	struct tally good = {}, bad = {};
	struct labelled l;

	for (uint64_t i = 0; i < 500; i++) {
		l = made(corpus_window, 1002, i, 30);
		tally_add(&good, &l, &(struct answer){ l.label, 1, l.leak });
		tally_add(&bad, &l,
			  &(struct answer){ l.leak ? PATTERN_SPIKE : PATTERN_LINEAR, 1, !l.leak });
		labelled_done(&l);
	}
	assert_float_equal(tally_accepted(&good), 1, 0);
	assert_float_equal(tally_right(&good), 1, 0);
	assert_float_equal(tally_leak_error(&good), 0, 0);
	assert_float_equal(tally_precision(&good, 0), 1, 0);
	assert_float_equal(tally_ratio(good.recall[0]), 1, 0);
	assert_float_equal(tally_right(&bad), 0, 0);
	assert_float_equal(tally_ratio(bad.recall[0]), 0, 0);
	assert_float_equal(tally_ratio(bad.false_positive[0]), 1, 0);
	assert_float_equal(tally_leak_error(&bad), 1, 0);
	tally_merge(&good, &bad);
	assert_float_equal(good.windows, 1000, 0);
	assert_float_equal(tally_right(&good), 0.5, 1e-12);
	(void)state;
}

static void recordings_load_and_broken_files_do_not(void **state)
{
	struct recorded_set set = {};
	size_t leaks = 0;

	assert_int_equal(recorded_load("tests/golden/series/series.jsonl.xz", &set), 0);
	assert_int_equal(set.count, 36);
	for (size_t i = 0; i < set.count; i++) {
		leaks += set.series[i].leak;
		assert_int_equal(set.series[i].leak, !isnan(set.series[i].onset_s));
		for (size_t k = 1; k < set.series[i].n; k++)
			assert_true(set.series[i].t_s[k] > set.series[i].t_s[k - 1]);
	}
	assert_int_equal(leaks, 6);
	recorded_done(&set);
	assert_int_equal(recorded_load("tests/golden/series/none", &set), -ENOENT);
	assert_int_equal(recorded_load("tests/golden/series/README.md", &set), -EINVAL);
	assert_int_equal(set.count, 0);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_numbers_give_the_same_window),
		cmocka_unit_test(windows_are_well_formed),
		cmocka_unit_test(lengths_out_of_range_are_refused),
		cmocka_unit_test(shares_are_those_of_the_protocol),
		cmocka_unit_test(whitened_noise_has_unit_variance_and_no_memory),
		cmocka_unit_test(distance_of_a_line_is_that_of_least_squares),
		cmocka_unit_test(rules_beside_us_know_the_plain_cases),
		cmocka_unit_test(right_answers_score_one_and_wrong_ones_nothing),
		cmocka_unit_test(recordings_load_and_broken_files_do_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
