/* Which leaks are parts of one thing: as many, at the same pace, by the same caller. */
#include "analyse/companions.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const struct snap_module modules[] = {
	{ .name = "app", .path = "/app", .build_id = "aa", .main_exe = true },
	{ .name = "libc.so.6", .path = "/libc.so.6", .build_id = "cc" },
};

#define APP(at, name)                                                           \
	{                                                                       \
		.offset = at, .module = 0, .kind = FRAME_NATIVE, .symbol = name \
	}
#define LIBC(at, name)                                                          \
	{                                                                       \
		.offset = at, .module = 1, .kind = FRAME_NATIVE, .symbol = name \
	}
#define START LIBC(900, "__libc_start_main"), APP(901, "_start")

/* handle() makes a key and a value of one thing; main() makes two things of its own. */
static const struct snap_frame key[] = { LIBC(1, "malloc"), APP(10, "make_key"), APP(50, "handle"),
					 APP(90, "main"), START };
static const struct snap_frame value[] = { LIBC(1, "malloc"), APP(20, "make_value"),
					   APP(55, "handle"), APP(90, "main"), START };
static const struct snap_frame own[] = { LIBC(1, "malloc"), APP(52, "handle"), APP(90, "main"),
					 START };
static const struct snap_frame log_line[] = { LIBC(1, "malloc"), APP(30, "log_line"),
					      APP(95, "main"), START };

struct world {
	struct snap_site sites[2];
	struct owner owners[2];
	struct finding list[2];
	struct snapshot snap;
	struct findings f;
};

static struct snap_stack stack_of(const struct snap_frame *frames, size_t n)
{
	return (struct snap_stack){ frames, n, MT_END_start };
}

#define COUNT(list) (sizeof(list) / sizeof(list[0]))

static void begin(struct world *w, struct snap_stack a, struct snap_stack b)
{
	*w = (struct world){};
	for (size_t i = 0; i < 2; i++) {
		w->sites[i] = (struct snap_site){ .id = 10 + i, .kind = MT_SITE_HEAP };
		w->owners[i] = (struct owner){ .frame = 1 };
		w->list[i] = (struct finding){ .leak_id = 100 + i,
					       .site = i,
					       .site_id = 10 + i,
					       .path = { { 10 + i, i } },
					       .path_count = 1,
					       .active = true,
					       .count = 1000 + i * 20,
					       .growth_count_per_s = 50 + (double)i };
	}
	w->sites[0].stack = a;
	w->sites[1].stack = b;
	w->snap = (struct snapshot){
		.modules = modules, .module_count = 2, .sites = w->sites, .site_count = 2
	};
	w->f = (struct findings){ .list = w->list, .count = 2 };
}

static bool together(struct world *w)
{
	companions_mark(&w->snap, w->owners, &w->f);
	assert_int_equal(w->list[0].comes_with, 0);
	assert_true(w->list[1].comes_with == 0 || w->list[1].comes_with == 100);
	return w->list[1].comes_with != 0;
}

static void parts_of_one_thing_come_together(void **state)
{
	struct world w;

	(void)state;
	begin(&w, stack_of(key, COUNT(key)), stack_of(value, COUNT(value)));
	assert_true(together(&w));
	begin(&w, stack_of(key, COUNT(key)), stack_of(own, COUNT(own))); /* by the caller itself */
	assert_true(together(&w));
	begin(&w, stack_of(key, COUNT(key)), stack_of(key, COUNT(key)));
	assert_true(together(&w));
}

static void other_numbers_are_other_things(void **state)
{
	struct world w;

	(void)state;
	begin(&w, stack_of(key, COUNT(key)), stack_of(value, COUNT(value)));
	w.list[1].count = 1100;
	assert_false(together(&w));
	begin(&w, stack_of(key, COUNT(key)), stack_of(value, COUNT(value)));
	w.list[1].growth_count_per_s = 56;
	assert_false(together(&w));
	w.list[1].growth_count_per_s = 0;
	assert_false(together(&w));
}

static void main_and_the_beginning_of_a_thread_prove_nothing(void **state)
{
	static const struct snap_frame one[] = { LIBC(1, "malloc"), APP(10, "a"), APP(50, "work"),
						 LIBC(700, "start_thread"), LIBC(701, "clone3") };
	static const struct snap_frame two[] = { LIBC(1, "malloc"), APP(20, "b"), APP(54, "work"),
						 LIBC(700, "start_thread"), LIBC(701, "clone3") };
	struct world w;

	(void)state;
	begin(&w, stack_of(key, COUNT(key)), stack_of(log_line, COUNT(log_line)));
	assert_false(together(&w));
	begin(&w, stack_of(one, COUNT(one)), stack_of(two, COUNT(two)));
	assert_false(together(&w));
}

static void a_caller_far_away_proves_nothing(void **state)
{
	struct snap_frame deep[] = {
		LIBC(1, "malloc"), APP(10, "a"),    APP(11, "b"), APP(12, "c"), APP(13, "d"),
		APP(14, "e"),	   APP(15, "f"),    APP(16, "g"), APP(17, "h"), APP(18, "i"),
		APP(50, "handle"), APP(90, "main"), START
	};
	struct world w;

	(void)state;
	begin(&w, stack_of(value, COUNT(value)), stack_of(deep, COUNT(deep)));
	assert_false(together(&w));
	begin(&w, stack_of(value, COUNT(value)), stack_of(deep + 1, COUNT(deep) - 1));
	w.owners[1].frame = 4;
	assert_true(together(&w));
}

