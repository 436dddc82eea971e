/* replay: records of a run, back into what its judge saw; hostile records are bounded. */
#include "app/replay.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "report/names.h"

#define START                                                                                  \
	"{\"exe\":\"/opt/bin/srv\",\"runtime\":{\"name\":\"v8\"},\"options\":{\"top\":\"2\"}," \
	"\"limits\":{\"memory_bytes\":1000000,\"kind\":\"cgroup\"},\"allocators\":[{\"name\":" \
	"\"glibc\",\"module\":\"libc.so.6\"}]}"
#define SAMPLE                                                                                  \
	"{\"rss_bytes\":5000,\"swap_bytes\":10,\"external_bytes\":4000,\"seq\":3,"              \
	"\"coverage_ratio\":0.5,\"allocator\":{\"live_bytes\":700,\"live_count\":7},"           \
	"\"classes\":{\"application\":{\"bytes\":100,\"count\":2,\"how\":\"estimate\",\"why\":" \
	"\"because\"},\"native_modules\":{\"bytes\":50,\"modules\":[{\"name\":\"libz.so.1\","   \
	"\"bytes\":50,\"count\":1}]},\"nonsense\":{\"bytes\":7}}}"

struct world {
	struct replay_store store;
	struct replay *p;
	struct replay_view v;
};

static void world_begin(struct world *w, uint64_t limit_bytes)
{
	*w = (struct world){};
	replay_store_init(&w->store);
	assert_int_equal(replay_new(&w->store, 7, limit_bytes, &w->p), 0);
}

static void world_done(struct world *w)
{
	replay_view_done(&w->v);
	replay_free(w->p);
	replay_store_done(&w->store);
}

#define auto_world auto_clean(world_done)

static json_t *parse(const char *text)
{
	json_t *o = json_loads(text, 0, NULL);

	if (!o)
		fail_msg("no JSON: %s", text);
	return o;
}

static void take_start(struct world *w, const char *text)
{
	json_auto_t *o = parse(text);
	const char *why = NULL;

	assert_int_equal(replay_start(w->p, o, &why), 0);
}

static int try_sample(struct world *w, const char *text, double t_s)
{
	json_auto_t *o = parse(text);
	const char *why = NULL;
	int r = replay_sample(w->p, o, t_s, &why);

	assert_true(r != -EBADMSG || why);
	return r;
}

/* live: of a heap site that has allocated twice as much. */
static char *site_text(unsigned int id, unsigned int live, const char *more)
{
	char *text;

	assert_true(asprintf(&text,
			     "{\"site_id\":\"%016x\",\"kind\":\"heap\",\"class\":\"application\","
			     "\"live_bytes\":%u,\"live_count\":%u,\"allocated_count\":%u%s}",
			     id, live * 10, live, 2 * live, more) > 0);
	return text;
}

static int try_site(struct world *w, const char *text)
{
	json_auto_t *o = parse(text);
	const char *why = NULL;
	int r = replay_site(w->p, o, &why);

	assert_true(r != -EBADMSG || why);
	return r;
}

static void take_site(struct world *w, unsigned int id, unsigned int live)
{
	auto_free char *text = site_text(id, live, "");

	assert_int_equal(try_site(w, text), 0);
}

static const struct replay_view *view(struct world *w, bool complete)
{
	replay_view_done(&w->v);
	assert_int_equal(replay_view(w->p, complete, &w->v), 0);
	return &w->v;
}

static const struct snap_site *site_of(const struct replay_view *v, uint64_t id)
{
	for (size_t i = 0; i < v->snap.site_count; i++)
		if (v->snap.sites[i].id == id)
			return &v->snap.sites[i];
	return NULL;
}

