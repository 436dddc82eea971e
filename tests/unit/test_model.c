/* The model: what each event and fact does to a process. */
#include "model_world.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>

static void expect(struct world *w, uint32_t site, uint64_t bytes, uint64_t count)
{
	struct snapshot *s = world_snapshot(w);
	const struct snap_site *x = world_find(s, site);

	assert_int_equal(x ? x->live_bytes : 0, bytes);
	assert_int_equal(x ? x->live_count : 0, count);
	snapshot_free(s);
}

static size_t fd_count(struct world *w)
{
	struct snapshot *s = world_snapshot(w);
	size_t n = s->fd_count;

	snapshot_free(s);
	return n;
}

static void task(struct world *w, enum mt_kind kind, struct mt_ev_task t)
{
	struct event ev = { .task = t };

	world_apply(w, &ev, kind);
}

static void mappings_follow_system_calls(void **state)
{
	struct world *w = *state;
	struct event ev;

	world_mmap(w, 4, 0, BASE, 8 * P);
	expect(w, 4, 8 * P, 1);
	world_sys(w, MT_SYS_MUNMAP, 0, MT_SYSF_ENTRY, 0, BASE, 2 * P);
	expect(w, 4, 6 * P, 1);
	world_sys(w, MT_SYS_MUNMAP, 0, MT_SYSF_ENTRY, 0, BASE + 2 * P, 2 * P);
	world_sys(w, MT_SYS_MUNMAP, 0, 0, -EINVAL, BASE + 2 * P, 2 * P);
	expect(w, 4, 6 * P, 1);
	ev = world_call(MT_SYS_MREMAP, (int64_t)(BASE + 100 * P), BASE + 2 * P, 6 * P);
	ev.sys.arg[2] = 10 * P;
	ev.sys.arg[3] = MREMAP_MAYMOVE;
	ev.sys.flags = MT_SYSF_ENTRY;
	world_apply(w, &ev, MT_KIND_sys);
	expect(w, 4, 6 * P, 1);
	ev.sys.flags = 0;
	ev.sys.site = 5;
	world_apply(w, &ev, MT_KIND_sys);
	expect(w, 4, 10 * P, 1);
	expect(w, 5, 0, 0);
}

static void a_file_mapping_is_no_site_memory(void **state)
{
	struct world *w = *state;
	struct event ev = world_call(MT_SYS_MMAP, (int64_t)BASE, 0, 8 * P);

	ev.sys.arg[3] = MAP_PRIVATE;
	ev.sys.site = 4;
	world_apply(w, &ev, MT_KIND_sys);
	expect(w, 4, 0, 0);
}

static void the_break_is_accounted_from_its_known_end(void **state)
{
	struct world *w = *state;
	struct vma v = world_vma(BASE, BASE + 2 * P, VMA_HEAP, "[heap]");

	world_vmas(w, &v, 1);
	world_sys(w, MT_SYS_BRK, 6, 0, (int64_t)(BASE + 5 * P), BASE + 5 * P, 0);
	expect(w, 6, 3 * P, 1);
	world_sys(w, MT_SYS_BRK, 6, 0, (int64_t)(BASE + 5 * P), BASE + 900 * P, 0);
	expect(w, 6, 3 * P, 1);
	world_sys(w, MT_SYS_BRK, 6, 0, (int64_t)(BASE + 3 * P), BASE + 3 * P, 0);
	expect(w, 6, P, 1);
}

static void a_mapping_that_the_map_does_not_show_is_dropped(void **state)
{
	struct world *w = *state;
	struct vma v[3] = { world_vma(BASE, BASE + 2 * P, VMA_ANON, ""),
			    world_vma(BASE + 4 * P, BASE + 6 * P, VMA_FILE, "/lib/a.so"),
			    world_vma(BASE + 70 * P, BASE + 71 * P, VMA_ANON, "") };

	world_mmap(w, 4, 0, BASE, 2 * P);
	world_mmap(w, 5, 0, BASE + 4 * P, 2 * P);
	world_mmap(w, 7, 0, BASE + 90 * P, 2 * P);
	world_vmas(w, v, 3);
	expect(w, 4, 2 * P, 1);
	expect(w, 5, 0, 0);
	expect(w, 7, 0, 0);
}

