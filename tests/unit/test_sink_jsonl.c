/* JSON lines: what each record says, what is left out, and write errors. */
#include "jsonl_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "decode/event.h"

static void every_record_begins_with_the_common_fields(void **state)
{
	struct fixture *f = *state;
	auto_clean(sink_freep) struct sink *s = fix_sink(f, &sink_jsonl);
	json_auto_t *o = NULL;

	f->head.container_id = "c0ffee";
	assert_int_equal(s->ops->start(s->priv, &f->head, &f->start), 0);
	o = record(f, "start", 0);
	assert_string_equal(text_of(o, "time"), "2023-11-14T22:13:20.123456Z");
	assert_string_equal(text_of(o, "host"), "db1");
	assert_string_equal(text_of(o, "comm"), "server");
	assert_string_equal(text_of(o, "container_id"), "c0ffee");
	assert_string_equal(text_of(o, "cgroup"), "/system.slice/server.service");
	assert_int_equal(number_of(o, "pid"), 4242);
	assert_true(number_of(o, "elapsed_s") == 20);
}

static void start_tells_what_is_used_and_what_is_not_measured(void **state)
{
	struct fixture *f = *state;
	auto_clean(sink_freep) struct sink *s = fix_sink(f, &sink_jsonl);
	json_auto_t *o = NULL;
	json_t *list;

	s->ops->start(s->priv, &f->head, &f->start);
	o = record(f, "start", 0);
	assert_int_equal(number_of(o, "schema"), 1);
	list = json_object_get(o, "allocators");
	assert_int_equal(number_of(json_array_get(list, 0), "probes"), 12);
	list = json_object_get(json_object_get(o, "features"), "missing");
	assert_string_equal(json_string_value(json_array_get(list, 0)), "uprobe_session");
	list = json_object_get(o, "unmeasured");
	assert_string_equal(text_of(json_array_get(list, 0), "what"), "managed_heap");
	assert_string_equal(text_of(json_object_get(o, "options"), "interval"), "5 s");
	assert_int_equal(number_of(json_object_get(o, "limits"), "memory_bytes"), 512000000);
}

static void resident_classes_add_up_to_external_bytes(void **state)
{
	struct fixture *f = *state;
	auto_clean(sink_freep) struct sink *s = fix_sink(f, &sink_jsonl);
	json_auto_t *o = NULL;
	json_int_t sum = 0;
	const char *name;
	json_t *row;

	tick(f, s);
	o = record(f, "sample", 0);
	json_object_foreach(json_object_get(o, "classes"), name,
			    row) if (json_is_true(json_object_get(row, "resident"))) sum +=
		json_integer_value(json_object_get(row, "bytes"));
	assert_int_equal(sum, json_integer_value(json_object_get(o, "external_bytes")));
}

static void a_site_says_which_of_its_frames_asked(void **state)
{
	struct fixture *f = *state;
	auto_clean(sink_freep) struct sink *s = fix_sink(f, &sink_jsonl);
	json_auto_t *o = NULL, *deeper = NULL;

	tick(f, s); /* frame 1 behind malloc(), which is left out */
	o = record(f, "site", 0);
	assert_int_equal(json_integer_value(json_object_get(o, "owner_frame")), 0);
	f->owners[0].frame = 2;
	tick(f, s);
	deeper = record(f, "site", 3);
	assert_int_equal(json_integer_value(json_object_get(deeper, "owner_frame")), 1);
}

static void a_sample_carries_growth_and_modules(void **state)
{
	struct fixture *f = *state;
	auto_clean(sink_freep) struct sink *s = fix_sink(f, &sink_jsonl);
	json_auto_t *o = NULL;
	json_t *modules;

	tick(f, s);
	o = record(f, "sample", 0);
	assert_true(fabs(number_of(o, "growth_bytes_per_s") - 1.2e6) < 1e3);
	assert_true(number_of(o, "window_s") == 18);
	assert_int_equal(number_of(o, "seq"), 3);
	assert_true(json_is_null(json_object_get(o, "managed_heap_bytes")));
	modules = json_object_get(json_object_get(json_object_get(o, "classes"), "native_modules"),
				  "modules");
	assert_string_equal(text_of(json_array_get(modules, 0), "name"), "libpq.so.5");
	assert_string_equal(text_of(json_array_get(modules, 0), "kind"), "database");
}

