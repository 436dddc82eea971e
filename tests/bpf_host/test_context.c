/* Which connection a thread serves, and what is counted for it, each rule by itself. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "../../bpf/core.bpf.c"
#include "../../bpf/live.bpf.c"
#include "../../bpf/context.bpf.h"
#include "fake.h"

#include <cmocka.h>

#define SECOND 1000000000ull
#define BITS 4
#define PID 100
#define ASID 7
#define FDS 8
enum { SOCKET_A, SOCKET_B, FILE_C, PIPE_D, EVENT_E, DATAGRAM_F, SOCKET_G };

static struct {
	struct super_block sb[FDS];
	struct inode inode[FDS];
	struct file file[FDS];
	struct socket socket[FDS];
	struct file *fd[FDS];
	struct fdtable table;
	struct files_struct files;
} kernel;

static void open_fd(int fd, uint16_t mode, short type)
{
	kernel.inode[fd].i_mode = mode;
	kernel.inode[fd].i_ino = 1000 + fd;
	kernel.inode[fd].i_sb = &kernel.sb[fd];
	kernel.socket[fd].type = type;
	kernel.file[fd].f_inode = &kernel.inode[fd];
	kernel.file[fd].private_data = &kernel.socket[fd];
	kernel.fd[fd] = &kernel.file[fd];
}

static void be(uint32_t tid)
{
	fake.pid_tgid = (uint64_t)PID << 32 | tid;
}

static void begin(void)
{
	struct mt_config *c = (struct mt_config *)&cfg;
	struct mt_proc p = { .asid = ASID };
	uint32_t pid = PID;

	fake_reset();
	memset(&kernel, 0, sizeof(kernel));
	c->bucket_bits = BITS;
	fake_map_of(&live_front)->max = 1 << BITS;
	fake_map_of(&sites)->max = 16;
	fake.now_ns = 10 * SECOND;
	clock_seen = 0;
	be(PID);
	fake.task.files = &kernel.files;
	kernel.files.fdt = &kernel.table;
	kernel.table.fd = kernel.fd;
	kernel.table.max_fds = FDS;
	open_fd(SOCKET_A, S_IFSOCK | 0777, STREAM);
	open_fd(SOCKET_B, S_IFSOCK | 0777, STREAM);
	open_fd(FILE_C, 0100644, 0);
	open_fd(PIPE_D, S_IFIFO | 0600, 0);
	open_fd(EVENT_E, 0100600, 0);
	kernel.sb[EVENT_E].s_magic = ANON_INODE_MAGIC;
	open_fd(DATAGRAM_F, S_IFSOCK | 0777, 2);
	open_fd(SOCKET_G, S_IFSOCK | 0777, STREAM);
	bpf_map_update_elem(&procs, &pid, &p, BPF_ANY);
	contexts_on = 1;
}

static void call(enum mt_context what, uint64_t first, uint64_t second, long ret)
{
	struct pt_regs regs = { .di = first, .si = second };

	context_follow(&regs, ret, what << MT_FOLLOW_CONTEXT_SHIFT | MT_FOLLOW_EXIT);
}

static void receive(int fd)
{
	call(MT_CONTEXT_READ, fd, 0, 10);
}

static void born(uint64_t addr, uint64_t size)
{
	block_born(block_key(addr, ASID), size, 3);
}

static struct mt_conn *conn(int fd)
{
	uint64_t key = mt_talk_key(1000 + fd, ASID);
	uint32_t n;
	struct mt_conn_bucket *b = conn_bucket(key, &n);

	for (uint32_t i = 1; i < MT_CONN_SLOTS; i++)
		if (b->key[i] == key)
			return &b->conn[i];
	return NULL;
}

static uint64_t held(int fd)
{
	struct mt_conn *c = conn(fd);

	return c ? c->born.bytes - c->died.bytes : 0;
}

static void what_a_thread_allocates_is_of_the_socket_that_it_read_from_last(void **state)
{
	(void)state;
	begin();
	born(0x1000, 5);
	receive(SOCKET_A);
	born(0x2000, 10);
	receive(SOCKET_B);
	born(0x3000, 100);
	receive(SOCKET_A);
	born(0x4000, 20);
	assert_int_equal(held(SOCKET_A), 30);
	assert_int_equal(held(SOCKET_B), 100);
	assert_int_equal(conn(SOCKET_A)->born.records, 2);
	assert_int_equal(conn(SOCKET_A)->from_start, 0);
}

static void a_free_is_taken_from_the_block_s_own_connection(void **state)
{
	(void)state;
	begin();
	receive(SOCKET_A);
	born(0x2000, 10);
	born(0x3000, 20);
	be(PID + 1);
	receive(SOCKET_B);
	mt_block_died(0x2000, ASID);
	assert_int_equal(held(SOCKET_A), 20);
	assert_int_equal(conn(SOCKET_A)->died.records, 1);
	assert_int_equal(conn(SOCKET_B)->died.records, 0);
	mt_block_died(0x3000, ASID);
	assert_int_equal(held(SOCKET_A), 0);
	assert_int_equal(conn(SOCKET_A)->died.records, 2);
}

static void weights_are_taken_away_as_they_were_added(void **state)
{
	struct mt_conn *c;

	(void)state;
	begin();
	receive(SOCKET_A);
	born(0x2000, mt_held(100, 7));
	c = conn(SOCKET_A);
	assert_int_equal(c->born.bytes, 700);
	assert_int_equal(c->born.records + c->born.more, 7);
	assert_int_equal(c->born.var, mt_held_var(mt_held(100, 7)));
	mt_block_died(0x2000, ASID);
	assert_int_equal(c->died.bytes, 700);
	assert_int_equal(c->died.records + c->died.more, 7);
	assert_int_equal(c->died.var, c->born.var);
}

static void a_site_does_not_hear_of_connections(void **state)
{
	uint32_t n = 3;
	struct mt_site *site;

	(void)state;
	begin();
	receive(SOCKET_A);
	born(0x2000, 10);
	site = bpf_map_lookup_elem(&sites, &n);
	assert_int_equal(site->alloc_bytes, 10);
	mt_block_died(0x2000, ASID);
	assert_int_equal(site->free_bytes, 10);
}

static void a_block_that_changes_its_size_does_so_for_its_connection(void **state)
{
	struct mt_block b;
	uint64_t key = block_key(0x2000, ASID);

	(void)state;
	begin();
	receive(SOCKET_A);
	born(0x2000, 10);
	assert_int_equal(mt_live_take(key, &b), 1);
	assert_int_equal(mt_live_put(key, 50, b.site, b.born_ds), 0);
	mt_site_resized(b.site, b.held, 50);
	assert_int_equal(held(SOCKET_A), 50);
	mt_block_died(0x2000, ASID);
	assert_int_equal(held(SOCKET_A), 0);
}

static void waits_and_wakeups_end_it_and_files_do_not(void **state)
{
	static const int ends[] = { PIPE_D, EVENT_E, DATAGRAM_F };

	(void)state;
	begin();
	receive(SOCKET_A);
	receive(FILE_C);
	born(0x1000, 1);
	assert_int_equal(held(SOCKET_A), 1);
	for (size_t i = 0; i < 3; i++) {
		receive(SOCKET_A);
		receive(ends[i]);
		born(0x2000 + 16 * i, 1);
		assert_int_equal(held(SOCKET_A), 1);
	}
	receive(SOCKET_A);
	call(MT_CONTEXT_END, 9, 0, 1);
	born(0x3000, 1);
	assert_int_equal(held(SOCKET_A), 1);
	receive(SOCKET_A);
	call(MT_CONTEXT_WAIT, 0x5000, 128, 0); /* FUTEX_WAIT | FUTEX_PRIVATE_FLAG: a lock */
	born(0x4000, 1);
	assert_int_equal(held(SOCKET_A), 2);
	call(MT_CONTEXT_WAIT, 0x5000, 128 | 9, 0); /* a condition */
	born(0x5000, 1);
	assert_int_equal(held(SOCKET_A), 2);
}

