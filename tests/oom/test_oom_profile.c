/* Reading a recording and making documents of it without memory: -ENOMEM, and nothing leaks. */
#include "recording_fixture.h"

#include "each.h"
#include "report/text_recording.h"

#define A FRAME("a b", "srv", "0x10")
#define LEAK \
	"{\"type\":\"leak\"," HEAD ",\"leak_id\":\"x\",\"state\":\"active\",\"stack\":[" A "]}\n"

static const char text[] = START("10") SAMPLE("5", "900") SITE("1", "100", A) SAMPLE("10", "900")
	SITE("1", "300", A "," FRAME("main", "srv", "0x20")) LEAK
	"{\"type\":\"site\",\"pid\":8,\"site_id\":\"2\",\"kind\":\"mmap\",\"live_bytes\":5,"
	"\"stack\":[{\"offset\":\"0x5\",\"inlined\":true},{}]}\n" END;

static int read_all(void *ctx)
{
	struct recording **ret = ctx;
	struct err e = {};

	return try_reading(text, sizeof(text) - 1, NULL, ret, &e);
}

/* jansson may take a text for another one when it lacks memory for a part of it, and not say so. */
static int read_and_free(void *ctx)
{
	auto_recording struct recording *rec = NULL;
	int r = read_all(&rec);

	(void)ctx;
	return r == 0 && oom_failed() ? -ENOMEM : r;
}

static void a_recording_is_read_or_not(void **state)
{
	(void)state;
	json_set_alloc_funcs(oom_malloc, oom_free);
	each_way(read_and_free, NULL, 100);
	json_set_alloc_funcs(malloc, free);
}

/* A document on /dev/null: streams of memory would fail with errors of their own. */
static int render(void *ctx, render_fn fn)
{
	FILE *f = fopen("/dev/null", "w");
	const struct recording *rec = ctx;
	int r;

	assert_non_null(f);
	r = fn(f, rec->profile);
	fclose(f);
	return r;
}

static int folded(void *ctx)
{
	return render(ctx, folded_live);
}

static int svg(void *ctx)
{
	return render(ctx, render_svg);
}

static int pprof(void *ctx)
{
	return render(ctx, render_pprof);
}

static int summary(void *ctx)
{
	auto_strbuf struct strbuf b = {};
	int r = text_recording(&b, ctx);

	return r == 0 && oom_failed() ? -ENOMEM : r; /* words may be missing from a line */
}

static void documents_are_made_or_not(void **state)
{
	auto_recording struct recording *rec = NULL;

	(void)state;
	assert_int_equal(read_all(&rec), 0);
	each_way(folded, rec, 10);
	each_way(svg, rec, 20);
	each_way(pprof, rec, 20);
	each_way(summary, rec, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_recording_is_read_or_not),
		cmocka_unit_test(documents_are_made_or_not),
	};

	return each_report(cmocka_run_group_tests(tests, NULL, NULL));
}
