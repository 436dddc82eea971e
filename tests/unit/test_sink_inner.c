/* What runtimes and allocators say of a process, as the sinks tell it; the table of --ledger. */
#include "report_fixture.h"

#include <jansson.h>

#include "base/cleanup.h"
#include "report/text.h"

static struct inner_runtime runtime;
static struct inner_allocator allocator;

/* 50 MB of managed memory beside the 124 MB of the fixture; a walk 2 s ago. */
static void look_inside(struct fixture *f)
{
	runtime = (struct inner_runtime){
		.name = "v8",
		.version = "11.3",
		.heap = { .known = { true, "spaces of 1 isolate", NULL },
			  .committed_bytes = 62000000,
			  .used_bytes = 40000000,
			  .used_as_of = "the last collection",
			  .resident_bytes = 50000000,
			  .pooled_bytes = 8000000 },
		.buffers = { { false, NULL, "no list of them was found" } },
	};
	allocator = (struct inner_allocator){
		.name = "glibc",
		.known = { false, "chunks", "thread caches count as live" },
		.live_bytes = 99000000,
		.live_count = 12345,
		.cached_bytes = 0,
		.free_bytes = 3000000,
		.free_count = 7,
		.free_resident_bytes = 500000,
		.arenas = 2,
		.size_count = { [5] = 12000, [12] = 340, [26] = 5 },
		.size_bytes = { [5] = 500000, [12] = 1500000, [26] = 97000000 },
	};
	f->snap.proc.rss_bytes = 164000000;
	f->snap.proc.swap_bytes = 10000000;
	f->snap.managed_bytes = 50000000;
	f->snap.runtime = &runtime;
	f->snap.allocator = &allocator;
	f->snap.walked_s = 18;
	f->ledger.rows[CLASS_preexisting].why = "live when the allocator was walked through";
	f->ledger.rows[CLASS_buffers] = (struct class_row){
		FACT_UNKNOWN, FACT_UNKNOWN, NAN, 0, HOW_UNAVAILABLE, "no list of them was found"
	};
}

/* clang-format off */
static const char table[] =
	"memory of server (pid 4242) on db1, looked at for 20 s\n"
	"\n"
	"  what it is                      bytes    share        trend  how known   largest owner\n"
	"  managed heap                  42.0 MB     24 %               exact       v8\n"
	"  managed heap, kept unused      8.0 MB    4.6 %               exact       v8\n"
	"  from before tracing           99.0 MB     57 %        0 B/s  estimate\n"
	"  application                   23.4 MB     13 %    +1.2 MB/s  exact       keep_request in server\n"
	"  kept by allocator, unused      596 kB   0.34 %               estimate    glibc\n"
	"  native modules                 4.1 kB 0.0024 %        0 B/s  exact       libpq.so.5+0x4321\n"
	"  buffers                           n/a                        unavailable\n"
	"  unexplained                    1.0 MB   0.57 %               exact\n"
	"  = RSS + swap                   174 MB    100 %    +1.2 MB/s              RSS 164 MB, swap 10.0 MB\n"
	"\n";
/* clang-format on */

static void told(struct fixture *f, const struct sink_ops *ops)
{
	auto_clean(sink_freep) struct sink *s = fix_sink(f, ops);
	struct process_info attach = { .event = PROCESS_ATTACH };

	assert_int_equal(s->ops->start(s->priv, &f->head, &f->start), 0);
	assert_int_equal(s->ops->process(s->priv, &f->head, &attach), 0);
	assert_int_equal(s->ops->tick(s->priv, &f->head, &f->analysis, &f->overhead), 0);
	assert_int_equal(s->ops->end(s->priv, &f->head, &f->end), 0);
}

static void the_table_of_the_ledger_is_all_that_is_told(void **state)
{
	struct fixture *f = *state;
	const char *rest;

	look_inside(f);
	f->cfg.ledger = true;
	told(f, &sink_text);
	if (strncmp(fix_text(f), table, strlen(table)))
		fputs(fix_text(f), stdout);
	assert_int_equal(strncmp(fix_text(f), table, strlen(table)), 0);
	rest = fix_text(f) + strlen(table);
	assert_non_null(strstr(rest, "62.0 MB committed, 40.0 MB with objects as of the last"));
	assert_non_null(strstr(rest, "glibc, walked through 2 s ago: 99.0 MB live in 12,345"));
	assert_non_null(strstr(rest, "below 64 B 12,000 (500 kB); below 16 KiB 340 (1.5 MB); below "
				     "256 MiB 5 (97.0 MB)"));
	assert_non_null(strstr(rest, "from before tracing: live when the allocator"));
	assert_non_null(strstr(rest, "buffers: no list of them was found"));
	assert_non_null(strstr(rest, "outside RSS   file handles 12"));
}