static void who_has_a_loop_serves_on_while_it_waits_for_its_helpers(void **state)
{
	(void)state;
	begin();
	receive(SOCKET_A);
	call(MT_CONTEXT_LOOP, 9, 0, 1);
	born(0x1000, 1);
	assert_int_equal(held(SOCKET_A), 0);
	receive(SOCKET_A);
	call(MT_CONTEXT_WAIT, 0x5000, 128 | 9, 0);
	born(0x2000, 1);
	assert_int_equal(held(SOCKET_A), 1);
	receive(SOCKET_B);
	call(MT_CONTEXT_WAIT, 0x5000, 128 | 9, 0);
	born(0x3000, 1);
	assert_int_equal(held(SOCKET_B), 1);
	call(MT_CONTEXT_LOOP, 9, 0, 1);
	born(0x4000, 1);
	assert_int_equal(held(SOCKET_B), 1);
	be(PID + MT_CONTEXTS); /* in its place; it has no loop */
	receive(SOCKET_B);
	call(MT_CONTEXT_WAIT, 0x5000, 128 | 9, 0);
	born(0x5000, 1);
	assert_int_equal(held(SOCKET_B), 1);
}

static void the_wait_of_one_thread_ends_no_other_s(void **state)
{
	(void)state;
	begin();
	receive(SOCKET_A);
	be(PID + 1);
	call(MT_CONTEXT_END, 9, 0, 1);
	be(PID + MT_CONTEXTS); /* the same place in the table */
	call(MT_CONTEXT_END, 9, 0, 1);
	born(0x1000, 1);
	be(PID);
	born(0x2000, 10);
	assert_int_equal(held(SOCKET_A), 10);
}

