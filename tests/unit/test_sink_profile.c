/* A live run as a profile: what is gathered of it, and that the sink behind it misses nothing. */
#include "report_fixture.h"

#include <errno.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "profile/render.h"

/* The fixture's process from start to end, in two ticks between which the leak grew. */
static void live_run(struct fixture *f, struct profile *p)
{
	auto_clean(sink_freep) struct sink *next = fix_sink(f, &sink_jsonl), *s = NULL;
	struct sink_cfg cfg = { .profile = p, .next = next };

	assert_int_equal(sink_new(&sink_profile, &cfg, &s), 0);
	f->start.exe = "/usr/local/bin/server";
	assert_int_equal(s->ops->start(s->priv, &f->head, &f->start), 0);
	f->sites[0].live_bytes = 400000;
	assert_int_equal(s->ops->tick(s->priv, &f->head, &f->analysis, &f->overhead), 0);
	f->sites[0].live_bytes = 23400000;
	f->head.elapsed_s += 5;
	assert_int_equal(s->ops->tick(s->priv, &f->head, &f->analysis, &f->overhead), 0);
	f->end.last = &f->analysis;
	assert_int_equal(s->ops->end(s->priv, &f->head, &f->end), 0);
	profile_settle(p);
}

static void assert_folded(const struct profile *p, enum profile_value value, const char *expected)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_int_equal(render_folded(out, p, value), 0);
	fclose(out);
	assert_string_equal(text, expected);
	free(text);
}

static void a_live_run_holds_and_grew_what_its_sites_say(void **state)
{
	auto_clean(profile_freep) struct profile *p = NULL;
	struct fixture *f = *state;

	assert_int_equal(profile_new(&p), 0);
	f->sites[1].site = 1;
	f->sites[2].site = 2;
	live_run(f, p);
	assert_folded(p, PROFILE_LIVE, "main;keep_request 23400000\nmain;libpq.so.5+0x4321 4096\n");
	assert_folded(p, PROFILE_GROWING, "main;keep_request 23000000\n");
	assert_folded(p, PROFILE_COUNT, "main;keep_request 12000\nmain;libpq.so.5+0x4321 1\n");
	assert_true(p->notes.span_s == 5);
	assert_int_equal(p->notes.told_once + p->notes.gone + p->notes.hidden_bytes, 0);
	assert_int_equal(p->process_count, 1);
	assert_true(p->processes[0].ended);
}

static void a_site_keeps_its_id_when_others_speak_for_it(void **state)
{
	auto_clean(profile_freep) struct profile *p = NULL;
	struct fixture *f = *state;

	assert_int_equal(profile_new(&p), 0);
	{
		auto_clean(sink_freep) struct sink *next = fix_sink(f, &sink_jsonl), *s = NULL;
		struct sink_cfg cfg = { .profile = p, .next = next };

		assert_int_equal(sink_new(&sink_profile, &cfg, &s), 0);
		s->ops->start(s->priv, &f->head, &f->start);
		for (int i = 0; i < 3; i++) {
			f->sites[i].site = (uint32_t)i;
			f->sites[i].id_final = true;
		}
		s->ops->tick(s->priv, &f->head, &f->analysis, &f->overhead);
		f->sites[0].live_bytes += 10;
		f->sites[0].site = 9; /* another member of a merged site is the largest now */
		f->sites[0].stack.folded = true;
		s->ops->tick(s->priv, &f->head, &f->analysis, &f->overhead);
		f->end.last = &f->analysis;
		s->ops->end(s->priv, &f->head, &f->end);
	}
	profile_settle(p);
	assert_folded(p, PROFILE_GROWING, "[incomplete:_folded];main;keep_request 10\n");
}

static void growth_needs_two_reports(void **state)
{
	auto_clean(profile_freep) struct profile *p = NULL;
	struct fixture *f = *state;

	assert_int_equal(profile_new(&p), 0);
	f->sites[1].site = 1;
	{
		auto_clean(sink_freep) struct sink *next = fix_sink(f, &sink_jsonl), *s = NULL;
		struct sink_cfg cfg = { .profile = p, .next = next };

		assert_int_equal(sink_new(&sink_profile, &cfg, &s), 0);
		s->ops->start(s->priv, &f->head, &f->start);
		s->ops->tick(s->priv, &f->head, &f->analysis, &f->overhead);
		f->end.last = &f->analysis;
		s->ops->end(s->priv, &f->head, &f->end);
	}
	profile_settle(p);
	assert_folded(p, PROFILE_GROWING, "");
	assert_int_equal(p->notes.told_once, 2);
}

static void a_site_that_came_later_grew_all_that_it_holds(void **state)
{
	auto_clean(profile_freep) struct profile *p = NULL;
	struct fixture *f = *state;
	size_t sites = f->snap.site_count;

	assert_int_equal(profile_new(&p), 0);
	f->sites[1].site = 1;
	f->sites[2].site = 2;
	{
		auto_clean(sink_freep) struct sink *next = fix_sink(f, &sink_jsonl), *s = NULL;
		struct sink_cfg cfg = { .profile = p, .next = next };

		assert_int_equal(sink_new(&sink_profile, &cfg, &s), 0);
		s->ops->start(s->priv, &f->head, &f->start);
		f->snap.site_count = 1;
		s->ops->tick(s->priv, &f->head, &f->analysis, &f->overhead);
		f->snap.site_count = sites;
		s->ops->tick(s->priv, &f->head, &f->analysis, &f->overhead);
		f->end.last = &f->analysis;
		s->ops->end(s->priv, &f->head, &f->end);
	}
	profile_settle(p);
	assert_folded(p, PROFILE_GROWING, "main;libpq.so.5+0x4321 4096\n");
}

static size_t lines_of(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

static void the_sink_behind_gets_every_call(void **state)
{
	auto_clean(profile_freep) struct profile *p = NULL;
	struct fixture *f = *state;

	assert_int_equal(profile_new(&p), 0);
	live_run(f, p);
	assert_in_range(lines_of(fix_text(f)), 8,
			20); /* start, 2 samples with 3 sites, leak, end */
	assert_non_null(strstr(fix_text(f), "\"type\":\"end\""));
}

static void it_needs_a_profile_and_a_sink(void **state)
{
	struct sink_cfg cfg = {};
	struct sink *s = NULL;

	(void)state;
	assert_int_equal(sink_new(&sink_profile, &cfg, &s), -EINVAL);
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, fix_setup, fix_teardown)
	const struct CMUnitTest tests[] = {
		WITH(a_live_run_holds_and_grew_what_its_sites_say),
		WITH(a_site_keeps_its_id_when_others_speak_for_it),
		WITH(growth_needs_two_reports),
		WITH(a_site_that_came_later_grew_all_that_it_holds),
		WITH(the_sink_behind_gets_every_call),
		WITH(it_needs_a_profile_and_a_sink),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