static void an_empty_map_changes_nothing(void **state)
{
	struct world *w = *state;

	world_mmap(w, 4, 0, BASE, 2 * P);
	assert_int_equal(model_set_vmas(w->m, PID, NULL, 0, w->now), 0);
	expect(w, 4, 2 * P, 1);
}

static void a_vfork_child_maps_into_its_parent(void **state)
{
	struct world *w = *state;
	struct event ev = world_call(MT_SYS_MMAP, (int64_t)BASE, 0, P);

	task(w, MT_KIND_fork,
	     (struct mt_ev_task){
		     .asid = ASID, .child_tgid = 200, .child_asid = ASID, .shares_mm = 1 });
	task(w, MT_KIND_fork,
	     (struct mt_ev_task){
		     .asid = 77, .child_tgid = 200, .child_asid = 77, .shares_mm = 1 });
	assert_false(model_has_process(w->m, 200));
	ev.hdr.tgid = 200;
	ev.sys.arg[3] = MAP_ANONYMOUS;
	ev.sys.site = 4;
	world_apply(w, &ev, MT_KIND_sys);
	expect(w, 4, P, 1);
}

static void a_vfork_child_enters_when_it_executes(void **state)
{
	struct world *w = *state;

	task(w, MT_KIND_exec,
	     (struct mt_ev_task){ .hdr.tgid = 200,
				  .asid = ASID,
				  .child_asid = 9,
				  .shares_mm = 1,
				  .comm = "child" });
	assert_true(model_has_process(w->m, 200));
	assert_true(model_has_process(w->m, PID));
}

static void a_traced_child_enters_with_its_own_address_space(void **state)
{
	struct world *w = *state;
	struct snapshot *s = NULL;

	world_mmap(w, 4, 0, BASE, P);
	task(w, MT_KIND_fork,
	     (struct mt_ev_task){
		     .asid = ASID, .child_tgid = 200, .child_asid = 9, .comm = "child" });
	assert_int_equal(model_snapshot(w->m, 200, w->now, NULL, &s), 0);
	assert_string_equal(s->comm, "child");
	assert_int_equal(s->site_count, 0);
	snapshot_free(s);
	assert_int_equal(model_add_process(w->m, 200, 9, 77, w->now, "child"), 0);
	expect(w, 4, P, 1);
}

static void an_untraced_child_does_not_enter(void **state)
{
	struct world *w = *state;

	task(w, MT_KIND_fork, (struct mt_ev_task){ .asid = ASID, .child_tgid = 200 });
	assert_false(model_has_process(w->m, 200));
}

static void exec_forgets_the_old_address_space_and_keeps_descriptors(void **state)
{
	struct world *w = *state;
	struct event ev;
	struct snapshot *s;

	world_mmap(w, 4, 0, BASE, P);
	world_sys(w, MT_SYS_OPEN, 7, 0, 3, 0, 0);
	task(w, MT_KIND_exec, (struct mt_ev_task){ .asid = ASID, .child_asid = 9, .comm = "new" });
	s = world_snapshot(w);
	assert_int_equal(s->site_count, 0);
	assert_int_equal(s->fd_count, 1);
	assert_int_equal(s->fds[0].site_id, 0);
	assert_string_equal(s->comm, "new");
	assert_true(s->rss_at_attach_bytes == FACT_UNKNOWN);
	snapshot_free(s);
	world_mmap(w, 4, 0, BASE, P); /* of the old address space */
	ev = world_call(MT_SYS_CLOSE, 0, 3, 0);
	ev.sys.flags = MT_SYSF_ENTRY;
	world_apply(w, &ev, MT_KIND_sys);
	assert_int_equal(fd_count(w), 0);
}