static void of_two_threads_in_one_place_the_later_one_has_it(void **state)
{
	uint32_t counter = MT_CNT_contexts_displaced;

	(void)state;
	begin();
	receive(SOCKET_A);
	be(PID + MT_CONTEXTS);
	receive(SOCKET_B);
	born(0x1000, 1);
	be(PID);
	born(0x2000, 10);
	assert_int_equal(held(SOCKET_A), 0);
	assert_int_equal(held(SOCKET_B), 1);
	assert_int_equal(*(uint64_t *)bpf_map_lookup_elem(&counters, &counter), 1);
}

static void what_is_accepted_or_connected_is_known_from_its_start(void **state)
{
	(void)state;
	begin();
	call(MT_CONTEXT_ACCEPT, 99, 0, SOCKET_A);
	born(0x1000, 1);
	call(MT_CONTEXT_CONNECT, SOCKET_B, 0, -EINPROGRESS);
	born(0x2000, 10);
	call(MT_CONTEXT_CONNECT, SOCKET_G, 0, -111);
	born(0x3000, 10);
	assert_int_equal(held(SOCKET_A), 1);
	assert_int_equal(held(SOCKET_B), 20);
	assert_int_equal(conn(SOCKET_A)->from_start, 1);
	assert_int_equal(conn(SOCKET_B)->from_start, 1);
	assert_null(conn(SOCKET_G));
}

static void a_read_that_failed_changes_nothing_and_the_end_of_a_stream_counts(void **state)
{
	(void)state;
	begin();
	receive(SOCKET_A);
	call(MT_CONTEXT_READ, SOCKET_B, 0, -EAGAIN);
	born(0x1000, 1);
	assert_int_equal(held(SOCKET_A), 1);
	call(MT_CONTEXT_READ, SOCKET_B, 0, 0);
	born(0x2000, 1);
	assert_int_equal(held(SOCKET_B), 1);
}