static void what_was_not_measured_is_absent_or_null(void **state)
{
	struct fixture *f = *state;
	auto_clean(sink_freep) struct sink *s = fix_sink(f, &sink_jsonl);
	json_auto_t *o = NULL;
	json_t *row;

	f->snap.heap_traced = false;
	f->snap.proc.swap_bytes = FACT_UNKNOWN;
	f->ledger.coverage_ratio = NAN;
	f->snap.external_series.count = 1;
	f->overhead.probe_hits_per_s = NAN;
	tick(f, s);
	o = record(f, "sample", 0);
	assert_true(json_is_null(json_object_get(o, "swap_bytes")));
	assert_true(json_is_null(json_object_get(o, "coverage_ratio")));
	assert_true(json_is_null(json_object_get(o, "growth_bytes_per_s")));
	assert_null(json_object_get(json_object_get(o, "allocator"), "live_bytes"));
	assert_null(json_object_get(json_object_get(o, "overhead"), "probe_hits_per_s"));
	row = json_object_get(json_object_get(o, "classes"), "kernel_socket_buffers");
	assert_null(json_object_get(row, "bytes"));
	assert_string_equal(text_of(row, "why"), "the kernel does not tell");
}

static void every_loss_has_its_name_and_its_sum(void **state)
{
	struct fixture *f = *state;
	auto_clean(sink_freep) struct sink *s = fix_sink(f, &sink_jsonl);
	json_auto_t *o = NULL;
	json_t *lost;

	f->snap.counters.v[MT_CNT_ring_full] = 5;
	f->snap.counters.v[MT_CNT_live_full] = 7;
	f->snap.counters.v[MT_CNT_scratch_busy] = 11;
	f->snap.counters.v[MT_CNT_hits] = 1000;
	f->snap.counters.bad_records = 2;
	f->snap.counters.fds_refused = 3;
	tick(f, s);
	o = record(f, "sample", 0);
	lost = json_object_get(o, "lost");
	assert_int_equal(number_of(lost, "events"), 7);
	assert_int_equal(number_of(lost, "allocations"), 7);
	assert_int_equal(number_of(lost, "stacks"), 11);
	assert_int_equal(number_of(lost, "ring_full"), 5);
	assert_int_equal(number_of(lost, "fds_refused"), 3);
	assert_non_null(json_object_get(lost, "frees_missed"));
	assert_null(json_object_get(lost, "hits"));
}

static void a_site_leaves_allocator_frames_out_and_has_text_ids(void **state)
{
	struct fixture *f = *state;
	auto_clean(sink_freep) struct sink *s = fix_sink(f, &sink_jsonl);
	json_auto_t *o = NULL;
	json_t *frame;

	tick(f, s);
	o = record(f, "site", 0);
	assert_string_equal(text_of(o, "site_id"), "feedfacecafe0001");
	assert_string_equal(text_of(o, "class"), "application");
	assert_string_equal(text_of(o, "pattern"), "linear");
	assert_true(json_is_true(json_object_get(o, "stack_complete")));
	frame = json_array_get(json_object_get(o, "stack"), 0);
	assert_string_equal(text_of(frame, "symbol"), "keep_request");
	assert_string_equal(text_of(frame, "offset"), "0x1200");
	assert_string_equal(text_of(frame, "build_id"), "0a0b0c");
	assert_int_equal(number_of(frame, "line"), 120);
}

static void a_library_function_under_the_allocator_stays_in_the_stack(void **state)
{
	struct fixture *f = *state;
	auto_clean(sink_freep) struct sink *s = fix_sink(f, &sink_jsonl);
	struct snap_frame frames[3] = { f->leak_frames[0], f->leak_frames[0], f->leak_frames[1] };
	json_auto_t *o = NULL;

	frames[1].symbol = "strdup";
	f->sites[0].stack.frames = frames;
	tick(f, s);
	o = record(f, "site", 0);
	assert_int_equal(json_array_size(json_object_get(o, "stack")), 2);
	assert_string_equal(text_of(json_array_get(json_object_get(o, "stack"), 0), "symbol"),
			    "strdup");
}

