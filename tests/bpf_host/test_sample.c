/*
 * Sampling: gaps are exponential, weights are right in the mean, and totals have no bias. The same
 * random numbers in every run, so that nothing here fails by chance.
 */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include "../../bpf/core.bpf.c"
#include "../../bpf/live.bpf.c"
#include "../../bpf/alloc.bpf.c"
#include "fake.h"

#include <cmocka.h>

#define DRAWS 200000
#define RUNS 400
#define ONE ((double)MT_ONE)

__u32 mt_site_of(__u64 ip, __u64 sp, __u64 bp, __u32 asid, __u32 kind)
{
	(void)ip;
	(void)sp;
	(void)bp;
	(void)asid;
	(void)kind;
	return 1;
}

__u32 mt_site_of_caller(__u64 at, __u64 bp, __u32 asid, __u32 kind)
{
	return mt_site_of(at, at, bp, asid, kind);
}

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/*
 * The largest distance between what was drawn and exp(-x) (Kolmogorov and Smirnov): above
 * 1.95 / sqrt(n) once in a thousand times.
 */
static void gaps_are_of_exponential_distribution(void **state)
{
	double *x = calloc(DRAWS, sizeof(*x)), worst = 0, sum = 0;

	(void)state;
	fake_reset();
	for (uint32_t i = 0; i < DRAWS; i++) {
		x[i] = (double)sample_gap(bpf_get_prandom_u32(), bpf_get_prandom_u32(), 20) /
		       (1 << 20);
		sum += x[i];
	}
	qsort(x, DRAWS, sizeof(*x), compare);
	for (uint32_t i = 0; i < DRAWS; i++)
		worst = fmax(worst, fabs((i + 0.5) / DRAWS + expm1(-x[i])));
	assert_true(worst < 1.95 / sqrt(DRAWS));
	assert_true(fabs(sum / DRAWS - 1) < 4 / sqrt(DRAWS));
	assert_true(x[DRAWS - 1] > 9); /* the tail is there: 12.2 is to be expected */
	free(x);
}

static void the_ends_of_the_gaps_are_sane(void **state)
{
	(void)state;
	assert_int_equal(sample_gap(~0u, ~0u, 10), 1); /* no random bit asks for a wait */
	assert_true(sample_gap(0, 0, 26) < 1ull << 31);
	assert_true(sample_gap(0, 0, 26) > 22ull << 26);
	for (uint32_t i = 0; i < 32; i++)
		assert_int_equal(leading_zeros(0xffffffffu >> i), i);
}

/* The mean over the random number that rounds it: the lower of two whole numbers up to a point. */
static double mean_weight(uint64_t length, uint32_t gap_log2)
{
	uint64_t low = sample_weight(length, gap_log2, 0);
	uint32_t below = 0, above = MT_ONE;

	if (sample_weight(length, gap_log2, MT_ONE - 1) == low)
		return low;
	while (above - below > 1) {
		uint32_t middle = below + (above - below) / 2;

		if (sample_weight(length, gap_log2, middle) == low)
			below = middle;
		else
			above = middle;
	}
	return low + 1 - above / ONE;
}

static void weights_are_right_in_the_mean(void **state)
{
	double worst = 0;

	(void)state;
	for (uint32_t g = MT_GAP_LOG2_MIN; g <= MT_GAP_LOG2_MAX; g++)
		for (double s = MT_LEAST_BYTES; s < ldexp(40, g); s *= 1.19) {
			uint64_t length = s;
			double true_weight = -1 / expm1(-(double)length / ldexp(1, g));

			worst = fmax(worst, fabs(mean_weight(length, g) / true_weight - 1));
		}
	assert_true(worst < 1e-6);
	assert_int_equal(sample_weight(MT_LEN_MAX, 10, ~0u), 1);
}

/* What the programs themselves make of allocations: sizes from below the least to above the gap. */
struct outcome {
	double bytes, count, var;
};

static struct outcome allocate(uint32_t gap_log2, uint64_t size, uint32_t n)
{
	uint32_t one = 1, asid = 1;
	struct pt_regs regs = { 0 };
	struct mt_site *s;

	next_asid = asid;
	mt_new_asid(100, 0);
	space_of(asid)->gap_log2 = gap_log2;
	fake.cookie = MT_COOKIE(MT_FN_ALLOC, 1, 0, 0, 0) | MT_COOKIE_ASID(asid) |
		      MT_COOKIE_AT(MT_POINT_WHOLE, 3, 0);
	for (uint32_t i = 0; i < n; i++) {
		regs.bx = size;
		regs.ax = 0x10000;
		mt_alloc_whole(&regs);
		mt_block_died(0x10000, asid); /* what it added stays in the totals */
	}
	s = bpf_map_lookup_elem(&sites, &one);
	return (struct outcome){ s->alloc_bytes, s->alloc_count, s->born_var };
}

/*
 * The mean over many runs is within four standard errors of the truth, and the variance that the
 * site tells is the one that is seen.
 */
static void judge(uint32_t gap_log2, uint64_t size, uint32_t n)
{
	double sum = 0, squares = 0, told = 0, mean, spread, truth = (double)size * n;

	for (uint64_t run = 0; run < RUNS; run++) {
		struct outcome o;

		fake_reset();
		fake_map_of(&sites)->max = 2;
		fake.random = 977 * run + size;
		o = allocate(gap_log2, size, n);
		sum += o.bytes;
		squares += (o.bytes - truth) * (o.bytes - truth);
		told += o.var * (1 << 2 * MT_VAR_SHIFT);
	}
	mean = sum / RUNS;
	spread = sqrt(squares / RUNS);
	told = sqrt(told / RUNS);
	if (fabs(mean - truth) > 4 * spread / sqrt(RUNS) + 1)
		fail_msg("gap 2^%u, size %lu: mean %.0f, truth %.0f, spread %.0f", gap_log2,
			 (unsigned long)size, mean, truth, spread);
	if (spread > truth / 1000 && (told < spread * 0.8 || told > spread * 1.25))
		fail_msg("gap 2^%u, size %lu: spread %.0f, told %.0f", gap_log2,
			 (unsigned long)size, spread, told);
}

static void totals_have_no_bias_and_tell_their_spread(void **state)
{
	(void)state;
	judge(10, 8, 2000);
	judge(10, 100, 500);
	judge(10, 1024, 100);
	judge(10, 5000, 100);
	judge(14, 24, 5000);
	judge(14, 10000, 100);
	judge(14, 300000, 20);
	judge(19, 4096, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gaps_are_of_exponential_distribution),
		cmocka_unit_test(the_ends_of_the_gaps_are_sane),
		cmocka_unit_test(weights_are_right_in_the_mean),
		cmocka_unit_test(totals_have_no_bias_and_tell_their_spread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
