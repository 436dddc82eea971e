/* The sniffers' rules, each with a test that fails when the rule is broken. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "../../bpf/core.bpf.c"
#include "../../bpf/sniff.bpf.c"
#include "fake.h"

#include <cmocka.h>

#define PID 100
#define ASID 7
#define TEXT 0x7f0000000000ull /* in the target's memory */
#define IOV (TEXT + 0x1000)
#define MSG (TEXT + 0x1100)
#define SSL_A 0x7f0000002000ull
#define SSL_B 0x7f0000003000ull
enum { READ, WRITE, READV, SENDMSG, SENDMMSG, OTHER };

static struct {
	struct inode inode[4];
	struct file file[4];
	struct socket socket[4];
	struct file *fd[4];
	struct fdtable table;
	struct files_struct files;
} kernel;

/* A descriptor of the current process. */
static void open_fd(int fd, uint16_t mode, uint64_t inode, short type)
{
	kernel.inode[fd].i_mode = mode;
	kernel.inode[fd].i_ino = inode;
	kernel.socket[fd].type = type;
	kernel.file[fd].f_inode = &kernel.inode[fd];
	kernel.file[fd].private_data = &kernel.socket[fd];
	kernel.fd[fd] = &kernel.file[fd];
}

static void begin(void)
{
	struct mt_proc p = { .asid = ASID };
	uint8_t *how = (uint8_t *)sniffed;
	uint32_t pid = PID;

	fake_reset();
	memset(&kernel, 0, sizeof(kernel));
	how[READ] = MT_SNIFF_BUFFER;
	how[WRITE] = MT_SNIFF_BUFFER | MT_SNIFF_WRITES;
	how[READV] = MT_SNIFF_IOVS;
	how[SENDMSG] = MT_SNIFF_MESSAGE | MT_SNIFF_WRITES;
	how[SENDMMSG] = MT_SNIFF_MESSAGES | MT_SNIFF_WRITES;
	sniff_window = 1;
	sniff_plain = 1;
	fake.pid_tgid = (uint64_t)PID << 32 | (PID + 1);
	fake.task.files = &kernel.files;
	kernel.files.fdt = &kernel.table;
	kernel.table.fd = kernel.fd;
	kernel.table.max_fds = 4;
	open_fd(0, S_IFSOCK | 0777, 1234, STREAM);
	open_fd(1, S_IFSOCK | 0777, 1235, STREAM);
	open_fd(2, 0100644, 1236, 0);
	open_fd(3, S_IFSOCK | 0777, 1237, 2);
	bpf_map_update_elem(&procs, &pid, &p, BPF_ANY);
	fake.stack_start = TEXT;
	for (int i = 0; i < 0x400; i++)
		fake.stack[i] = (uint8_t)('a' + i % 26);
}

static void call(uint64_t nr, uint64_t fd, uint64_t buffer, uint64_t third, long ret)
{
	struct pt_regs regs = { .orig_ax = nr, .di = fd, .si = buffer, .dx = third };

	mt_sniff_exit(&regs, ret);
}

static void ssl_write(uint64_t ssl, int len)
{
	struct pt_regs regs = { .di = ssl, .si = TEXT, .dx = (uint32_t)len };

	mt_sniff_plain(&regs);
}

/* As call(), told by the socket. */
static void carry(uint64_t nr, uint64_t fd, uint64_t buffer, uint64_t third, int ret)
{
	struct socket_alloc a = { .vfs_inode = { .i_ino = kernel.inode[fd].i_ino } };
	struct sock sk = { .sk_type = (__u16)kernel.socket[fd].type, .sk_socket = &a.socket };

	fake.regs = (struct pt_regs){ .orig_ax = nr, .di = fd, .si = buffer, .dx = third };
	if (nr == READ || nr == READV)
		mt_sniff_got(&sk, ret, 0);
	else
		mt_sniff_sent(&sk, ret, 0);
}

static struct mt_sniff last(void)
{
	struct mt_sniff e;

	memcpy(&e, fake.last, sizeof(e));
	return e;
}

static uint64_t counted(uint32_t counter)
{
	return *(uint64_t *)bpf_map_lookup_elem(&counters, &counter);
}

static struct mt_talk *talk_of(uint64_t inode)
{
	uint64_t key = mt_talk_key(inode, ASID);

	return bpf_map_lookup_elem(&talks, &key);
}

/* What goes over a socket looks like TLS, or does not. */
static void make_record(bool tls)
{
	fake.stack[0] = tls ? TLS_DATA : 'a';
	fake.stack[1] = 3;
}

