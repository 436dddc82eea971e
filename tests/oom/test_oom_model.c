/* The model without memory: what fails changes nothing that the same call does not mend later. */
#include <stdio.h>

#include "model_world.h"
#include "each.h"

#define FACTS 4

static const struct model_cfg cfg = { .limits = { .series = 8 } };

static int new_model(struct model **ret)
{
	struct model *m;
	int r = model_new(&cfg, &m);

	if (r < 0)
		return r;
	r = model_add_process(m, PID, ASID, 55, SEC, "prog");
	if (r < 0)
		model_free(m);
	else
		*ret = m;
	return r;
}

static int make_and_free(void *ctx)
{
	struct model *m;
	int r = new_model(&m);

	(void)ctx;
	if (r == 0)
		model_free(m);
	return r;
}

static void a_model_is_made_whole_or_not_at_all(void **state)
{
	(void)state;
	each_way(make_and_free, NULL, 8);
}

static int apply(struct model *m, struct event ev, enum mt_kind kind, uint64_t now)
{
	ev.kind = kind;
	ev.hdr.kind = (uint16_t)kind;
	ev.hdr.tgid = kind == MT_KIND_exec ? ev.task.child_tgid : PID;
	ev.hdr.time_ns = now;
	return model_apply(m, &ev);
}

static int apply_site(struct model *m, uint32_t number, enum mt_site_kind kind, uint64_t now)
{
	struct event ev = { .site = { .site = number,
				      .asid = ASID,
				      .frames = 3,
				      .site_kind = (uint8_t)kind,
				      .end = MT_END_start } };

	for (uint16_t i = 0; i < 3; i++)
		ev.site.pc[i] = CODE + 16 * number + i;
	return apply(m, ev, MT_KIND_site, now);
}

static int apply_call(struct model *m, enum mt_sysop op, uint32_t site, uint16_t flags,
		      const uint64_t arg[3], uint64_t now)
{
	struct event ev = world_call(op, (int64_t)arg[2], arg[0], arg[1]);

	ev.sys.site = site;
	ev.sys.flags = flags;
	ev.sys.arg[3] = MAP_ANONYMOUS | MAP_PRIVATE;
	return apply(m, ev, MT_KIND_sys, now);
}

static int apply_task(struct model *m, enum mt_kind kind, uint32_t child, uint64_t now)
{
	struct event ev = { .task = { .asid = ASID,
				      .site = 4,
				      .tid = child,
				      .child_tid = child,
				      .child_tgid = child,
				      .child_asid = kind == MT_KIND_thread
							    ? ASID
							    : child + (kind == MT_KIND_exec),
				      .comm = "child" } };

	return apply(m, ev, kind, now);
}

/* What happens in the process; returns how many events were refused for want of memory. */
static size_t play(struct model *m)
{
	uint64_t now = 10 * SEC;
	size_t refused = 0;
	int r;

#define PLAY(call)                                   \
	do {                                         \
		now++;                               \
		r = (call);                          \
		assert_true(r == 0 || r == -ENOMEM); \
		refused += r == -ENOMEM;             \
	} while (0)

	PLAY(apply_site(m, 1, MT_SITE_HEAP, now));
	PLAY(apply_site(m, 2, MT_SITE_MMAP, now));
	PLAY(apply_site(m, 3, MT_SITE_FD, now));
	PLAY(apply_site(m, 4, MT_SITE_THREAD, now));
	for (uint64_t i = 0; i < 12; i++)
		PLAY(apply_call(m, MT_SYS_MMAP, 2, 0, (uint64_t[]){ 0, 4 * P, BASE + i * 64 * P },
				now));
	PLAY(apply_call(m, MT_SYS_MUNMAP, 0, MT_SYSF_ENTRY, (uint64_t[]){ BASE + P, P, 0 }, now));
	PLAY(apply_call(m, MT_SYS_MUNMAP, 0, 0, (uint64_t[]){ BASE + P, P, (uint64_t)-EINVAL },
			now));
	PLAY(apply_call(m, MT_SYS_MREMAP, 2, 0,
			(uint64_t[]){ BASE + 64 * P, 4 * P, BASE + 4096 * P }, now));
	PLAY(apply_call(m, MT_SYS_BRK, 2, 0, (uint64_t[]){ 0, 0, 0x1000000 }, now));
	PLAY(apply_call(m, MT_SYS_BRK, 2, 0, (uint64_t[]){ 0, 0, 0x1010000 }, now));
	for (uint64_t fd = 3; fd < 1000; fd += 300)
		PLAY(apply_call(m, MT_SYS_OPEN, 3, 0, (uint64_t[]){ 0, 0, fd }, now));
	PLAY(apply_call(m, MT_SYS_CLOSE, 0, MT_SYSF_ENTRY, (uint64_t[]){ 303, 0, 0 }, now));
	for (uint32_t tid = 200; tid < 212; tid++)
		PLAY(apply_task(m, MT_KIND_thread, tid, now));
	PLAY(apply_task(m, MT_KIND_fork, 300, now));
	PLAY(apply_task(m, MT_KIND_exec, 300, now));
#undef PLAY
	return refused;
}