static void an_incomplete_stack_says_why(void **state)
{
	struct fixture *f = *state;
	auto_clean(sink_freep) struct sink *s = fix_sink(f, &sink_jsonl);
	json_auto_t *o = NULL;

	tick(f, s);
	o = record(f, "site", 2);
	assert_string_equal(text_of(o, "kind"), "fd");
	assert_true(json_is_false(json_object_get(o, "stack_complete")));
	assert_string_equal(text_of(o, "stack_end"), "no_frame_pointer");
	assert_null(json_object_get(o, "live_by_age"));
}

static void ages_come_from_the_histogram(void **state)
{
	struct fixture *f = *state;
	auto_clean(sink_freep) struct sink *s = fix_sink(f, &sink_jsonl);
	json_auto_t *o = NULL;
	json_t *age;

	tick(f, s);
	o = record(f, "site", 0);
	age = json_object_get(o, "age");
	assert_int_equal(json_array_size(json_object_get(o, "live_by_age")), 11);
	assert_int_equal(json_array_size(json_object_get(o, "age_edges_s")), 10);
	/* 4,800 blocks lie in [8, 16); the 6,000th of 12,000 is a quarter into them. */
	assert_true(fabs(number_of(age, "p50_s") - 10) < 1e-9);
	/* The bucket reaches to 32 s, but the site is only 19.5 s old. */
	assert_true(fabs(number_of(age, "oldest_s") - 19.5) < 1e-9);
	assert_int_equal(number_of(age, "over_60s_bytes"), 0);
}

static void top_bounds_the_sites_and_findings_come_first(void **state)
{
	struct fixture *f = *state;
	auto_clean(sink_freep) struct sink *s = NULL;
	json_auto_t *o = NULL;

	f->cfg.top = 1;
	s = fix_sink(f, &sink_jsonl);
	f->finding.site = 2;
	f->finding.site_id = f->sites[2].id;
	tick(f, s);
	assert_int_equal(record_count(f, "site"), 1);
	o = record(f, "site", 0);
	assert_string_equal(text_of(o, "site_id"), "feedfacecafe0003");
}

static void a_leak_carries_evidence_and_stack(void **state)
{
	struct fixture *f = *state;
	auto_clean(sink_freep) struct sink *s = fix_sink(f, &sink_jsonl);
	json_auto_t *o = NULL;

	tick(f, s);
	o = record(f, "leak", 0);
	assert_string_equal(text_of(o, "leak_id"), "abcdef0000000001");
	assert_string_equal(text_of(o, "leak_type"), "heap");
	assert_string_equal(text_of(o, "severity"), "critical");
	assert_string_equal(text_of(o, "state"), "active");
	assert_int_equal(json_array_size(json_object_get(o, "evidence")), 2);
	assert_int_equal(json_array_size(json_object_get(o, "stack")), 2);
}

static void a_leak_of_several_paths_shows_the_largest(void **state)
{
	struct fixture *f = *state;
	auto_clean(sink_freep) struct sink *s = fix_sink(f, &sink_jsonl);
	json_auto_t *o = NULL, *site = NULL;
	const json_t *paths;

	fix_paths(f);
	f->sites[1].stack.folded = true;
	f->sites[1].stack.end = MT_END_start;
	tick(f, s);
	o = record(f, "leak", 0);
	paths = json_object_get(o, "paths");
	assert_int_equal(number_of(o, "path_count"), 7);
	assert_int_equal(json_array_size(paths), 2);
	assert_string_equal(text_of(json_array_get(paths, 0), "site_id"), text_of(o, "site_id"));
	assert_int_equal(number_of(json_array_get(paths, 0), "live_bytes"), f->sites[0].live_bytes);
	assert_string_equal(text_of(json_array_get(paths, 1), "stack_end"), "folded");
	assert_true(json_is_false(json_object_get(json_array_get(paths, 1), "stack_complete")));
	site = record(f, "site", 1); /* the second path stands behind the first */
	assert_string_equal(text_of(site, "site_id"), "feedfacecafe0002");
	assert_string_equal(text_of(site, "pattern"), "linear");
}