static void a_message_is_told_with_its_first_bytes(void **state)
{
	struct mt_sniff e;

	(void)state;
	begin();
	call(READ, 0, TEXT, 4096, 300);
	assert_int_equal(fake.sent, 1);
	e = last();
	assert_int_equal(e.inode, 1234);
	assert_int_equal(e.len, 300);
	assert_int_equal(e.have, MT_SNIFF_BYTES);
	assert_int_equal(e.tgid, PID);
	assert_int_equal(e.tid, PID + 1);
	assert_int_equal(e.asid, ASID);
	assert_int_equal(e.written, 0);
	assert_int_equal(e.plain, 0);
	assert_memory_equal(e.bytes, fake.stack, MT_SNIFF_BYTES);
	assert_int_equal(e.bytes[MT_SNIFF_BYTES], 0); /* nothing of what was there before */
	call(WRITE, 0, TEXT, 4096, 5);
	e = last();
	assert_int_equal(e.have, 5); /* what went, not what was asked for */
	assert_int_equal(e.written, 1);
	assert_int_equal(e.bytes[5], 0);
}

static void only_sockets_of_streams_of_traced_processes_are_heard(void **state)
{
	(void)state;
	begin();
	call(WRITE, 2, TEXT, 10, 10); /* a file */
	call(WRITE, 3, TEXT, 10, 10); /* datagrams */
	call(WRITE, 4, TEXT, 10, 10); /* beyond the table */
	call(WRITE, ~0ull, TEXT, 10, 10);
	call(OTHER, 0, TEXT, 10, 10);
	call(WRITE, 0, TEXT, 10, 0); /* the end */
	call(WRITE, 0, TEXT, 10, -EAGAIN);
	fake.pid_tgid = 77ull << 32 | 77;
	call(WRITE, 0, TEXT, 10, 10);
	ssl_write(SSL_A, 10);
	assert_int_equal(fake.sent, 0);
	assert_int_equal(fake.reads, 0);
}

static void parts_are_put_together(void **state)
{
	struct mt_sniff e;

	(void)state;
	begin();
	fake_push(IOV, TEXT + 2);
	fake_push(IOV + 8, 3);
	fake_push(IOV + 16, TEXT + 10);
	fake_push(IOV + 24, 1000);
	call(READV, 0, IOV, 2, 7); /* less came than there was room for */
	e = last();
	assert_int_equal(e.have, 7);
	assert_memory_equal(e.bytes, "cdeklmn\0", 8);
	fake_push(MSG + MSG_IOV, IOV);
	fake_push(MSG + MSG_IOVLEN, 1); /* the second one is not its own */
	call(SENDMSG, 0, MSG, 0, 7);
	e = last();
	assert_int_equal(e.len, 7);
	assert_int_equal(e.have, 3);
	fake_push(MSG + MMSG_LEN, 2);
	call(SENDMMSG, 0, MSG, 1, 1); /* one message, of two bytes */
	e = last();
	assert_int_equal(e.len, 2);
	assert_memory_equal(e.bytes, "cd\0", 3);
}

static void what_sockets_tell_of_is_the_same(void **state)
{
	struct mt_sniff e;

	(void)state;
	begin();
	carry(READ, 0, TEXT, 4096, 300);
	e = last();
	assert_int_equal(e.inode, 1234);
	assert_int_equal(e.len, 300);
	assert_int_equal(e.written, 0);
	assert_memory_equal(e.bytes, fake.stack, MT_SNIFF_BYTES);
	carry(WRITE, 1, TEXT, 4096, 5);
	e = last();
	assert_int_equal(e.inode, 1235);
	assert_int_equal(e.have, 5);
	assert_int_equal(e.written, 1);
	assert_int_equal(fake.sent, 2);
	assert_int_equal(counted(MT_CNT_sniff_calls), 2);
}

static void what_is_no_call_of_one_message_is_not_read(void **state)
{
	(void)state;
	begin();
	carry(SENDMMSG, 0, MSG, 1, 1);
	carry(OTHER, 0, TEXT, 10, 10); /* sendfile, io_uring_enter */
	carry(WRITE, 3, TEXT, 10, 10); /* datagrams */
	carry(READ, 0, TEXT, 10, 0);
	carry(READ, 0, TEXT, 10, -EAGAIN);
	for (int i = 0; i < 3; i++) {
		static const unsigned int worker[] = { 0x200000, 0x4000, 0x10 };

		fake.task.flags = worker[i];
		carry(READ, 0, TEXT, 10, 10);
	}
	fake.task.flags = 0;
	fake.pid_tgid = 77ull << 32 | 77;
	carry(WRITE, 0, TEXT, 10, 10);
	assert_int_equal(fake.sent, 0);
	assert_int_equal(fake.reads, 0);
}