/* A snapshot succeeds when there is memory, and does not touch what it returns when there is not.
 */
static int try_snapshot(void *ctx)
{
	struct snapshot *untouched = ctx, *s = untouched;
	struct model **m = ctx;
	int r = model_snapshot(*m, PID, 30 * SEC, NULL, &s);

	if (r < 0)
		assert_ptr_equal(s, untouched);
	else
		snapshot_free(s);
	return r;
}

static void events_without_memory_leave_a_model_that_goes_on(void **state)
{
	unsigned long n = 1;
	struct model *m;
	bool failed;

	(void)state;
	do {
		size_t refused;

		assert_int_equal(new_model(&m), 0);
		oom_arm(n++, false);
		refused = play(m);
		failed = oom_disarm();
		each_runs += failed;
		if (!failed)
			assert_int_equal(refused, 0);
		assert_int_equal(try_snapshot(&m), 0);
		play(m); /* and all of it once more */
		assert_int_equal(try_snapshot(&m), 0);
		model_free(m);
		assert_int_equal(oom_live(), 0);
	} while (failed);
	assert_true(n > 30);
}

static void a_snapshot_is_whole_or_not_there(void **state)
{
	struct model *m;

	(void)state;
	assert_int_equal(new_model(&m), 0);
	play(m);
	each_way(try_snapshot, &m, 3);
	model_free(m);
}

/* --- facts: the same once more after a failure gives what it would have given at once --- */

static int set_vmas(struct model *m)
{
	struct vma v[] = {
		world_vma(CODE, CODE + 16 * P, VMA_FILE, "/bin/prog"),
		world_vma(0x1000000, 0x1010000, VMA_HEAP, ""),
		world_vma(BASE, BASE + 4 * P, VMA_ANON, ""),
		world_vma(BASE + 4096 * P, BASE + 4100 * P, VMA_ANON, ""),
		world_vma(BASE + 8192 * P, BASE + 8200 * P, VMA_ANON, ""),
	};

	return model_set_vmas(m, PID, v, sizeof(v) / sizeof(v[0]), 20 * SEC);
}

/* One of the descriptors was not seen to be opened, and none near it. */
static int set_fds(struct model *m)
{
	struct fd_fact f[] = {
		{ .fd = 1, .kind = FD_PIPE },	   { .fd = 3, .kind = FD_FILE },
		{ .fd = 400, .kind = FD_SOCKET },  { .fd = 603, .kind = FD_FILE },
		{ .fd = 1500, .kind = FD_SOCKET }, { .fd = 903, .kind = FD_FILE },
	};

	return model_set_fds(m, PID, f, sizeof(f) / sizeof(f[0]), 20 * SEC);
}

static int set_threads(struct model *m)
{
	uint32_t tid[] = { 200, 201, 202 };
	uint64_t sp[] = { BASE + P, FACT_UNKNOWN, BASE + 8193 * P };
	int r = model_set_threads(m, PID, tid, 3, 20 * SEC);

	return r < 0 ? r : model_set_thread_stacks(m, PID, sp, 3);
}

static int set_residency(struct model *m)
{
	struct residency *ranges;
	size_t n;
	int r = model_ranges(m, PID, &ranges, &n);

	for (size_t i = 0; r == 0 && i < n; i++)
		ranges[i].resident_bytes = P;
	return r < 0 ? r : model_set_residency(m, PID, ranges, n);
}

static int (*const facts[FACTS])(struct model *m) = { set_vmas, set_fds, set_threads,
						      set_residency };

/* What a reader sees of it. */
struct sight {
	size_t modules, ranges, fds, fds_with_site, sites, resident, closed;
	uint32_t threads;
};

static struct sight look(struct model *m)
{
	struct sight v = { 0 };
	struct snapshot *s;