static void a_finding_whose_site_moved_gets_no_foreign_stack(void **state)
{
	struct fixture *f = *state;
	auto_clean(sink_freep) struct sink *s = fix_sink(f, &sink_jsonl);
	json_auto_t *o = NULL;

	f->finding.site = 1; /* of another id */
	tick(f, s);
	o = record(f, "leak", 0);
	assert_string_equal(text_of(o, "site_id"), "feedfacecafe0001");
	assert_int_equal(json_array_size(json_object_get(o, "stack")), 0);
}

static void the_end_lists_active_leaks_worst_first(void **state)
{
	struct fixture *f = *state;
	auto_clean(sink_freep) struct sink *s = fix_sink(f, &sink_jsonl);
	struct finding three[3] = { f->finding, f->finding, f->finding };
	json_auto_t *o = NULL;
	json_t *leaks;

	three[1].leak_id = 2;
	three[1].active = false;
	three[2].leak_id = 3;
	f->findings.list = three;
	f->findings.count = 3;
	assert_int_equal(s->ops->end(s->priv, &f->head, &f->end), 0);
	o = record(f, "end", 0);
	assert_string_equal(text_of(o, "verdict"), "leak");
	assert_string_equal(text_of(o, "reason"), "duration");
	leaks = json_object_get(o, "leaks");
	assert_int_equal(json_array_size(leaks), 2);
	assert_string_equal(json_string_value(json_array_get(leaks, 0)), "abcdef0000000001");
	assert_string_equal(json_string_value(json_array_get(leaks, 1)), "0000000000000003");
	assert_int_equal(record_count(f, "leak"), 3); /* every id in the end was told before */
}

static void an_end_without_a_tick_is_inconclusive(void **state)
{
	struct end_info end = { END_TARGET_EXIT, NULL, NAN, NULL, NULL };
	struct fixture *f = *state;
	auto_clean(sink_freep) struct sink *s = fix_sink(f, &sink_jsonl);
	json_auto_t *o = NULL;

	assert_int_equal(s->ops->end(s->priv, &f->head, &end), 0);
	o = record(f, "end", 0);
	assert_string_equal(text_of(o, "verdict"), "inconclusive");
	assert_string_equal(text_of(o, "reason"), "target_exit");
	assert_true(json_is_null(json_object_get(o, "duration_s")));
}

static void hostile_strings_become_valid_text(void **state)
{
	static char longest[100000];
	struct fixture *f = *state;
	auto_clean(sink_freep) struct sink *s = fix_sink(f, &sink_jsonl);
	json_auto_t *o = NULL;

	memset(longest, 0xc3, sizeof(longest) - 1);
	f->head.comm = "a\xff\x1b[31m\n";
	f->modules[0].name = longest;
	f->leak_frames[1].symbol = longest;
	f->finding.evidence[0] = longest;
	tick(f, s); /* record() parses each line, jansson refuses what is not UTF-8 */
	o = record(f, "leak", 0);
	assert_string_equal(text_of(o, "comm"), "a\xef\xbf\xbd\\x1b[31m\\x0a");
	assert_true(strlen(json_string_value(json_array_get(json_object_get(o, "evidence"), 0))) <=
		    4096);
}

static void hostile_numbers_and_indices_do_not_break_a_line(void **state)
{
	struct fixture *f = *state;
	auto_clean(sink_freep) struct sink *s = fix_sink(f, &sink_jsonl);

	f->sites[0].kind = 99;
	f->sites[0].live_bytes = UINT64_MAX - 1;
	f->sites[0].first_seen_s = NAN;
	f->sites[0].stack.end = 77;
	f->leak_frames[1].module = 1000;
	f->leak_frames[1].kind = 9;
	f->owners[0].module = 4000000000u;
	f->owners[0].class = 99;
	f->owners[0].frame = 1000;
	f->finding.site = 1u << 30;
	f->finding.class = 99;
	f->finding.pattern = 99;
	f->finding.severity = 99;
	f->finding.type = 99;
	f->finding.confidence = INFINITY;
	f->finding.evidence_count = 1000;
	f->external[3] = NAN;
	f->module_rows[0].module = 12345;
	tick(f, s);
	assert_int_equal(record_count(f, "leak"), 1);
	assert_null(strstr(fix_text(f), "nan"));
	assert_null(strstr(fix_text(f), "inf"));
}

