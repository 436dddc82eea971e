/* Owners, ledger and judge without memory: no half results, and the same verdict afterwards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "site_run.h"
#include "analyse/attrib.h"
#include "analyse/ledger.h"
#include "each.h"

#define UNTOUCHED ((void *)&each_runs)

/* Two sites, a module and an allocator's range: every part of the ledger has something to do. */
struct scene {
	struct snap_module module[2];
	struct snap_frame frame[2];
	struct snap_site site[2];
	struct snap_range range[2];
	struct snap_fd fd[1];
	struct snapshot snap;
	struct owner owner[2];
	struct ledger_state state;
};

static void scene_init(struct scene *s)
{
	*s = (struct scene){
		.module = { { .name = "server", .path = "/server", .main_exe = true },
			    { .name = "libz.so.1", .path = "/libz.so.1" } },
		.range = { { .start = 1 << 20,
			     .end = 2 << 20,
			     .resident_bytes = 1 << 20,
			     .use = RANGE_ALLOCATOR },
			   { .start = 3 << 20,
			     .end = 4 << 20,
			     .resident_bytes = 1 << 20,
			     .use = RANGE_SITE,
			     .site = 2 } },
		.fd = { { .fact = { .fd = 3, .kind = FD_SOCKET }, .site_id = 11 } },
	};
	for (uint32_t i = 0; i < 2; i++) {
		s->frame[i] = (struct snap_frame){
			.pc = 100, .offset = 100, .module = 1, .kind = FRAME_NATIVE
		};
		s->site[i] = (struct snap_site){
			.id = 11 + i,
			.site = 1 + i,
			.kind = i ? MT_SITE_MMAP : MT_SITE_HEAP,
			.live_bytes = 1000,
			.live_count = 1,
			.stack = { &s->frame[i], 1, MT_END_start },
		};
	}
	s->snap = (struct snapshot){
		.residency_known = true,
		.heap_traced = true,
		.proc = { .rss_bytes = 4 << 20 },
		.modules = s->module,
		.module_count = 2,
		.sites = s->site,
		.site_count = 2,
		.ranges = s->range,
		.range_count = 2,
		.fds = s->fd,
		.fd_count = 1,
	};
	ledger_state_init(&s->state);
}

static int find_owners(void *ctx)
{
	struct scene *s = ctx;
	struct owner before[2];
	int r;

	memset(s->owner, 0x11, sizeof(s->owner));
	memcpy(before, s->owner, sizeof(before));
	r = attrib_find_owners(&s->snap, s->owner);
	if (r < 0)
		assert_memory_equal(before, s->owner, sizeof(before));
	return r;
}

static int build_ledger(void *ctx)
{
	struct scene *s = ctx;
	const struct ledger_state before = s->state;
	struct ledger l;
	int r;

	memset(&l, 0x11, sizeof(l));
	r = ledger_build(&s->snap, s->owner, &s->state, &l);
	if (r < 0) {
		assert_memory_equal(&before, &s->state, sizeof(before));
		assert_int_equal(l.external_bytes, 0x1111111111111111);
		return r;
	}
	assert_int_equal(l.external_bytes, 4 << 20);
	assert_int_equal(l.module_count, 1);
	ledger_done(&l);
	return 0;
}

static void owners_and_ledger_are_whole_or_not_there(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s);
	each_way(find_owners, &s, 1);
	assert_int_equal(find_owners(&s), 0);
	each_way(build_ledger, &s, 3);
}

static int make_judge(void *ctx)
{
	struct judge *j;
	int r = judge_new(&j);

	(void)ctx;
	if (r == 0)
		judge_free(j);
	return r;
}

/* Judges one second again and again, until there was memory enough. */
static void tick_until_done(struct run *r, size_t second, bool on)
{
	struct judge_input in = { .snap = sim_tick(&r->sim, second), .owners = r->sim.owner };

	findings_done(&r->f);
	for (unsigned long n = 1;; n++) {
		struct findings f = { .list = UNTOUCHED };
		struct patterns p = { .list = UNTOUCHED };
		long live = oom_live();
		int res;

		oom_arm(n, on);
		res = judge_tick(r->judge, &r->cfg, &in, &f, &p);
		if (!oom_disarm()) {
			assert_int_equal(res, 0);
			r->f = f;
			patterns_done(&p);
			return;
		}
		each_runs++;
		assert_int_equal(res, -ENOMEM);
		assert_ptr_equal(f.list, UNTOUCHED);
		assert_ptr_equal(p.list, UNTOUCHED);
		/* what it remembers may grow, by one record with its sentences at a time */
		assert_in_range(oom_live() - live, 0, 2 + FINDING_EVIDENCE_MAX);
	}
}

static void the_judge_comes_to_the_same_verdict(void **state)
{
	(void)state;
	each_way(make_judge, NULL, 1);
	for (int on = 0; on < 2; on++) {
		auto_run *r = run_begin(SEED + 1, 60);

		sim_add_site(&r->sim, MT_SITE_HEAP, 1000);
		sim_churn(&r->sim, &r->sim.site[0], 0, 60, 20, SIM_EXPONENTIAL, 1, 1);
		for (size_t second = 0; second <= 60; second++)
			tick_until_done(r, second, on);
		assert_int_equal(r->f.verdict, VERDICT_LEAK);
		assert_int_equal(r->f.count, 1);
		assert_int_equal(r->f.list[0].site_id, 1000);
		assert_true(r->f.list[0].evidence_count >= 2);
	}
	assert_int_equal(oom_live(), 0);
}

/* A process without a leak must not get one because some ticks were judged twice. */
static void failed_ticks_make_no_leak(void **state)
{
	auto_run *r = run_begin(SEED + 2, 60);

	(void)state;
	sim_add_site(&r->sim, MT_SITE_HEAP, 1000);
	sim_churn(&r->sim, &r->sim.site[0], 0, 60, 50, SIM_EXPONENTIAL, 1, 0);
	for (size_t second = 0; second <= 60; second++)
		tick_until_done(r, second, false);
	assert_int_equal(r->f.verdict, VERDICT_NO_LEAK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(owners_and_ledger_are_whole_or_not_there),
		cmocka_unit_test(the_judge_comes_to_the_same_verdict),
		cmocka_unit_test(failed_ticks_make_no_leak),
	};

	return each_report(cmocka_run_group_tests(tests, NULL, NULL));
}