	assert_int_equal(model_snapshot(m, PID, 30 * SEC, NULL, &s), 0);
	v.modules = s->module_count;
	v.ranges = s->range_count;
	v.fds = s->fd_count;
	v.sites = s->site_count;
	v.threads = s->thread_count;
	for (size_t i = 0; i < s->fd_count; i++)
		v.fds_with_site += s->fds[i].site_id != 0;
	for (size_t i = 0; i < s->range_count; i++)
		v.resident += s->ranges[i].resident_bytes == P;
	for (size_t i = 0; i < s->site_count; i++)
		if (s->sites[i].kind == MT_SITE_FD)
			v.closed += s->sites[i].freed_count;
	snapshot_free(s);
	return v;
}

static bool tell_facts(struct model *m, unsigned long n, bool on)
{
	bool failed = false;

	for (size_t i = 0; i < FACTS; i++) {
		unsigned long calls;

		oom_arm(n, on);
		(void)facts[i](m);
		calls = oom_calls();
		if (oom_disarm()) {
			failed = true;
			each_runs++;
		}
		n = n > calls ? n - calls : 1ul << 40;
		if (failed)
			n = 1ul << 40;
		assert_int_equal(facts[i](m), 0);
	}
	return failed;
}

static void facts_given_again_say_what_they_would_have_said(void **state)
{
	struct sight expected, seen;
	struct model *m;

	(void)state;
	assert_int_equal(new_model(&m), 0);
	play(m);
	tell_facts(m, 1ul << 40, false);
	expected = look(m);
	model_free(m);
	assert_int_equal(expected.fds, 6);
	assert_int_equal(expected.fds_with_site, 3);
	assert_int_equal(expected.resident, expected.ranges);
	for (int on = 0; on < 2; on++) {
		bool failed = true;

		for (unsigned long n = 1; failed; n++) {
			assert_int_equal(new_model(&m), 0);
			play(m);
			failed = tell_facts(m, n, on);
			seen = look(m);
			if (memcmp(&seen, &expected, sizeof(seen)) != 0)
				fail_msg("allocation %lu (%s): fds %zu/%zu, of a site %zu/%zu, "
					 "closed "
					 "%zu/%zu, ranges %zu/%zu, modules %zu/%zu, resident "
					 "%zu/%zu",
					 n, oom_where(), seen.fds, expected.fds, seen.fds_with_site,
					 expected.fds_with_site, seen.closed, expected.closed,
					 seen.ranges, expected.ranges, seen.modules,
					 expected.modules, seen.resident, expected.resident);
			model_free(m);
			assert_int_equal(oom_live(), 0);
		}
	}
}

/* Histories, names and questions. */
static int account(void *ctx)
{
	struct model *m = *(struct model **)ctx;
	struct mt_site table[8] = { [1] = { .alloc_bytes = 1000, .alloc_count = 10 } };
	struct proc_fact fact = { .pid = PID, .rss_bytes = 1 << 20, .comm = "prog" };
	struct frame_request want[16];
	int r = model_account(m, table, 8, 21 * SEC), n;

	if (r == 0)
		r = model_set_proc(m, PID, &fact, 21 * SEC);
	n = r < 0 ? r : model_unnamed(m, PID, want, 16);
	for (int i = 0; i < n && r == 0; i++)
		r = model_set_name(m, want[i].handle, "name");
	return n < 0 ? n : r;
}

static void accounting_goes_on_after_a_failure(void **state)
{
	unsigned long n = 1;
	struct model *m;
	bool failed;
	int r;

	(void)state;
	do {
		assert_int_equal(new_model(&m), 0);
		play(m);
		assert_int_equal(set_vmas(m), 0);
		assert_int_equal(model_set_module(m, PID, 0, NULL, false), 0);
		oom_arm(n++, false);
		r = account(&m);
		failed = oom_disarm();
		each_runs += failed;
		assert_int_equal(r, failed ? -ENOMEM : 0);
		assert_int_equal(account(&m), 0);
		assert_int_equal(try_snapshot(&m), 0);
		model_free(m);
		assert_int_equal(oom_live(), 0);
	} while (failed);
	assert_true(n > 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_model_is_made_whole_or_not_at_all),
		cmocka_unit_test(events_without_memory_leave_a_model_that_goes_on),
		cmocka_unit_test(a_snapshot_is_whole_or_not_there),
		cmocka_unit_test(facts_given_again_say_what_they_would_have_said),
		cmocka_unit_test(accounting_goes_on_after_a_failure),
	};

	return each_report(cmocka_run_group_tests(tests, NULL, NULL));
}
