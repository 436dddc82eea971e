/*
 * Output without memory: every line is whole, nothing leaks, and what was not told is told as soon
 * as there is memory. jansson's allocations fail here too.
 */
#include <ctype.h>
#include <jansson.h>

#include "report_fixture.h"
#include "base/cleanup.h"
#include "each.h"

struct output {
	struct fixture *f;
	const struct sink_ops *ops;
};

static int use_sink(struct output *o, struct sink *s)
{
	const struct process_info process = { PROCESS_ATTACH, 1, "asked for" };
	struct fixture *f = o->f;
	int r;

	r = o->ops->start(s->priv, &f->head, &f->start);
	if (r == 0)
		r = o->ops->process(s->priv, &f->head, &process);
	if (r == 0)
		r = o->ops->tick(s->priv, &f->head, &f->analysis, &f->overhead);
	if (r == 0)
		r = o->ops->end(s->priv, &f->head, &f->end);
	return r;
}

static int whole_life(void *ctx)
{
	auto_clean(sink_freep) struct sink *s = NULL;
	struct output *o = ctx;
	int r = sink_new(o->ops, &o->f->cfg, &s);

	return r < 0 ? r : use_sink(o, s);
}

/* Each line of the output is one object. */
static void assert_lines_are_whole(const char *text)
{
	while (*text) {
		size_t len = strcspn(text, "\n");
		json_t *o = json_loadb(text, len, 0, NULL);

		assert_non_null(o);
		json_decref(o);
		assert_int_equal(text[len], '\n');
		text += len + 1;
	}
}

static size_t count(const char *text, const char *what)
{
	size_t n = 0;

	for (; (text = strstr(text, what)); text++)
		n++;
	return n;
}

/* The output begins anew: it becomes long otherwise. */
static void rewind_output(struct fixture *f)
{
	fix_text(f);
	assert_int_equal(fseek(f->cfg.out, 0, SEEK_SET), 0);
}

static void json_lines_are_whole_or_not_there(void **state)
{
	struct fixture *f = *state;
	struct output o = { f, &sink_jsonl };

	fix_paths(f);
	json_set_alloc_funcs(oom_malloc, oom_free);
	each_way(whole_life, &o, 300);
	json_set_alloc_funcs(malloc, free);
	assert_lines_are_whole(fix_text(f));
}

/* Text is for people: words that are put together apart may be missing from a line. */
static int whole_life_in_text(void *ctx)
{
	int r = whole_life(ctx);

	return r == 0 && oom_failed() ? -ENOMEM : r;
}

static void text_leaves_nothing_behind(void **state)
{
	struct output o = { *state, &sink_text };

	each_way(whole_life_in_text, &o, 100);
}

/* A tick that failed is given again: what the reader must know is told then. */
static void retell(struct fixture *f, const struct sink_ops *ops, const char *what)
{
	bool failed = true;
	int r;

	json_set_alloc_funcs(oom_malloc, oom_free);
	for (unsigned long n = 1; failed; n++) {
		struct sink *s = fix_sink(f, ops);

		rewind_output(f);
		oom_arm(n, false);
		r = ops->tick(s->priv, &f->head, &f->analysis, &f->overhead);
		failed = oom_disarm();
		each_runs += failed;
		if (!failed)
			assert_int_equal(r, 0);
		if (r < 0) {
			assert_int_equal(r, -ENOMEM);
			rewind_output(f);
			assert_int_equal(ops->tick(s->priv, &f->head, &f->analysis, &f->overhead),
					 0);
		}
		fputc(0, f->cfg.out); /* ends the text: a longer one may lie behind */
		if (count(fix_text(f), what) == 0)
			fail_msg("allocation %lu (%s): \"%s\" is not told", n, oom_where(), what);
		sink_free(s);
	}
	json_set_alloc_funcs(malloc, free);
}

static void a_sample_that_failed_is_told_later(void **state)
{
	retell(*state, &sink_jsonl, "\"type\":\"sample\"");
}

static void sites_that_failed_are_told_later(void **state)
{
	retell(*state, &sink_jsonl, "\"type\":\"site\"");
}

static void a_block_that_failed_is_shown_later(void **state)
{
	retell(*state, &sink_text, "keep_request");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(json_lines_are_whole_or_not_there, fix_setup,
						fix_teardown),
		cmocka_unit_test_setup_teardown(text_leaves_nothing_behind, fix_setup,
						fix_teardown),
		cmocka_unit_test_setup_teardown(a_sample_that_failed_is_told_later, fix_setup,
						fix_teardown),
		cmocka_unit_test_setup_teardown(sites_that_failed_are_told_later, fix_setup,
						fix_teardown),
		cmocka_unit_test_setup_teardown(a_block_that_failed_is_shown_later, fix_setup,
						fix_teardown),
	};

	return each_report(cmocka_run_group_tests(tests, NULL, NULL));
}