static void an_event_tells_call_and_result(void **state)
{
	struct event ev = { .kind = MT_KIND_sys,
			    .sys = { .hdr = { .kind = MT_KIND_sys, .tgid = 4242 },
				     .tid = 4243,
				     .ret = 0x7f0000000000,
				     .arg = { 0, 65536 },
				     .op = MT_SYS_MMAP } };
	struct event_info info = { &ev, 0xfeedfacecafe0001 };
	struct fixture *f = *state;
	auto_clean(sink_freep) struct sink *s = fix_sink(f, &sink_jsonl);
	json_auto_t *o = NULL, *failed = NULL;

	assert_int_equal(s->ops->event(s->priv, &f->head, &info), 0);
	o = record(f, "event", 0);
	assert_string_equal(text_of(o, "op"), "mmap");
	assert_string_equal(text_of(o, "address"), "0x7f0000000000");
	assert_string_equal(text_of(o, "site_id"), "feedfacecafe0001");
	assert_int_equal(number_of(o, "bytes"), 65536);
	assert_int_equal(number_of(o, "tid"), 4243);
	ev.sys.ret = -ENOMEM;
	assert_int_equal(s->ops->event(s->priv, &f->head, &info), 0);
	failed = record(f, "event", 1);
	assert_string_equal(text_of(failed, "error"), "ENOMEM");
	assert_null(json_object_get(failed, "address"));
}

static void a_closed_pipe_is_an_error_and_stays_one(void **state)
{
	struct fixture *f = *state;
	struct sink_cfg cfg = { .host = "db1", .top = 10 };
	auto_clean(sink_freep) struct sink *s = NULL;
	auto_fclose FILE *out = NULL;
	int ends[2];

	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	close(ends[0]);
	out = cfg.out = fdopen(ends[1], "w");
	assert_non_null(out);
	assert_int_equal(sink_new(&sink_jsonl, &cfg, &s), 0);
	assert_int_equal(s->ops->start(s->priv, &f->head, &f->start), -EPIPE);
	assert_int_equal(s->ops->tick(s->priv, &f->head, &f->analysis, &f->overhead), -EPIPE);
	assert_int_equal(s->ops->end(s->priv, &f->head, &f->end), -EPIPE);
}

/* A stream that fails once. */
static ssize_t fail_first(void *cookie, const char *bytes, size_t size)
{
	int *calls = cookie;

	(void)bytes;
	if ((*calls)++ > 0)
		return (ssize_t)size;
	errno = ENOSPC;
	return 0;
}

static void nothing_is_written_after_an_error(void **state)
{
	struct fixture *f = *state;
	int calls = 0;
	auto_fclose FILE *out =
		fopencookie(&calls, "w", (cookie_io_functions_t){ .write = fail_first });
	struct sink_cfg cfg = { .out = out, .host = "db1", .top = 10 };
	auto_clean(sink_freep) struct sink *s = NULL;

	assert_int_equal(sink_new(&sink_jsonl, &cfg, &s), 0);
	assert_int_equal(s->ops->start(s->priv, &f->head, &f->start), -ENOSPC);
	assert_int_equal(s->ops->start(s->priv, &f->head, &f->start), -ENOSPC);
	assert_int_equal(calls, 1);
}