static void figures_of_start_and_sample_arrive(void **state)
{
	auto_world struct world w;
	const struct replay_view *v;

	(void)state;
	world_begin(&w, 0);
	take_start(&w, START);
	assert_int_equal(replay_view(w.p, true, &w.v), -EAGAIN);
	assert_int_equal(try_sample(&w, SAMPLE, 2.5), 0);
	v = view(&w, true);
	assert_int_equal(v->snap.pid, 7);
	assert_true(v->snap.elapsed_s == 2.5);
	assert_int_equal(v->snap.proc.rss_bytes, 5000);
	assert_true(v->snap.residency_known && v->snap.heap_traced);
	assert_int_equal(v->snap.external_series.count, 1);
	assert_true(v->snap.external_series.value[0] == 4000);
	assert_int_equal(v->ledger.external_bytes, 4000);
	assert_int_equal(v->ledger.rows[CLASS_application].bytes, 100);
	assert_int_equal(v->ledger.rows[CLASS_application].how, HOW_ESTIMATE);
	assert_string_equal(v->ledger.rows[CLASS_application].why, "because");
	assert_int_equal(v->ledger.rows[CLASS_unexplained].how, 0); /* was not told */
	assert_int_equal(v->ledger.module_count, 1);
	assert_string_equal(v->snap.modules[v->ledger.modules[0].module].name, "libz.so.1");
	assert_string_equal(v->input.runtime, "v8");
	assert_string_equal(v->input.limits.kind, "cgroup");
	assert_true(v->input.limits.bytes == 1000000 && v->input.limits.used_bytes == 5010);
	assert_true(v->input.snap == &v->snap && v->input.ledger == &v->ledger);
	assert_true(v->snap.modules[0].allocator && !strcmp(v->snap.modules[0].name, "libc.so.6"));
}

static void rss_stands_in_for_external_memory_and_without_both_there_is_no_tick(void **state)
{
	auto_world struct world w;
	const struct replay_view *v;

	(void)state;
	world_begin(&w, 99);
	assert_int_equal(try_sample(&w, "{\"rss_bytes\":null}", 1), -EBADMSG);
	assert_int_equal(try_sample(&w, "{\"external_bytes\":-5}", 1), -EBADMSG);
	assert_int_equal(try_sample(&w, "{\"rss_bytes\":12}", 1), 0);
	v = view(&w, true);
	assert_true(v->snap.external_series.value[0] == 12);
	assert_false(v->snap.heap_traced || v->snap.residency_known);
	assert_string_equal(v->input.limits.kind, "given");
	assert_true(v->input.limits.used_bytes == 12);
	assert_int_equal(try_sample(&w, "{\"rss_bytes\":12,\"limit_used_bytes\":50}", 2), 0);
	assert_true(view(&w, true)->input.limits.used_bytes == 12); /* of another limit */
	take_start(&w, START); /* the limit that was given stays */
	assert_true(view(&w, true)->input.limits.bytes == 99);
}

static void the_use_of_the_limit_is_what_was_told_or_the_process_alone(void **state)
{
	auto_world struct world w;

	(void)state;
	world_begin(&w, 0);
	take_start(&w, START);
	assert_int_equal(try_sample(&w, "{\"rss_bytes\":12,\"limit_used_bytes\":50}", 1), 0);
	assert_true(view(&w, true)->input.limits.used_bytes == 50);
	assert_int_equal(try_sample(&w, "{\"rss_bytes\":12,\"limit_used_bytes\":\"x\"}", 2), 0);
	assert_true(view(&w, true)->input.limits.used_bytes == 12);
	take_start(&w, "{\"limits\":{\"memory_bytes\":5000,\"kind\":\"machine\"}}");
	assert_int_equal(try_sample(&w, "{\"rss_bytes\":12}", 3), 0);
	assert_true(isnan(view(&w, true)->input.limits.used_bytes));
}