/* libuv's way: the buffer is made before it is known whose it will be. */
static void a_fresh_buffer_is_of_the_connection_that_is_read_into_it(void **state)
{
	(void)state;
	begin();
	receive(SOCKET_A);
	born(0x2000, 64);
	call(MT_CONTEXT_BUFFER, SOCKET_B, 0x2000, 10);
	assert_int_equal(held(SOCKET_A), 0);
	assert_int_equal(held(SOCKET_B), 64);
	mt_block_died(0x2000, ASID);
	assert_int_equal(held(SOCKET_B), 0);
	call(MT_CONTEXT_END, 9, 0, 1);
	born(0x3000, 64); /* of nobody */
	call(MT_CONTEXT_BUFFER, SOCKET_A, 0x3000, 10);
	assert_int_equal(held(SOCKET_A), 64);
	fake.now_ns += SECOND;
	call(MT_CONTEXT_BUFFER, SOCKET_B, 0x3000, 10); /* it is there for longer */
	assert_int_equal(held(SOCKET_A), 64);
	assert_int_equal(held(SOCKET_B), 0);
}

static void another_socket_in_the_same_memory_is_another_connection(void **state)
{
	(void)state;
	begin();
	receive(SOCKET_A);
	born(0x1000, 1);
	kernel.inode[SOCKET_A].i_ino =
		1000 + SOCKET_B; /* it was closed, and its file given out again */
	call(MT_CONTEXT_ACCEPT, 99, 0, SOCKET_A);
	born(0x2000, 10);
	receive(SOCKET_A);
	born(0x3000, 10);
	assert_int_equal(held(SOCKET_A), 1);
	assert_int_equal(held(SOCKET_B), 20);
	call(MT_CONTEXT_PAIR, 1, 0, 0);
	kernel.inode[SOCKET_A].i_ino = 1000 + SOCKET_G;
	receive(SOCKET_A);
	born(0x4000, 5);
	assert_int_equal(held(SOCKET_G), 5);
}

static void without_a_place_nothing_is_counted_for_anybody(void **state)
{
	uint64_t key = mt_talk_key(1000 + SOCKET_B, ASID);
	uint32_t counter = MT_CNT_conns_full, n;
	struct mt_conn_bucket *b;

	(void)state;
	begin();
	receive(SOCKET_A);
	b = conn_bucket(key, &n);
	for (uint32_t i = 1; i < MT_CONN_SLOTS; i++)
		if (!b->key[i])
			b->key[i] = 1;
	receive(SOCKET_B);
	born(0x1000, 1);
	assert_int_equal(held(SOCKET_A), 0);
	assert_int_equal(*(uint64_t *)bpf_map_lookup_elem(&counters, &counter), 1);
	memset(b->key, 0, sizeof(b->key)); /* user space gave them back */
	conn_generation++;
	receive(SOCKET_B);
	born(0x2000, 1);
	assert_int_equal(held(SOCKET_B), 1);
}

static void switched_off_or_not_traced_nothing_is_noted(void **state)
{
	uint32_t pid = PID;

	(void)state;
	begin();
	contexts_on = 0;
	receive(SOCKET_A);
	contexts_on = 1;
	born(0x1000, 1);
	bpf_map_delete_elem(&procs, &pid);
	receive(SOCKET_A);
	assert_null(conn(SOCKET_A));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_thread_allocates_is_of_the_socket_that_it_read_from_last),
		cmocka_unit_test(a_free_is_taken_from_the_block_s_own_connection),
		cmocka_unit_test(weights_are_taken_away_as_they_were_added),
		cmocka_unit_test(a_site_does_not_hear_of_connections),
		cmocka_unit_test(a_block_that_changes_its_size_does_so_for_its_connection),
		cmocka_unit_test(waits_and_wakeups_end_it_and_files_do_not),
		cmocka_unit_test(who_has_a_loop_serves_on_while_it_waits_for_its_helpers),
		cmocka_unit_test(the_wait_of_one_thread_ends_no_other_s),
		cmocka_unit_test(of_two_threads_in_one_place_the_later_one_has_it),
		cmocka_unit_test(what_is_accepted_or_connected_is_known_from_its_start),
		cmocka_unit_test(a_read_that_failed_changes_nothing_and_the_end_of_a_stream_counts),
		cmocka_unit_test(a_fresh_buffer_is_of_the_connection_that_is_read_into_it),
		cmocka_unit_test(another_socket_in_the_same_memory_is_another_connection),
		cmocka_unit_test(without_a_place_nothing_is_counted_for_anybody),
		cmocka_unit_test(switched_off_or_not_traced_nothing_is_noted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