static void a_pattern_says_who_and_how_fast_and_until_when(void **state)
{
	struct fixture *f = *state;
	auto_clean(sink_freep) struct sink *s = fix_sink(f, &sink_jsonl);
	json_auto_t *process = NULL, *class = NULL, *things = NULL, *module = NULL, *site = NULL;
	const json_t *forecast;

	fix_patterns(f);
	tick(f, s);
	process = record(f, "pattern", 0);
	assert_string_equal(text_of(json_object_get(process, "subject"), "kind"), "process");
	assert_string_equal(text_of(json_object_get(process, "subject"), "id"), "4242");
	assert_string_equal(text_of(process, "pattern"), "linear");
	assert_string_equal(text_of(process, "verdict"), "leak");
	assert_string_equal(text_of(process, "severity"), "critical");
	assert_string_equal(text_of(process, "recommendation"), "Find who keeps it.");
	assert_true(number_of(process, "growth_bytes_per_s") == 1.2e6);
	assert_true(fabs(number_of(process, "growth_low_bytes_per_s") - 1.14e6) < 1);
	assert_true(number_of(process, "window_s") == 18);
	assert_true(number_of(process, "since_s") == 3);
	forecast = json_object_get(process, "forecast");
	assert_string_equal(text_of(forecast, "limit_kind"), "cgroup");
	assert_int_equal(number_of(forecast, "limit_bytes"), 512000000);
	assert_true(number_of(forecast, "high_s") == 360);
	class = record(f, "pattern", 1);
	assert_string_equal(text_of(json_object_get(class, "subject"), "id"), "application");
	assert_true(json_is_null(json_object_get(class, "forecast")));
	things = record(f, "pattern", 2);
	assert_true(json_is_null(json_object_get(things, "growth_bytes_per_s")));
	assert_true(json_is_number(json_object_get(things, "growth_count_per_s")));
	module = record(f, "pattern", 3);
	assert_string_equal(text_of(json_object_get(module, "subject"), "id"), "libpq.so.5");
	site = record(f, "pattern", 4);
	assert_string_equal(text_of(json_object_get(site, "subject"), "id"), "feedfacecafe0001");
	assert_true(number_of(site, "known_in_s") == 30);
}

static void a_curve_that_is_too_short_has_no_probability(void **state)
{
	struct fixture *f = *state;
	auto_clean(sink_freep) struct sink *s = fix_sink(f, &sink_jsonl);
	json_auto_t *process = NULL;

	fix_patterns(f);
	f->pattern_rows[0].opinion.verdict = GROWTH_TOO_SHORT;
	f->pattern_rows[0].opinion.leak_probability = 0;
	tick(f, s);
	process = record(f, "pattern", 0);
	assert_string_equal(text_of(process, "verdict"), "too_short");
	assert_true(json_is_null(json_object_get(process, "leak_probability")));
}

static void a_site_and_its_curve_say_the_same(void **state)
{
	struct fixture *f = *state;
	auto_clean(sink_freep) struct sink *s = fix_sink(f, &sink_jsonl);
	json_auto_t *before = NULL, *after = NULL;

	f->finding.pattern = PATTERN_SUSTAINED;
	tick(f, s);
	before = record(f, "site", 0);
	assert_string_equal(text_of(before, "pattern"), "sustained");
	fix_patterns(f);
	f->pattern_rows[4].opinion.shape.confidence = 0.77;
	tick(f, s);
	after = record(f, "site", 3);
	assert_string_equal(text_of(after, "site_id"), "feedfacecafe0001");
	assert_string_equal(text_of(after, "pattern"), "linear");
	assert_true(number_of(after, "confidence") == 0.77);
}

static void an_open_verdict_says_when_it_would_be_known(void **state)
{
	struct fixture *f = *state;
	auto_clean(sink_freep) struct sink *s = fix_sink(f, &sink_jsonl);
	json_auto_t *leak = NULL, *open = NULL;

	f->findings.known_in_s = 12;
	s->ops->end(s->priv, &f->head, &f->end);
	leak = record(f, "end", 0);
	assert_null(json_object_get(leak, "known_in_s"));
	f->findings.verdict = VERDICT_INCONCLUSIVE;
	s->ops->end(s->priv, &f->head, &f->end);
	open = record(f, "end", 1);
	assert_true(number_of(open, "known_in_s") == 12);
}

static void a_pattern_is_told_again_only_when_it_says_something_else(void **state)
{
	struct fixture *f = *state;
	auto_clean(sink_freep) struct sink *s = fix_sink(f, &sink_jsonl);
	struct pattern_row *row = f->pattern_rows;
	json_auto_t *last = NULL;

	fix_patterns(f);
	tick(f, s);
	assert_int_equal(record_count(f, "pattern"), 6);
	row[0].opinion.shape.growth_per_s *= 1.45;
	row[2].opinion.shape.growth_per_s = 17; /* of what is stable: noise */
	tick(f, s);
	assert_int_equal(record_count(f, "pattern"), 6);
	row[0].opinion.shape.growth_per_s *= 1.1;
	tick(f, s);
	assert_int_equal(record_count(f, "pattern"), 7);
	row[1].opinion.verdict = GROWTH_SUSPECT;
	tick(f, s);
	assert_int_equal(record_count(f, "pattern"), 8);
	row[2].opinion.shape.pattern = PATTERN_SPIKE;
	row[4].severity = SEVERITY_HIGH;
	tick(f, s);
	assert_int_equal(record_count(f, "pattern"), 10);
	last = record(f, "pattern", 9);
	assert_string_equal(text_of(last, "severity"), "high");
	s->ops->end(s->priv, &f->head, &f->end);
	assert_int_equal(record_count(f, "pattern"), 16);
	f->head.pid = 4243; /* another process tells its own */
	tick(f, s);
	assert_int_equal(record_count(f, "pattern"), 22);
}