static void an_exit_leaves_the_last_state_readable(void **state)
{
	struct world *w = *state;
	struct snapshot *s;

	world_mmap(w, 4, 0, BASE, P);
	task(w, MT_KIND_exit, (struct mt_ev_task){ .tid = 1 });
	s = world_snapshot(w);
	assert_false(s->alive);
	assert_int_equal(world_find(s, 4)->live_bytes, P);
	snapshot_free(s);
}

static void threads_count_for_their_creator(void **state)
{
	struct world *w = *state;
	uint32_t left[] = { 100, 102 };

	for (uint32_t tid = 101; tid < 104; tid++)
		task(w, MT_KIND_thread,
		     (struct mt_ev_task){
			     .asid = ASID, .child_tid = tid, .child_tgid = PID, .site = 8 });
	expect(w, 8, 0, 3);
	task(w, MT_KIND_thread_exit, (struct mt_ev_task){ .tid = 101 });
	expect(w, 8, 0, 2);
	assert_int_equal(model_set_threads(w->m, PID, left, 2, w->now++), 0);
	expect(w, 8, 0, 1);
}

static void descriptors_follow_system_calls(void **state)
{
	struct world *w = *state;
	struct event ev;

	world_sys(w, MT_SYS_OPEN, 7, 0, 3, 0, 0);
	world_sys(w, MT_SYS_SOCKET, 8, 0, 4, 0, 0);
	world_sys(w, MT_SYS_ACCEPT, 8, 0, 5, 4, 0);
	world_sys(w, MT_SYS_DUP, 7, 0, 6, 3, 0);
	world_sys(w, MT_SYS_FCNTL, 7, 0, 7, 3, 0);
	expect(w, 7, 0, 3);
	expect(w, 8, 0, 2);
	world_sys(w, MT_SYS_CLOSE, 0, MT_SYSF_ENTRY, 0, 5, 0);
	expect(w, 8, 0, 1);
	world_sys(w, MT_SYS_CLOSE, 0, MT_SYSF_ENTRY, 0, 4, 0);
	world_sys(w, MT_SYS_CLOSE, 0, 0, -EBADF, 4, 0);
	expect(w, 8, 0, 1);
	world_sys(w, MT_SYS_CLOSE, 0, MT_SYSF_ENTRY, 0, 4, 0);
	world_sys(w, MT_SYS_CLOSE, 0, 0, -EINTR, 4, 0); /* closed all the same */
	expect(w, 8, 0, 0);
	ev = world_call(MT_SYS_CLOSE_RANGE, 0, 0, UINT32_MAX);
	ev.sys.flags = MT_SYSF_ENTRY;
	ev.sys.arg[2] = 4; /* only marks them close-on-exec */
	world_apply(w, &ev, MT_KIND_sys);
	expect(w, 7, 0, 3);
	ev.sys.arg[2] = 0;
	world_apply(w, &ev, MT_KIND_sys);
	expect(w, 7, 0, 0);
}

static void an_open_in_an_allocator_has_no_site(void **state)
{
	struct world *w = *state;

	world_sys(w, MT_SYS_OPEN, 7, MT_SYSF_IN_ALLOCATOR, 3, 0, 0);
	expect(w, 7, 0, 0);
	assert_int_equal(fd_count(w), 1);
}

static void signalfd_on_an_existing_descriptor_opens_nothing(void **state)
{
	struct world *w = *state;
	struct event ev = world_call(MT_SYS_OPEN, 3, (uint64_t)-1, 0);

	ev.sys.nr = __NR_signalfd4;
	ev.sys.site = 7;
	world_apply(w, &ev, MT_KIND_sys);
	ev.sys.arg[0] = 3;
	world_apply(w, &ev, MT_KIND_sys);
	expect(w, 7, 0, 1);
}

