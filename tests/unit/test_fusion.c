/* What the process says of a suspect site, row by row of the table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <cmocka.h>

#include "analyse/fusion.h"

/* A site that leaks 100 kB/s and was watched for 100 s, in a process that grows as it does. */
struct scene {
	struct suspicion s;
	struct growth_opinion process;
	struct fusion_input in;
};

static void make_scene(struct scene *s, enum suspect_opinion opinion, double confidence)
{
	*s = (struct scene){
		.s = { .opinion = opinion,
		       .confidence = confidence,
		       .growth_bytes = 10e6,
		       .bytes_per_s = 100e3 },
		.process = { .verdict = GROWTH_SUSPECT,
			     .leak_probability = 0.8,
			     .shape = { .pattern = PATTERN_LINEAR, .growth_per_s = 110e3 } },
	};
	s->in = (struct fusion_input){ .s = &s->s,
				       .kind = MT_SITE_HEAP,
				       .process = &s->process,
				       .residency_known = true,
				       .external_growth_bytes = 11e6,
				       .class_bytes_per_s = 105e3 };
}

static struct fusion judge(const struct scene *s)
{
	struct fusion_cfg cfg = fusion_defaults();

	return fusion_judge(&cfg, &s->in);
}

static bool near(double a, double b)
{
	return fabs(a - b) < 1e-9;
}

static void a_sure_site_and_a_suspect_process_make_each_other_surer(void **state)
{
	struct scene s;

	(void)state;
	make_scene(&s, SUSPECT_SURVIVES, 0.9);
	assert_int_equal(judge(&s).kind, FUSION_AGREES);
	assert_true(near(judge(&s).confidence, 0.98));
	s.process.leak_probability = 1;
	assert_true(near(judge(&s).confidence, 0.99));
	s.process.leak_probability = NAN;
	assert_true(judge(&s).confidence >= 0.9 && judge(&s).confidence <= 0.99);
}

static void what_is_never_freed_needs_a_process_that_leaks(void **state)
{
	struct scene s;

	(void)state;
	make_scene(&s, SUSPECT_KEPT, 0.6);
	assert_true(near(judge(&s).confidence, 0.6));
	s.process.verdict = GROWTH_LEAK;
	assert_true(near(judge(&s).confidence, 0.9));
}

static void a_small_part_of_the_growth_has_no_say_in_it(void **state)
{
	struct scene s;

	(void)state;
	make_scene(&s, SUSPECT_SURVIVES, 0.9);
	s.process.shape.growth_per_s = 1e6;
	assert_int_equal(judge(&s).kind, FUSION_ALONE);
	assert_true(near(judge(&s).confidence, 0.9));
	s.in.process = NULL;
	assert_int_equal(judge(&s).kind, FUSION_ALONE);
}

static void a_process_that_stands_still_masks_a_sure_leak(void **state)
{
	struct scene s;

	(void)state;
	make_scene(&s, SUSPECT_SURVIVES, 0.9);
	s.process.verdict = GROWTH_NONE;
	s.in.external_growth_bytes = 1e6;
	assert_int_equal(judge(&s).kind, FUSION_MASKED);
	assert_true(near(judge(&s).confidence, 0.81));
	s.s.opinion = SUSPECT_KEPT;
	assert_int_equal(judge(&s).kind, FUSION_UNTOUCHED);
	assert_true(near(judge(&s).confidence, 0.63));
	s.in.kind = MT_SITE_MMAP; /* counted as far as it is resident, instead */
	assert_int_equal(judge(&s).kind, FUSION_UNTOUCHED);
	assert_true(near(judge(&s).confidence, 0.9));
}

static void growth_must_be_seen_in_the_class(void **state)
{
	struct scene s;

	(void)state;
	make_scene(&s, SUSPECT_KEPT, 0.8);
	s.in.class_bytes_per_s = 1e3;
	assert_int_equal(judge(&s).kind, FUSION_CLASS);
	assert_true(near(judge(&s).confidence, 0.68));
	s.in.class_bytes_per_s = NAN;
	assert_int_equal(judge(&s).kind, FUSION_AGREES);
	s.in.class_bytes_per_s = 1e3;
	s.s.growth_bytes = 1000; /* less than a step of the heap's top */
	assert_int_equal(judge(&s).kind, FUSION_AGREES);
}

static void without_residency_nothing_contradicts(void **state)
{
	struct scene s;

	(void)state;
	make_scene(&s, SUSPECT_SURVIVES, 0.9);
	s.in.residency_known = false;
	s.in.external_growth_bytes = 0;
	s.in.class_bytes_per_s = 0;
	assert_int_equal(judge(&s).kind, FUSION_AGREES);
}

static void things_have_no_bytes_to_be_seen(void **state)
{
	struct scene s;

	(void)state;
	make_scene(&s, SUSPECT_SURVIVES, 0.9);
	s.in.kind = MT_SITE_SOCKET;
	s.in.external_growth_bytes = 0;
	assert_int_equal(judge(&s).kind, FUSION_ALONE);
	assert_true(near(judge(&s).confidence, 0.9));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sure_site_and_a_suspect_process_make_each_other_surer),
		cmocka_unit_test(what_is_never_freed_needs_a_process_that_leaks),
		cmocka_unit_test(a_small_part_of_the_growth_has_no_say_in_it),
		cmocka_unit_test(a_process_that_stands_still_masks_a_sure_leak),
		cmocka_unit_test(growth_must_be_seen_in_the_class),
		cmocka_unit_test(without_residency_nothing_contradicts),
		cmocka_unit_test(things_have_no_bytes_to_be_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