static void an_analysis_tells_patterns_leaks_and_the_end_only(void **state)
{
	struct fixture *f = *state;
	auto_clean(sink_freep) struct sink *s = NULL;

	f->cfg.judgement = true;
	s = fix_sink(f, &sink_jsonl);
	fix_patterns(f);
	tick(f, s);
	s->ops->end(s->priv, &f->head, &f->end);
	assert_int_equal(record_count(f, "sample"), 0);
	assert_int_equal(record_count(f, "site"), 0);
	assert_int_equal(record_count(f, "pattern"), 12);
	assert_int_equal(record_count(f, "leak"), 1);
	assert_int_equal(record_count(f, "end"), 1);
}

static void a_full_disk_is_an_error(void **state)
{
	struct fixture *f = *state;
	auto_fclose FILE *full = fopen("/dev/full", "w");
	struct sink_cfg cfg = { .out = full, .host = "db1", .top = 10 };
	auto_clean(sink_freep) struct sink *s = NULL;

	assert_non_null(full);
	assert_int_equal(sink_new(&sink_jsonl, &cfg, &s), 0);
	assert_int_equal(s->ops->start(s->priv, &f->head, &f->start), -ENOSPC);
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fix_setup, fix_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FIXTURE(every_record_begins_with_the_common_fields),
		WITH_FIXTURE(start_tells_what_is_used_and_what_is_not_measured),
		WITH_FIXTURE(resident_classes_add_up_to_external_bytes),
		WITH_FIXTURE(a_site_says_which_of_its_frames_asked),
		WITH_FIXTURE(a_sample_carries_growth_and_modules),
		WITH_FIXTURE(what_was_not_measured_is_absent_or_null),
		WITH_FIXTURE(every_loss_has_its_name_and_its_sum),
		WITH_FIXTURE(a_site_leaves_allocator_frames_out_and_has_text_ids),
		WITH_FIXTURE(a_library_function_under_the_allocator_stays_in_the_stack),
		WITH_FIXTURE(an_incomplete_stack_says_why),
		WITH_FIXTURE(ages_come_from_the_histogram),
		WITH_FIXTURE(top_bounds_the_sites_and_findings_come_first),
		WITH_FIXTURE(a_leak_carries_evidence_and_stack),
		WITH_FIXTURE(a_leak_of_several_paths_shows_the_largest),
		WITH_FIXTURE(a_finding_whose_site_moved_gets_no_foreign_stack),
		WITH_FIXTURE(the_end_lists_active_leaks_worst_first),
		WITH_FIXTURE(an_end_without_a_tick_is_inconclusive),
		WITH_FIXTURE(hostile_strings_become_valid_text),
		WITH_FIXTURE(hostile_numbers_and_indices_do_not_break_a_line),
		WITH_FIXTURE(an_event_tells_call_and_result),
		WITH_FIXTURE(a_closed_pipe_is_an_error_and_stays_one),
		WITH_FIXTURE(nothing_is_written_after_an_error),
		WITH_FIXTURE(a_pattern_says_who_and_how_fast_and_until_when),
		WITH_FIXTURE(a_curve_that_is_too_short_has_no_probability),
		WITH_FIXTURE(a_site_and_its_curve_say_the_same),
		WITH_FIXTURE(an_open_verdict_says_when_it_would_be_known),
		WITH_FIXTURE(a_pattern_is_told_again_only_when_it_says_something_else),
		WITH_FIXTURE(an_analysis_tells_patterns_leaks_and_the_end_only),
		WITH_FIXTURE(a_full_disk_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