static void pipes_and_socket_pairs_open_two(void **state)
{
	struct world *w = *state;
	struct event ev = world_call(MT_SYS_PIPE, 0, 0, 0);
	int32_t fd[2] = { 3, 4 };

	ev.sys.site = 7;
	ev.sys.extra_len = sizeof(fd);
	memcpy(ev.sys.extra, fd, sizeof(fd));
	world_apply(w, &ev, MT_KIND_sys);
	expect(w, 7, 0, 2);
	memcpy(ev.sys.extra, (int32_t[]){ 5, 6 }, sizeof(fd));
	ev.sys.extra_len = 4; /* the rest could not be read */
	world_apply(w, &ev, MT_KIND_sys);
	expect(w, 7, 0, 2);
}

static void descriptors_in_control_messages_are_opened(void **state)
{
	struct world *w = *state;
	struct event ev = world_call(MT_SYS_RECVMSG, 1, 3, 0);
	struct {
		uint64_t len;
		int32_t level, type, fd[2];
	} other = { 20, SOL_SOCKET, 77, { 50, 51 } },
	  rights = { 24, SOL_SOCKET, SCM_RIGHTS, { 8, 9 } };

	ev.sys.site = 7;
	memcpy(ev.sys.extra, &other, sizeof(other));
	memcpy(ev.sys.extra + 24, &rights, sizeof(rights));
	ev.sys.extra_len = 48;
	world_apply(w, &ev, MT_KIND_sys);
	expect(w, 7, 0, 2);
}

static void hostile_control_messages_do_no_harm(void **state)
{
	struct world *w = *state;
	struct event ev = world_call(MT_SYS_RECVMSG, 1, 3, 0);
	uint64_t lens[] = { 0, 15, 16, 17, 24, UINT64_MAX, UINT64_MAX - 6, 1ull << 63 };

	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		memset(ev.sys.extra, 0xff, sizeof(ev.sys.extra));
		memcpy(ev.sys.extra, &lens[i], 8);
		memcpy(ev.sys.extra + 8, (int32_t[]){ SOL_SOCKET, SCM_RIGHTS }, 8);
		ev.sys.extra_len = UINT32_MAX;
		world_apply(w, &ev, MT_KIND_sys);
	}
	assert_int_equal(fd_count(w), 0);
}

static void events_of_strangers_change_nothing(void **state)
{
	struct world *w = *state;
	struct event ev = world_call(MT_SYS_OPEN, 3, 0, 0);

	ev.hdr.tgid = 999;
	world_apply(w, &ev, MT_KIND_sys);
	ev = world_call(MT_SYS_MMAP, (int64_t)BASE, 0, P);
	ev.sys.asid = 999;
	world_apply(w, &ev, MT_KIND_sys);
	for (int kind = 0; kind < 300; kind++) {
		ev = (struct event){ .hdr.tgid = 999 };
		world_apply(w, &ev, (enum mt_kind)kind);
	}
	assert_int_equal(fd_count(w), 0);
}

/* Random bytes in every field that the decoder lets through. */
static void random_events_do_no_harm(void **state)
{
	struct world *w = *state;
	struct event ev;

	srand(3);
	for (int i = 0; i < 30000; i++) {
		unsigned char *b = (unsigned char *)&ev;
		int kind = 1 + rand() % 8;

		for (size_t k = 0; k < sizeof(ev); k++)
			b[k] = (unsigned char)(rand() % 3 ? 0 : rand());
		ev.hdr.tgid = PID;
		if (kind == MT_KIND_sys)
			ev.sys.asid = ASID, ev.sys.op = (uint16_t)(rand() % (MT_SYS_MAX + 1));
		else if (kind == MT_KIND_site)
			ev.site.asid = ASID;
		else if (kind == MT_KIND_exec)
			ev.task.child_asid = ASID + 1, ev.hdr.tgid = 4;
		world_apply(w, &ev, (enum mt_kind)kind);
	}
	snapshot_free(world_snapshot(w));
}