static void a_site_arrives_with_ages_stack_and_owner(void **state)
{
	static const char more[] =
		",\"freed_count\":3,\"managed_bytes\":7,\"live_by_age\":[1,2,3,4,5,6,7,8,9,10,11],"
		"\"freed_by_age\":[0,0,0,0,0,0,0,0,0,0,1],\"owner_frame\":1,"
		"\"owner_confidence\":0.9,\"owner_evidence\":\"seen\",\"stack_complete\":true,"
		"\"stack\":[{\"module\":\"libz.so.1\",\"build_id\":\"ab\",\"offset\":\"0x10\","
		"\"symbol\":\"deflate\",\"inlined\":true,\"kind\":\"native\"},"
		"{\"module\":\"srv\",\"offset\":\"0x20\",\"symbol\":\"pack\",\"file\":\"a.c\","
		"\"line\":5,\"inlined\":false}]";
	auto_free char *text = site_text(0x1f, 4, more);
	auto_world struct world w;
	const struct snap_site *s;
	const struct owner *o;

	(void)state;
	world_begin(&w, 0);
	take_start(&w, START);
	assert_int_equal(try_site(&w, text), -EBADMSG); /* before a sample */
	assert_int_equal(try_sample(&w, SAMPLE, 5), 0);
	assert_int_equal(try_site(&w, text), 0);
	s = site_of(view(&w, true), 0x1f);
	assert_non_null(s);
	assert_true(s->ages_known && s->id_final && s->kind == MT_SITE_HEAP);
	assert_int_equal(s->live_by_age[10], 11);
	assert_int_equal(s->freed_by_age[10], 1);
	assert_int_equal(s->freed_count, 3);
	assert_int_equal(s->managed_bytes, 7);
	assert_int_equal(s->stack.count, 2);
	assert_int_equal(s->stack.end, MT_END_start);
	assert_true(s->stack.frames[0].inlined && s->stack.frames[0].offset == 0x10);
	assert_string_equal(s->stack.frames[1].symbol, "pack");
	assert_int_equal(s->stack.frames[1].line, 5);
	o = &w.v.owners[s - w.v.sites];
	assert_int_equal(o->class, CLASS_application);
	assert_string_equal(o->evidence, "seen");
	assert_string_equal(w.v.modules[o->module].name, "srv");
	assert_true(w.v.modules[o->module].main_exe);
	assert_int_equal(s->live_bytes_series.count, 1);
	assert_true(s->live_bytes_series.value[0] == 40 && s->live_count_series.value[0] == 4);
	assert_true(s->first_seen_s == 0); /* what was before is not known */
}

/* A report with room left that does not tell a site says that it holds nothing. */
static void a_site_that_is_not_told_holds_nothing_where_there_was_room(void **state)
{
	auto_world struct world w;
	const struct snap_site *s;

	(void)state;
	world_begin(&w, 0);
	take_start(&w, START); /* --top 2 */
	assert_int_equal(try_sample(&w, SAMPLE, 5), 0);
	take_site(&w, 1, 100);
	assert_int_equal(try_sample(&w, SAMPLE, 10), 0);
	take_site(&w, 1, 200);
	take_site(&w, 2, 50);
	view(&w, true);
	s = site_of(&w.v, 2);
	assert_true(s->first_seen_s == 5); /* the report at 5 s had room for it */
	assert_int_equal(s->live_bytes_series.count, 2);
	assert_true(s->live_bytes_series.value[0] == 0 && s->live_bytes_series.t_s[0] == 5);
	assert_int_equal(try_sample(&w, SAMPLE, 15), 0);
	take_site(&w, 3, 60);
	take_site(&w, 4, 60);
	view(&w, true); /* full: nothing is known of the others, nor of the past of new ones */
	assert_null(site_of(&w.v, 1));
	assert_null(site_of(&w.v, 2));
	assert_true(site_of(&w.v, 3)->first_seen_s == 0);
	assert_int_equal(try_sample(&w, SAMPLE, 20), 0);
	take_site(&w, 4, 70);
	view(&w, false); /* more may come */
	assert_null(site_of(&w.v, 1));
	assert_int_equal(site_of(&w.v, 3)->live_count, 60);
	view(&w, true);
	assert_int_equal(site_of(&w.v, 1)->live_count, 0);
	assert_int_equal(site_of(&w.v, 1)->freed_count, 400);
	assert_int_equal(site_of(&w.v, 1)->live_bytes_series.count, 3);
}

