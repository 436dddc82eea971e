/* When garbage was collected: by a runtime's own count, or by the call sites of its collector. */
#include "analyse/collections.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct snap_module modules[] = { { .name = "node", .main_exe = true } };

#define V8(name)                                                  \
	{                                                         \
		.module = 0, .kind = FRAME_NATIVE, .symbol = name \
	}

static const struct snap_frame great[] = { V8("v8::internal::Worklist::New"),
					   V8("v8::internal::Heap::MarkCompact()"),
					   V8("node::Start") };
static const struct snap_frame small[] = { V8("v8::internal::ScavengerCollector::CollectGarbage()"),
					   V8("v8::internal::Heap::Scavenge()") };
static const struct snap_frame other[] = { V8("v8::internal::BackingStore::Allocate") };

struct world {
	struct snap_site sites[3];
	struct inner_runtime runtime;
	struct snapshot snap;
	struct collections c;
};

static void begin(struct world *w)
{
	*w = (struct world){};
	w->sites[0] = (struct snap_site){ .stack = { other, 1, MT_END_start } };
	w->sites[1] = (struct snap_site){ .stack = { small, 2, MT_END_start }, .last_alloc_s = -9 };
	w->sites[2] = (struct snap_site){ .stack = { great, 3, MT_END_start }, .last_alloc_s = -9 };
	w->snap = (struct snapshot){ .modules = modules,
				     .module_count = 1,
				     .sites = w->sites,
				     .site_count = 3,
				     .heap_traced = true,
				     .runtime = &w->runtime };
	collections_init(&w->c);
}

/* One second later; the site asked for something. */
static void look(struct world *w, int site)
{
	w->snap.elapsed_s += 1;
	if (site >= 0)
		w->sites[site].last_alloc_s = w->snap.elapsed_s;
	collections_look(&w->c, &w->snap);
}

static void runs_are_seen_by_what_the_collector_asks_for(void **state)
{
	struct world w;

	(void)state;
	begin(&w);
	look(&w, 0);
	assert_true(w.c.complete && isnan(collections_last(&w.c.young, 1)));
	look(&w, 1);
	assert_true(collections_last(&w.c.young, 2) == 1);
	assert_true(isnan(collections_last(&w.c.full, 2)));
	look(&w, -1);
	look(&w, 2); /* one of everything is one of what is young, too */
	assert_true(collections_last(&w.c.full, 4) == 3);
	assert_true(collections_last(&w.c.young, 4) == 3);
	assert_true(collections_last(&w.c.young, 3) == 1);
	collections_look(&w.c, &w.snap); /* the same moment again */
	assert_int_equal(w.c.full.count, 1);
}

static void what_may_have_been_missed_is_not_complete(void **state)
{
	struct world w;

	(void)state;
	begin(&w);
	look(&w, -1);
	assert_true(w.c.complete); /* names are known of what stood there before */
	w.sites[0].estimated = true;
	look(&w, 0);
	assert_false(w.c.complete);
	begin(&w);
	w.snap.heap_traced = false;
	look(&w, 0);
	assert_false(w.c.complete);
	begin(&w);
	w.snap.site_count = 0;
	look(&w, -1);
	assert_false(w.c.complete);
	begin(&w);
	w.snap.runtime = NULL; /* a recording */
	look(&w, 0);
	assert_false(w.c.complete);
}

static void many_runs_leave_marks_that_are_apart(void **state)
{
	struct world w;

	(void)state;
	begin(&w);
	for (int i = 0; i < 100; i++)
		look(&w, 2);
	assert_true(collections_last(&w.c.full, 97) >= 94);
	assert_true(collections_last(&w.c.full, 88) >= 85);
	assert_true(isnan(collections_last(&w.c.full, 50)));
}

static void a_runtime_counts_its_own(void **state)
{
	struct world w;

	(void)state;
	begin(&w);
	w.snap.heap_traced = false;
	w.runtime.collections = (struct inner_collections){ true, 40, 2 };
	look(&w, -1);
	assert_true(w.c.complete && isnan(collections_last(&w.c.young, 1)));
	w.runtime.collections.young++;
	look(&w, -1);
	assert_true(collections_last(&w.c.young, 2) == 1);
	look(&w, -1);
	w.runtime.collections.full++;
	look(&w, -1);
	assert_true(collections_last(&w.c.full, 4) == 3 && collections_last(&w.c.young, 4) == 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs_are_seen_by_what_the_collector_asks_for),
		cmocka_unit_test(what_may_have_been_missed_is_not_complete),
		cmocka_unit_test(many_runs_leave_marks_that_are_apart),
		cmocka_unit_test(a_runtime_counts_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