static void a_process_is_known_by_number_and_start(void **state)
{
	struct world *w = *state;

	world_mmap(w, 4, 0, BASE, P);
	assert_int_equal(model_add_process(w->m, PID, ASID, 55, w->now, ""), 0);
	expect(w, 4, P, 1);
	assert_int_equal(model_add_process(w->m, PID, ASID, 56, w->now, "again"), 0);
	expect(w, 4, 0, 0);
	assert_int_equal(model_add_process(w->m, 200, ASID, 1, w->now, "x"), -EEXIST);
	model_remove_process(w->m, PID);
	assert_false(model_has_process(w->m, PID));
	assert_int_equal(model_set_exited(w->m, PID), -ESRCH);
}

static void sites_beyond_the_limit_are_refused_and_counted(void **state)
{
	struct world *w = *state;
	struct snapshot *s;

	for (uint32_t i = 1; i <= 50; i++)
		world_mmap(w, i, 0, BASE + i * 10 * P, P);
	s = world_snapshot(w);
	assert_int_equal(s->site_count, 40);
	assert_int_equal(s->counters.sites_refused, 10);
	snapshot_free(s);
}

static void only_the_heaviest_sites_have_a_history(void **state)
{
	struct model_cfg cfg = { .limits = { .series = 3 } };
	struct world w = { .now = 10 * SEC };
	struct snapshot *s;

	assert_int_equal(model_new(&cfg, &w.m), 0);
	assert_int_equal(model_add_process(w.m, PID, ASID, 1, w.now, "prog"), 0);
	for (uint32_t i = 1; i <= 6; i++)
		world_mmap(&w, i, 0, BASE + i * 100 * P, i * P);
	assert_int_equal(model_account(w.m, NULL, 0, w.now), 0);
	world_mmap(&w, 1, 0, BASE + 9000 * P, 50 * P);
	assert_int_equal(model_account(w.m, NULL, 0, w.now), 0);
	s = world_snapshot(&w);
	assert_int_equal(world_find(s, 1)->live_bytes_series.count, 1);
	assert_int_equal(world_find(s, 4)->live_bytes_series.count, 0);
	assert_int_equal(world_find(s, 5)->live_bytes_series.count, 2);
	assert_int_equal(world_find(s, 6)->live_bytes_series.count, 2);
	snapshot_free(s);
	model_free(w.m);
	(void)state;
}

static void the_program_is_called_what_it_was_started_as(void **state)
{
	struct world *w = *state;
	struct vma v[] = { world_vma(CODE, CODE + 0x10000, VMA_FILE, "/bin/checker"),
			   world_vma(BASE, BASE + 0x10000, VMA_FILE, "/lib/libx.so") };
	struct snapshot *s;

	v[0].executable = v[1].executable = true;
	world_vmas(w, v, 2);
	assert_int_equal(model_set_exe(w->m, PID, "/bin/checker"), 0);
	assert_int_equal(model_set_exe_name(w->m, PID, "server"), 0);
	assert_int_equal(model_snapshot(w->m, PID, w->now, NULL, &s), 0);
	assert_int_equal(s->module_count, 2);
	for (size_t i = 0; i < s->module_count; i++)
		assert_string_equal(s->modules[i].name,
				    s->modules[i].main_exe ? "server" : "libx.so");
	snapshot_free(s);
}

