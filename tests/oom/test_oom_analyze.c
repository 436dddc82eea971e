/* Recordings and points judged without memory: -ENOMEM, and nothing leaks. */
#include "each.h"

#include <string.h>

#include "app/analyze_points.h"
#include "app/analyzed.h"
#include "base/cleanup.h"

#define RECORDS 10
#define POINTS 24

/* Parsed beforehand: what is read is not what is tested here. */
static struct {
	json_t *start, *end, *sample[RECORDS], *site[RECORDS], *point[POINTS];
	FILE *null;
} input;

static json_t *parse(const char *text)
{
	json_t *o = json_loads(text, 0, NULL);

	assert_non_null(o);
	return o;
}

static void make_input(void)
{
	char text[1000];

	input.null = fopen("/dev/null", "w");
	assert_non_null(input.null);
	input.start = parse("{\"host\":\"h\",\"comm\":\"srv\",\"exe\":\"/bin/srv\",\"options\":{"
			    "\"top\":\"10\"},\"runtime\":{\"name\":\"v8\"},\"allocators\":[{"
			    "\"module\":\"libc.so.6\"}]}");
	input.end = parse("{\"reason\":\"signal\"}");
	for (int i = 0; i < RECORDS; i++) {
		snprintf(text, sizeof(text),
			 "{\"elapsed_s\":%d,\"rss_bytes\":%d,\"coverage_ratio\":1,\"allocator\":{"
			 "\"live_bytes\":5,\"live_count\":1},\"classes\":{\"native_modules\":{"
			 "\"bytes\":5,\"why\":\"w\",\"modules\":[{\"name\":\"libz\",\"bytes\":5}]}}"
			 "}",
			 5 * i + 5, 2000000 + 500000 * i);
		input.sample[i] = parse(text);
		snprintf(text, sizeof(text),
			 "{\"site_id\":\"00000000000000aa\",\"kind\":\"heap\",\"class\":"
			 "\"application\",\"live_bytes\":%d,\"live_count\":%d,\"freed_count\":0,"
			 "\"allocated_count\":%d,\"stack\":[{\"symbol\":\"keep%d\",\"module\":"
			 "\"srv\",\"offset\":\"0x5\"}],\"owner_frame\":0,\"owner_evidence\":\"e\"}",
			 500000 * i, 500 * i, 500 * i, i);
		input.site[i] = parse(text);
	}
	for (int i = 0; i < POINTS; i++) {
		snprintf(text, sizeof(text), "{\"t\":%d,\"value\":%d}", i, 1000000 + 5000 * i);
		input.point[i] = parse(text);
	}
}

static void drop_input(void)
{
	json_decref(input.start);
	json_decref(input.end);
	for (int i = 0; i < RECORDS; i++) {
		json_decref(input.sample[i]);
		json_decref(input.site[i]);
	}
	for (int i = 0; i < POINTS; i++)
		json_decref(input.point[i]);
	fclose(input.null);
}

/* Text may lack a part without saying so, as everywhere. */
static int said(void *ctx, int r)
{
	return r == 0 && ctx == &sink_text && oom_failed() ? -ENOMEM : r;
}

static int take_all(struct analyzed *a, bool *leak)
{
	const char *why = NULL;
	int r = analyzed_take(a, "start", input.start, &why);

	for (int i = 0; i < RECORDS && r == 0; i++) {
		r = analyzed_take(a, "sample", input.sample[i], &why);
		if (r == 0)
			r = analyzed_take(a, "site", input.site[i], &why);
	}
	if (r == 0)
		r = analyzed_take(a, "end", input.end, &why);
	return r < 0 ? r : analyzed_end(a, false, NULL, leak);
}

static int analyze_recording(void *ctx)
{
	struct replay_store store;
	const struct analyzed_cfg cfg = {
		.ops = ctx,
		.sink = { .out = input.null, .top = 10, .judgement = true, .columns = 60 },
		.judge = judge_defaults(),
		.store = &store,
	};
	struct analyzed *a = NULL;
	bool leak = false;
	int r;

	replay_store_init(&store);
	r = analyzed_new(&cfg, 7, input.start, &a);
	if (r == 0)
		r = take_all(a, &leak);
	analyzed_free(a);
	replay_store_done(&store);
	return said(ctx, r);
}

static int analyze_series(void *ctx)
{
	const struct points_cfg cfg = {
		.ops = ctx,
		.sink = { .out = input.null, .top = 10, .judgement = true, .columns = 60 },
		.name = "a series",
		.severity = severity_defaults(),
		.limit_bytes = 1 << 30,
	};
	struct points *p = NULL;
	const char *why = NULL;
	bool leak = false;
	int r = points_new(&cfg, &p);

	for (int i = 0; i < POINTS && r == 0; i++)
		r = points_take(p, input.point[i], &why);
	if (r == 0)
		r = points_end(p, false, &leak);
	points_free(p);
	return said(ctx, r);
}

/* Small objects of jansson come from its own memory: only memtrace's calls fail here. */
static void a_recording_is_judged_or_not(void **state)
{
	(void)state;
	each_way(analyze_recording, (void *)&sink_jsonl, 100);
	each_way(analyze_recording, (void *)&sink_text, 100);
}

static void points_are_judged_or_not(void **state)
{
	(void)state;
	each_way(analyze_series, (void *)&sink_jsonl, 10);
	each_way(analyze_series, (void *)&sink_text, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_recording_is_judged_or_not),
		cmocka_unit_test(points_are_judged_or_not),
	};
	int failed;

	make_input();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	drop_input();
	return each_report(failed);
}