/* Every line fits a terminal. */
static void a_table_of_foreign_names_stays_within_its_columns(void **state)
{
	struct fixture *f = *state;
	char comm[200], *text, *line, *more;

	look_inside(f);
	memset(comm, 'x', sizeof(comm) - 1);
	comm[sizeof(comm) - 1] = '\0';
	f->head.comm = f->leak_frames[1].symbol = f->modules[0].name = comm;
	f->ledger.rows[CLASS_application].bytes = UINT64_MAX - 1;
	f->ledger.rows[CLASS_application].growth_bytes_per_s = -1e300;
	f->cfg.ledger = true;
	told(f, &sink_text);
	text = strdup(fix_text(f));
	for (line = strtok_r(text, "\n", &more); line; line = strtok_r(NULL, "\n", &more))
		assert_true(text_columns(line) <= TEXT_COLUMNS);
	free(text);
}

static void a_process_that_could_not_be_read_says_so(void **state)
{
	struct fixture *f = *state;

	f->cfg.ledger = true;
	f->end.last = NULL;
	told(f, &sink_text);
	assert_non_null(strstr(fix_text(f), "could not be read"));
}

static void the_heap_of_a_runtime_is_told_with_every_block(void **state)
{
	struct fixture *f = *state;

	look_inside(f);
	told(f, &sink_text);
	assert_non_null(strstr(fix_text(f),
			       "managed heap  v8 11.3: 62.0 MB committed, 40.0 MB with "
			       "objects"));
}

static json_t *sample(struct fixture *f)
{
	const char *at;

	told(f, &sink_jsonl);
	at = strstr(fix_text(f), "{\"type\":\"sample\"");
	assert_non_null(at);
	return json_loads(at, JSON_DISABLE_EOF_CHECK, NULL);
}

static double number(const json_t *o, const char *key)
{
	assert_true(json_is_number(json_object_get(o, key)));
	return json_number_value(json_object_get(o, key));
}

static void a_sample_has_both_facts(void **state)
{
	struct fixture *f = *state;
	json_auto_t *o = NULL;
	json_t *walk;

	look_inside(f);
	o = sample(f);
	assert_true(number(o, "managed_heap_bytes") == 62000000);
	assert_true(number(o, "managed_used_bytes") == 40000000);
	assert_true(number(o, "managed_resident_bytes") == 50000000);
	assert_true(number(o, "managed_pooled_bytes") == 8000000);
	assert_true(number(o, "external_ratio") == 2);
	assert_string_equal(json_string_value(json_object_get(o, "managed_how")), "exact");
	walk = json_object_get(json_object_get(o, "allocator"), "walk");
	assert_true(number(walk, "live_bytes") == 99000000);
	assert_true(number(walk, "free_resident_bytes") == 500000);
	assert_true(number(walk, "age_s") == 2);
	assert_int_equal(json_array_size(json_object_get(walk, "size_count")), 27);
	assert_string_equal(json_string_value(json_object_get(walk, "how")), "estimate");
}

static void a_heap_that_could_not_be_read_is_null_with_a_reason(void **state)
{
	struct fixture *f = *state;
	json_auto_t *o = NULL;

	look_inside(f);
	runtime.heap.known = (struct inner_known){ .why = "the layout is not known" };
	o = sample(f);
	assert_true(json_is_null(json_object_get(o, "managed_heap_bytes")));
	assert_true(json_is_null(json_object_get(o, "managed_used_bytes")));
	assert_true(json_is_null(json_object_get(o, "external_ratio")));
	assert_string_equal(json_string_value(json_object_get(o, "managed_how")), "unavailable");
	assert_string_equal(json_string_value(json_object_get(o, "managed_why")),
			    "the layout is not known");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fix_setup, fix_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_table_of_the_ledger_is_all_that_is_told),
		TEST(a_table_of_foreign_names_stays_within_its_columns),
		TEST(a_process_that_could_not_be_read_says_so),
		TEST(the_heap_of_a_runtime_is_told_with_every_block),
		TEST(a_sample_has_both_facts),
		TEST(a_heap_that_could_not_be_read_is_null_with_a_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
