/* JSON lines: when a leak is told, and when it is told again. */
#include "jsonl_fixture.h"

static void a_leak_is_told_again_only_when_it_changes(void **state)
{
	struct fixture *f = *state;
	auto_clean(sink_freep) struct sink *s = fix_sink(f, &sink_jsonl);
	char figures[] = "grew 35.0 MB";
	json_auto_t *o = NULL;

	tick(f, s);
	tick(f, s);
	f->head.elapsed_s = 30;
	tick(f, s);
	assert_int_equal(record_count(f, "leak"), 1);
	assert_int_equal(record_count(f, "sample"), 3);
	f->finding.size_bytes = f->finding.size_bytes * 3 / 2 - 2;
	f->finding.count += 1;
	f->finding.growth_bytes_per_s *= 1.4;
	f->finding.confidence -= 0.05;
	f->finding.evidence[0] = figures; /* the same, in words */
	tick(f, s);
	assert_int_equal(record_count(f, "leak"), 1);
	assert_int_equal(s->ops->end(s->priv, &f->head, &f->end), 0); /* the last one counts */
	assert_int_equal(record_count(f, "leak"), 2);
	o = record(f, "leak", 1);
	assert_int_equal(number_of(o, "size_bytes"), f->finding.size_bytes);
}

static size_t told_after(struct fixture *f, struct sink *s)
{
	size_t before = record_count(f, "leak");

	tick(f, s);
	return record_count(f, "leak") - before;
}

static void whatever_a_reader_would_act_on_is_told_at_once(void **state)
{
	struct fixture *f = *state;
	auto_clean(sink_freep) struct sink *s = fix_sink(f, &sink_jsonl);
	struct finding *x = &f->finding;

	assert_int_equal(told_after(f, s), 1);
	x->size_bytes = x->size_bytes * 8 / 5;
	assert_int_equal(told_after(f, s), 1);
	x->size_bytes /= 2;
	assert_int_equal(told_after(f, s), 1);
	x->count *= 2;
	assert_int_equal(told_after(f, s), 1);
	x->growth_bytes_per_s /= 2;
	assert_int_equal(told_after(f, s), 1);
	x->growth_bytes_per_s *= -1;
	assert_int_equal(told_after(f, s), 1);
	x->confidence -= 0.15;
	assert_int_equal(told_after(f, s), 1);
	x->severity = x->severity == SEVERITY_LOW ? SEVERITY_HIGH : SEVERITY_LOW;
	assert_int_equal(told_after(f, s), 1);
	x->confirmed = !x->confirmed; /* and says why */
	x->evidence_count = 1;
	assert_int_equal(told_after(f, s), 1);
	f->leak_frames[0].symbol = "known_at_last";
	assert_int_equal(told_after(f, s), 1);
	assert_int_equal(told_after(f, s), 0);
}

static void a_leak_that_is_gone_is_told_once(void **state)
{
	struct fixture *f = *state;
	auto_clean(sink_freep) struct sink *s = fix_sink(f, &sink_jsonl);
	json_auto_t *o = NULL;

	tick(f, s);
	f->finding.active = false;
	tick(f, s);
	tick(f, s);
	assert_int_equal(record_count(f, "leak"), 2);
	o = record(f, "leak", 1);
	assert_string_equal(text_of(o, "state"), "gone");
}

static void a_leak_that_vanishes_does_not_stay_active(void **state)
{
	struct fixture *f = *state;
	auto_clean(sink_freep) struct sink *s = fix_sink(f, &sink_jsonl);
	json_auto_t *o = NULL;

	tick(f, s);
	f->findings.count = 0;
	tick(f, s);
	tick(f, s);
	assert_int_equal(record_count(f, "leak"), 2);
	o = record(f, "leak", 1);
	assert_string_equal(text_of(o, "state"), "gone");
	assert_string_equal(text_of(o, "leak_id"), "abcdef0000000001");
	assert_int_equal(number_of(o, "size_bytes"), 23400000);
}

static void leaks_of_two_processes_are_kept_apart(void **state)
{
	struct fixture *f = *state;
	auto_clean(sink_freep) struct sink *s = fix_sink(f, &sink_jsonl);

	tick(f, s);
	f->head.pid = f->snap.pid = 77;
	tick(f, s);
	assert_int_equal(record_count(f, "leak"), 2);
	f->findings.count = 0;
	tick(f, s);
	assert_int_equal(record_count(f, "leak"), 3);
	f->head.pid = f->snap.pid = 4242;
	f->findings.count = 1;
	tick(f, s);
	assert_int_equal(record_count(f, "leak"), 3);
}

static void more_leaks_than_are_remembered_are_repeated_not_hidden(void **state)
{
	struct fixture *f = *state;
	auto_clean(sink_freep) struct sink *s = fix_sink(f, &sink_jsonl);
	struct finding *many = calloc(1100, sizeof(*many));
	size_t i;

	assert_non_null(many);
	for (i = 0; i < 1100; i++) {
		many[i] = f->finding;
		many[i].leak_id = i;
	}
	f->findings.list = many;
	f->findings.count = 1100;
	tick(f, s);
	tick(f, s);
	free(many);
	assert_int_equal(record_count(f, "leak"), 1100 + 1100 - 1024);
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fix_setup, fix_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FIXTURE(a_leak_is_told_again_only_when_it_changes),
		WITH_FIXTURE(whatever_a_reader_would_act_on_is_told_at_once),
		WITH_FIXTURE(a_leak_that_is_gone_is_told_once),
		WITH_FIXTURE(a_leak_that_vanishes_does_not_stay_active),
		WITH_FIXTURE(leaks_of_two_processes_are_kept_apart),
		WITH_FIXTURE(more_leaks_than_are_remembered_are_repeated_not_hidden),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
