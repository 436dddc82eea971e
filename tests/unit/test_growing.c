/* Does something grow, or may it: asked of every tick. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "analyse/growing.h"

#define MB 1e6

/* One process: its ledger and state. */
struct world {
	struct growing g;
	struct growing_cfg cfg;
	struct snapshot snap;
	struct ledger ledger;
	struct finding finding;
	struct findings findings;
};

static void begin(struct world *w)
{
	memset(w, 0, sizeof(*w));
	w->cfg = growing_defaults();
	w->snap.thread_count = 4;
	w->findings.list = &w->finding;
	for (int c = 1; c < CLASS_MAX; c++)
		w->ledger.rows[c] = (struct class_row){ .bytes = FACT_UNKNOWN,
							.count = FACT_UNKNOWN,
							.how = HOW_UNAVAILABLE };
	w->ledger.external_bytes = 100 * MB;
}

static struct growing_answer tick(struct world *w)
{
	struct analysis a = { .snap = &w->snap, .ledger = &w->ledger, .findings = &w->findings };

	return growing_add(&w->g, &w->cfg, &a);
}

static void set_bytes(struct world *w, enum resource_class class, double bytes)
{
	w->ledger.rows[class].bytes = bytes;
	w->ledger.rows[class].how = HOW_ESTIMATE;
}

static void a_class_that_rises_is_named_after_four_ticks(void **state)
{
	struct growing_answer r = {};
	struct world w;

	(void)state;
	begin(&w);
	for (int i = 0; i < 4; i++) {
		assert_false(r.grows);
		set_bytes(&w, CLASS_application, 10 * MB + 100e3 * i);
		set_bytes(&w, CLASS_code, 5 * MB);
		r = tick(&w);
	}
	assert_true(r.grows);
	assert_false(r.things_grow);
	assert_int_equal(r.class, CLASS_application);
}

static void the_class_that_gains_most_is_the_one(void **state)
{
	struct growing_answer r = {};
	struct world w;

	(void)state;
	begin(&w);
	for (int i = 0; i < 6; i++) {
		set_bytes(&w, CLASS_application, 10 * MB + 100e3 * i);
		set_bytes(&w, CLASS_mapped_files, 5 * MB + 300e3 * i);
		r = tick(&w);
	}
	assert_int_equal(r.class, CLASS_mapped_files);
}

static void a_level_with_noise_or_one_step_does_not_grow(void **state)
{
	struct world noise, step, down;

	(void)state;
	begin(&noise);
	begin(&step);
	begin(&down);
	for (int i = 0; i < 40; i++) {
		noise.ledger.external_bytes = 100 * MB + (i * 7919 % 13) * 100e3;
		step.ledger.external_bytes = 100 * MB + (i >= 20) * 50 * MB;
		down.ledger.external_bytes = 100 * MB - i * 1 * MB;
		if (i >= 8)
			assert_false(tick(&noise).grows);
		else
			tick(&noise);
		assert_false(tick(&step).grows);
		assert_false(tick(&down).grows);
	}
}

static void growth_below_the_bounds_is_none(void **state)
{
	struct world small, share;

	(void)state;
	begin(&small);
	begin(&share);
	for (int i = 0; i < 40; i++) {
		small.ledger.external_bytes = 1 * MB + i * 4000; /* below 64 kB in 16 ticks */
		share.ledger.external_bytes = 1000 * MB + i * 30e3;
		assert_false(tick(&small).grows);
		assert_false(tick(&share).grows);
	}
}

static void descriptors_and_threads_are_counted(void **state)
{
	struct growing_answer r = {};
	struct world fds, threads;

	(void)state;
	begin(&fds);
	begin(&threads);
	fds.ledger.rows[CLASS_file_handles].how = HOW_EXACT;
	for (int i = 0; i < 4; i++) {
		fds.ledger.rows[CLASS_file_handles].count = 10 + i;
		r = tick(&fds);
	}
	assert_true(r.grows && r.things_grow);
	assert_int_equal(r.class, CLASS_file_handles);
	for (int i = 0; i < 4; i++) {
		threads.snap.thread_count = 10 + i;
		r = tick(&threads);
	}
	assert_true(r.grows && r.things_grow);
	assert_int_equal(r.class, CLASS_NONE);
}

static void a_gap_starts_the_series_anew(void **state)
{
	struct growing_answer r = {};
	struct world w;

	(void)state;
	begin(&w);
	for (int i = 0; i < 6; i++) {
		set_bytes(&w, CLASS_application, 10 * MB + 100e3 * i);
		if (i == 3)
			w.ledger.rows[CLASS_application].how = HOW_UNAVAILABLE;
		r = tick(&w);
		assert_false(i >= 3 && r.grows);
	}
}

static void a_finding_that_is_active_is_growth(void **state)
{
	struct world w;

	(void)state;
	begin(&w);
	w.findings.count = 1;
	w.finding.active = false;
	assert_false(tick(&w).grows);
	w.finding.active = true;
	assert_true(tick(&w).grows && tick(&w).findings);
}

static void unknown_external_memory_is_no_number(void **state)
{
	struct world w;

	(void)state;
	begin(&w);
	for (int i = 0; i < 8; i++) {
		w.ledger.external_bytes = FACT_UNKNOWN;
		assert_false(tick(&w).grows);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_class_that_rises_is_named_after_four_ticks),
		cmocka_unit_test(the_class_that_gains_most_is_the_one),
		cmocka_unit_test(a_level_with_noise_or_one_step_does_not_grow),
		cmocka_unit_test(growth_below_the_bounds_is_none),
		cmocka_unit_test(descriptors_and_threads_are_counted),
		cmocka_unit_test(a_gap_starts_the_series_anew),
		cmocka_unit_test(a_finding_that_is_active_is_growth),
		cmocka_unit_test(unknown_external_memory_is_no_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