static void a_site_that_allocates_no_more_is_seen_to_rest(void **state)
{
	auto_world struct world w;

	(void)state;
	world_begin(&w, 0);
	for (int t = 1; t <= 5; t++) {
		assert_int_equal(try_sample(&w, SAMPLE, t), 0);
		take_site(&w, 9, t < 3 ? (unsigned int)t : 3);
	}
	assert_true(site_of(view(&w, true), 9)->last_alloc_s == 3);
}

static void another_program_has_no_past(void **state)
{
	auto_world struct world w;

	(void)state;
	world_begin(&w, 0);
	assert_int_equal(try_sample(&w, SAMPLE, 5), 0);
	take_site(&w, 1, 100);
	assert_int_equal(replay_executed(w.p), 0);
	assert_int_equal(replay_view(w.p, true, &w.v), -EAGAIN);
	assert_int_equal(w.store.sites, 0);
	assert_int_equal(try_sample(&w, SAMPLE, 6), 0);
	assert_int_equal(view(&w, true)->snap.site_count, 0);
	assert_int_equal(w.v.snap.external_series.count, 1);
}

/* --- hostile -------------------------------------------------------------------------------- */

static void what_is_no_site_is_refused(void **state)
{
	static const char *const bad[] = {
		"{}",
		"{\"site_id\":\"1\",\"kind\":\"heap\",\"live_bytes\":1,\"live_count\":1}",
		"{\"site_id\":\"0000000000000000\",\"kind\":\"heap\",\"live_bytes\":1,\"live_"
		"count\":1}",
		"{\"site_id\":\"-000000000000001\",\"kind\":\"heap\",\"live_bytes\":1,\"live_"
		"count\":1}",
		"{\"site_id\":\"0000000000000001\",\"kind\":\"heap2\",\"live_bytes\":1,\"live_"
		"count\":1}",
		"{\"site_id\":\"0000000000000001\",\"kind\":\"heap\",\"live_bytes\":-1,\"live_"
		"count\":1}",
		"{\"site_id\":\"0000000000000001\",\"kind\":\"heap\",\"live_bytes\":1,\"live_"
		"count\":1.5}",
		"{\"site_id\":[],\"kind\":{},\"live_bytes\":\"\",\"live_count\":null}",
	};
	auto_world struct world w;

	(void)state;
	world_begin(&w, 0);
	assert_int_equal(try_sample(&w, SAMPLE, 5), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(try_site(&w, bad[i]), -EBADMSG);
	assert_int_equal(view(&w, true)->snap.site_count, 0);
}

static void fields_of_other_types_are_not_known(void **state)
{
	static const char text[] =
		"{\"site_id\":\"0000000000000001\",\"kind\":\"fd\",\"class\":5,\"live_bytes\":0,"
		"\"live_count\":9223372036854775807,\"freed_count\":\"x\",\"owner_frame\":-1,"
		"\"live_by_age\":[1,2,3],\"freed_by_age\":{},\"stack\":[5,{},[],{\"offset\":"
		"\"zz\",\"module\":3,\"symbol\":[],\"line\":1e300,\"inlined\":true}],"
		"\"owner_confidence\":1e308,\"module\":{}}";
	auto_world struct world w;
	const struct snap_site *s;

	(void)state;
	world_begin(&w, 0);
	take_start(&w,
		   "{\"exe\":5,\"runtime\":[],\"options\":{\"top\":7},\"limits\":{\"memory_bytes\""
		   ":-1,\"kind\":\"cgroup\"},\"allocators\":{\"a\":1}}");
	assert_int_equal(try_sample(&w,
				    "{\"rss_bytes\":9223372036854775807,\"classes\":[],"
				    "\"allocator\":7,\"coverage_ratio\":\"x\"}",
				    1),
			 0);
	assert_int_equal(try_site(&w, text), 0);
	s = site_of(view(&w, true), 1);
	assert_int_equal(s->stack.count, 4);
	assert_false(s->ages_known || s->stack.frames[3].inlined);
	assert_int_equal(s->stack.frames[3].module, SNAP_NO_MODULE);
	assert_null(s->stack.frames[3].symbol);
	assert_int_equal(w.v.owners[0].class, CLASS_unexplained);
	assert_true(w.v.owners[0].confidence == 1);
	assert_null(w.v.input.limits.kind);
}

static void tables_are_bounded_and_count_what_they_refuse(void **state)
{
	auto_world struct world w;

	(void)state;
	world_begin(&w, 0);
	assert_int_equal(try_sample(&w, SAMPLE, 1), 0);
	w.store.sites_max = 50;
	for (unsigned int i = 1; i <= 60; i++)
		take_site(&w, i * 2654435761u, 1);
	view(&w, true);
	assert_int_equal(w.v.snap.site_count, 50);
	assert_int_equal(w.store.refused_sites, 10);
	assert_int_equal(w.v.snap.counters.sites_refused, 10);
	for (size_t i = 1; i < w.v.snap.site_count; i++)
		assert_true(w.v.snap.sites[i - 1].id < w.v.snap.sites[i].id);
}

static void an_estimate_comes_back(void **state)
{
	auto_free char *text = site_text(0xaa, 100,
					 ",\"estimated\":true,\"error_ratio\":0.5,"
					 "\"records_count\":10,\"allocated_records_count\":20,"
					 "\"blocks_per_record\":12.5");
	auto_free char *odd = NULL;
	auto_world struct world w;
	const struct snap_site *s;

	(void)state;
	world_begin(&w, 0);
	assert_int_equal(try_sample(&w, SAMPLE, 1), 0);
	assert_int_equal(try_site(&w, text), 0);
	take_site(&w, 0xcc, 5);
	s = site_of(view(&w, true), 0xaa);
	assert_true(s->estimated && s->weight == 12.5 && s->live_error_bytes == 500);
	assert_int_equal(s->records, 10);
	assert_int_equal(s->allocated_records, 20);
	assert_false(site_of(&w.v, 0xcc)->estimated);
	odd = site_text(0xbb, 100,
			",\"estimated\":true,\"error_ratio\":-1,\"records_count\":-1,"
			"\"blocks_per_record\":0.5");
	assert_int_equal(try_site(&w, odd), 0);
	s = site_of(view(&w, true), 0xbb);
	assert_true(s->estimated && s->weight == 1 && isnan(s->live_error_bytes));
	assert_int_equal(s->records, 100);
}

static void a_stack_is_as_deep_as_it_may_be(void **state)
{
	auto_free char *text = calloc(1, 200000);
	auto_world struct world w;
	size_t n = 0;

	(void)state;
	world_begin(&w, 0);
	assert_int_equal(try_sample(&w, SAMPLE, 1), 0);
	n += (size_t)sprintf(text + n, "{\"site_id\":\"00000000000000aa\",\"kind\":\"heap\","
				       "\"live_bytes\":1,\"live_count\":1,\"stack\":[{}");
	for (int i = 0; i < 5000; i++)
		n += (size_t)sprintf(text + n, ",{\"offset\":\"0x%x\"}", i);
	sprintf(text + n, "]}");
	assert_int_equal(try_site(&w, text), 0);
	assert_int_equal(view(&w, true)->sites[0].stack.count, REPLAY_STACK_MAX);
	assert_int_equal(w.store.frames, REPLAY_STACK_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(figures_of_start_and_sample_arrive),
		cmocka_unit_test(
			rss_stands_in_for_external_memory_and_without_both_there_is_no_tick),
		cmocka_unit_test(the_use_of_the_limit_is_what_was_told_or_the_process_alone),
		cmocka_unit_test(a_site_arrives_with_ages_stack_and_owner),
		cmocka_unit_test(a_site_that_is_not_told_holds_nothing_where_there_was_room),
		cmocka_unit_test(a_site_that_allocates_no_more_is_seen_to_rest),
		cmocka_unit_test(another_program_has_no_past),
		cmocka_unit_test(what_is_no_site_is_refused),
		cmocka_unit_test(fields_of_other_types_are_not_known),
		cmocka_unit_test(tables_are_bounded_and_count_what_they_refuse),
		cmocka_unit_test(an_estimate_comes_back),
		cmocka_unit_test(a_stack_is_as_deep_as_it_may_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