static void names_are_asked_for_once_heaviest_first(void **state)
{
	struct world *w = *state;
	struct vma v = world_vma(CODE, CODE + 0x10000, VMA_FILE, "/bin/prog");
	struct module_request want[2];
	struct frame_request ask[8];
	struct module_fact fact = { .build_id = "ab" };

	world_vmas(w, &v, 1);
	world_site(w, 1, MT_SITE_MMAP, CODE + 0x100, 2);
	world_site(w, 2, MT_SITE_MMAP, CODE + 0x200, 2);
	world_mmap(w, 1, 0, BASE, P);
	world_mmap(w, 2, 0, BASE + 100 * P, 9 * P);
	assert_int_equal(model_unnamed(w->m, PID, ask, 8), 0); /* not described yet */
	assert_int_equal(model_modules_pending(w->m, PID, want, 2), 1);
	assert_string_equal(want[0].path, "/bin/prog");
	assert_int_equal(want[0].start, CODE);
	assert_true(want[0].main_exe);
	assert_int_equal(model_set_module(w->m, PID, want[0].index, &fact, true), 0);
	assert_int_equal(model_modules_pending(w->m, PID, want, 2), 0);
	assert_int_equal(model_unnamed(w->m, PID, ask, 3), 3);
	assert_int_equal(ask[0].pc, CODE + 0x200);
	assert_int_equal(ask[2].pc, CODE + 0x100);
	assert_int_equal(model_unnamed(w->m, PID, ask + 3, 5), 1);
	assert_int_equal(model_unnamed(w->m, PID, ask + 4, 4), 0);
	assert_int_equal(model_set_name(w->m, ask[1].handle, NULL), 0);
	assert_int_equal(model_unnamed(w->m, PID, ask + 4, 4), 1);
	assert_int_equal(ask[4].pc, ask[1].pc);
	assert_int_equal(model_set_name(w->m, 1ull << 60, "x"), -ENOENT);
}

static void a_library_loaded_after_the_reading_is_not_taken_for_its_predecessor(void **state)
{
	struct world *w = *state;
	struct vma v = world_vma(CODE, CODE + 0x10000, VMA_FILE, "/lib/old.so");
	struct snapshot *s;

	world_vmas(w, &v, 1);
	world_sys(w, MT_SYS_MUNMAP, 0, MT_SYSF_ENTRY, 0, CODE, 0x10000);
	world_site(w, 1, MT_SITE_MMAP, CODE + 0x100, 1);
	world_mmap(w, 1, 0, BASE, P);
	s = world_snapshot(w);
	assert_int_equal(world_find(s, 1)->stack.frames[0].module, SNAP_NO_MODULE);
	snapshot_free(s);
	strcpy(v.path, "/lib/new.so");
	world_vmas(w, (struct vma[]){ v, world_vma(BASE, BASE + P, VMA_ANON, "") }, 2);
	s = world_snapshot(w);
	assert_string_equal(s->modules[world_find(s, 1)->stack.frames[0].module].name, "new.so");
	snapshot_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(mappings_follow_system_calls),
		WORLD_TEST(a_file_mapping_is_no_site_memory),
		WORLD_TEST(the_break_is_accounted_from_its_known_end),
		WORLD_TEST(a_mapping_that_the_map_does_not_show_is_dropped),
		WORLD_TEST(an_empty_map_changes_nothing),
		WORLD_TEST(a_vfork_child_maps_into_its_parent),
		WORLD_TEST(a_vfork_child_enters_when_it_executes),
		WORLD_TEST(a_traced_child_enters_with_its_own_address_space),
		WORLD_TEST(an_untraced_child_does_not_enter),
		WORLD_TEST(exec_forgets_the_old_address_space_and_keeps_descriptors),
		WORLD_TEST(an_exit_leaves_the_last_state_readable),
		WORLD_TEST(threads_count_for_their_creator),
		WORLD_TEST(descriptors_follow_system_calls),
		WORLD_TEST(an_open_in_an_allocator_has_no_site),
		WORLD_TEST(signalfd_on_an_existing_descriptor_opens_nothing),
		WORLD_TEST(pipes_and_socket_pairs_open_two),
		WORLD_TEST(descriptors_in_control_messages_are_opened),
		WORLD_TEST(hostile_control_messages_do_no_harm),
		WORLD_TEST(events_of_strangers_change_nothing),
		WORLD_TEST(random_events_do_no_harm),
		WORLD_TEST(a_process_is_known_by_number_and_start),
		WORLD_TEST(sites_beyond_the_limit_are_refused_and_counted),
		cmocka_unit_test(only_the_heaviest_sites_have_a_history),
		WORLD_TEST(the_program_is_called_what_it_was_started_as),
		WORLD_TEST(names_are_asked_for_once_heaviest_first),
		WORLD_TEST(a_library_loaded_after_the_reading_is_not_taken_for_its_predecessor),
	};

	return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