static void a_few_messages_each_way_are_enough_for_a_window(void **state)
{
	(void)state;
	begin();
	for (int i = 0; i < 10; i++) {
		call(READ, 0, TEXT, 10, 10);
		call(WRITE, 0, TEXT, 10, 10);
	}
	assert_int_equal(fake.sent, 2 * MT_SNIFFED);
	call(READ, 1, TEXT, 10, 10);
	assert_int_equal(fake.sent, 2 * MT_SNIFFED + 1);
	sniff_window++;
	call(READ, 0, TEXT, 10, 10);
	assert_int_equal(fake.sent, 2 * MT_SNIFFED + 2);
	talk_of(1234)->done = 1;
	sniff_window++;
	call(READ, 0, TEXT, 10, 10);
	assert_int_equal(fake.sent, 2 * MT_SNIFFED + 2);
}

static void what_is_not_heard_is_counted(void **state)
{
	(void)state;
	begin();
	fake_map_of(&talks)->max = 1;
	call(READ, 0, TEXT, 10, 10);
	call(READ, 1, TEXT, 10, 10);
	assert_int_equal(fake.sent, 1);
	assert_int_equal(counted(MT_CNT_sniff_full), 1);
	fake.ring_full = true;
	call(READ, 0, TEXT, 10, 10);
	assert_int_equal(counted(MT_CNT_sniff_ring_full), 1);
	fake.ring_full = false;
	call(READ, 0, 0x1000, 10, 10);
	assert_int_equal(counted(MT_CNT_sniff_unreadable), 1);
	assert_int_equal(last().have, 0);
}

static void plaintext_is_followed_by_the_write_that_carries_it(void **state)
{
	struct mt_sniff e;

	(void)state;
	begin();
	ssl_write(SSL_A, 20);
	e = last();
	assert_int_equal(e.plain, MT_PLAIN_TEXT);
	assert_int_equal(e.inode, 0);
	assert_int_equal(e.have, 20);
	make_record(true);
	call(WRITE, 2, TEXT, 10, 10); /* a line in a log is not it */
	call(READ, 0, TEXT, 10, 10);
	assert_int_equal(last().plain, 0);
	call(WRITE, 0, TEXT, 10, 10);
	assert_int_equal(last().plain, MT_PLAIN_WRITTEN);
	assert_int_equal(last().inode, 1234);
	call(WRITE, 0, TEXT, 10, 10); /* once */
	assert_int_equal(last().plain, 0);
	ssl_write(SSL_A, 0);
	call(WRITE, 0, TEXT, 10, 10);
	assert_int_equal(last().plain, 0);
	make_record(false);
	ssl_write(SSL_A, 20);
	call(WRITE, 0, TEXT, 10, 10); /* another connection's, without TLS */
	assert_int_equal(last().plain, 0);
}

/* A's is held back (its peer is slow), and the next write is B's. */
static void one_connections_plaintext_is_not_told_of_another(void **state)
{
	(void)state;
	begin();
	make_record(true);
	for (int i = 0; i < MT_SNIFFED; i++)
		ssl_write(SSL_B, 20); /* enough was seen of it */
	fake.sent = 0;
	ssl_write(SSL_A, 20);
	assert_int_equal(fake.sent, 1);
	ssl_write(SSL_B, 20);
	assert_int_equal(fake.sent, 1);
	call(WRITE, 1, TEXT, 10, 10);
	assert_int_equal(last().plain, 0);
	/* it was not told what was given: so it is not told of the write, either */
	ssl_write(SSL_A, 20);
	fake.ring_full = true;
	ssl_write(SSL_A, 20);
	fake.ring_full = false;
	call(WRITE, 1, TEXT, 10, 10);
	assert_int_equal(last().plain, 0);
	sniff_window++;
	fake.sent = 0;
	ssl_write(SSL_A, 20); /* by another thread */
	assert_int_equal(fake.sent, 1);
	fake.pid_tgid++;
	call(WRITE, 1, TEXT, 10, 10);
	assert_int_equal(last().plain, 0);
}

static void an_ssl_is_never_taken_for_a_socket(void **state)
{
	(void)state;
	begin();
	for (int i = 0; i < 10; i++)
		ssl_write(1234, 20); /* an address as low as a number of a socket */
	fake.sent = 0;
	call(WRITE, 0, TEXT, 10, 10);
	assert_int_equal(fake.sent, 1);
	assert_int_equal(talk_of(1234)->written, 1);
	assert_int_equal(talk_of(1234)->plain, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_is_told_with_its_first_bytes),
		cmocka_unit_test(only_sockets_of_streams_of_traced_processes_are_heard),
		cmocka_unit_test(parts_are_put_together),
		cmocka_unit_test(what_sockets_tell_of_is_the_same),
		cmocka_unit_test(what_is_no_call_of_one_message_is_not_read),
		cmocka_unit_test(a_few_messages_each_way_are_enough_for_a_window),
		cmocka_unit_test(what_is_not_heard_is_counted),
		cmocka_unit_test(plaintext_is_followed_by_the_write_that_carries_it),
		cmocka_unit_test(one_connections_plaintext_is_not_told_of_another),
		cmocka_unit_test(an_ssl_is_never_taken_for_a_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