static void what_a_descriptor_needs_comes_with_it(void **state)
{
	struct world w;

	(void)state;
	for (size_t fd = 0; fd < 2; fd++) { /* whichever is the worse leak */
		begin(&w, stack_of(key, COUNT(key)), stack_of(value, COUNT(value)));
		w.sites[fd].kind = MT_SITE_FD;
		companions_mark(&w.snap, w.owners, &w.f);
		assert_int_equal(w.list[fd].comes_with, 0);
		assert_int_equal(w.list[1 - fd].comes_with, 100 + fd);
	}
	/* some blocks for each of them */
	w.list[0].count *= 30;
	w.list[0].growth_count_per_s *= 30;
	companions_mark(&w.snap, w.owners, &w.f);
	assert_int_equal(w.list[0].comes_with, 101);
	w.list[0].count *= 2;
	companions_mark(&w.snap, w.owners, &w.f);
	assert_int_equal(w.list[0].comes_with, 0);
	/* two descriptors are two leaks */
	begin(&w, stack_of(key, COUNT(key)), stack_of(value, COUNT(value)));
	w.sites[0].kind = w.sites[1].kind = MT_SITE_FD;
	assert_false(together(&w));
}

static void some_of_one_for_each_of_the_other_takes_a_common_owner(void **state)
{
	static const struct snap_frame again[] = { LIBC(1, "malloc"), APP(12, "make_key"),
						   APP(50, "handle"), APP(90, "main"), START };
	struct world w;

	(void)state;
	begin(&w, stack_of(key, COUNT(key)), stack_of(value, COUNT(value)));
	w.list[1].count *= 3;
	w.list[1].growth_count_per_s *= 3;
	assert_false(together(&w));
	w.owners[0].kind = w.owners[1].kind = MODULE_CRYPTO;
	assert_true(together(&w));
	w.owners[1].kind = MODULE_DATABASE;
	assert_false(together(&w));
	begin(&w, stack_of(key, COUNT(key)), stack_of(again, COUNT(again)));
	w.list[1].count *= 3;
	w.list[1].growth_count_per_s *= 3;
	assert_true(together(&w));
	w.list[1].count *= 2;
	assert_false(together(&w));
}

static void what_a_caller_makes_beside_what_a_library_makes_comes_with_it(void **state)
{
	static const struct snap_frame stream[] = { LIBC(1, "malloc"),	    LIBC(7, "deflateInit_"),
						    APP(13, "make_stream"), APP(50, "handle"),
						    APP(90, "main"),	    START };
	static const struct snap_frame state_of[] = { LIBC(1, "malloc"), APP(12, "make_stream"),
						      APP(50, "handle"), APP(90, "main"), START };
	struct snap_frame inlined[COUNT(stream) + 1], beside[COUNT(state_of) + 1];
	struct world w;

	(void)state;
	begin(&w, stack_of(stream, COUNT(stream)), stack_of(state_of, COUNT(state_of)));
	w.list[0].count *= 5;
	w.list[0].growth_count_per_s *= 5;
	assert_true(together(&w));
	/* make_stream() is inlined at both places */
	memcpy(inlined, stream, sizeof(stream));
	memmove(inlined + 4, inlined + 3, 4 * sizeof(*inlined));
	inlined[2].inlined = true;
	inlined[3] = (struct snap_frame)APP(13, "stub");
	begin(&w, stack_of(inlined, COUNT(inlined)), stack_of(state_of, COUNT(state_of)));
	w.list[0].count *= 5;
	w.list[0].growth_count_per_s *= 5;
	assert_false(together(&w)); /* in one of them only */
	memcpy(beside, state_of, sizeof(state_of));
	memmove(beside + 3, beside + 2, 4 * sizeof(*beside));
	beside[1].inlined = true;
	beside[2] = (struct snap_frame)APP(12, "stub");
	begin(&w, stack_of(inlined, COUNT(inlined)), stack_of(beside, COUNT(beside)));
	w.list[0].count *= 5;
	w.list[0].growth_count_per_s *= 5;
	assert_true(together(&w));
}

static void only_active_leaks_are_joined(void **state)
{
	struct world w;

	(void)state;
	begin(&w, stack_of(key, COUNT(key)), stack_of(value, COUNT(value)));
	w.list[0].active = false;
	assert_false(together(&w));
	begin(&w, stack_of(key, COUNT(key)), stack_of(value, COUNT(value)));
	w.list[1].site = w.list[1].path[0].site = SIZE_MAX; /* gone */
	assert_false(together(&w));
	begin(&w, stack_of(key, 0), stack_of(value, 0));
	assert_false(together(&w));
	begin(&w, stack_of(key, COUNT(key)), stack_of(value, COUNT(value)));
	companions_mark(&w.snap, NULL, &w.f);
	assert_int_equal(w.list[1].comes_with, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_of_one_thing_come_together),
		cmocka_unit_test(other_numbers_are_other_things),
		cmocka_unit_test(main_and_the_beginning_of_a_thread_prove_nothing),
		cmocka_unit_test(a_caller_far_away_proves_nothing),
		cmocka_unit_test(what_a_descriptor_needs_comes_with_it),
		cmocka_unit_test(some_of_one_for_each_of_the_other_takes_a_common_owner),
		cmocka_unit_test(what_a_caller_makes_beside_what_a_library_makes_comes_with_it),
		cmocka_unit_test(only_active_leaks_are_joined),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
