/* sys/fdtable: kinds of descriptors by their links, limits, and this process's own table. */
#include "fake_proc.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include "sys/fdtable.h"

static enum fd_kind kind(const char *link)
{
	uint64_t inode = 0;

	return fdtable_kind(link, strlen(link), &inode);
}

static const struct fd_fact *find(const struct fd_table *t, int fd)
{
	for (size_t i = 0; i < t->count; i++) {
		if (t->fd[i].fd == fd)
			return &t->fd[i];
	}
	fail_msg("descriptor %d is not in the table", fd);
	return NULL;
}

static void kinds_follow_from_the_link(void **state)
{
	(void)state;
	assert_int_equal(kind("socket:[1]"), FD_SOCKET);
	assert_int_equal(kind("pipe:[1]"), FD_PIPE);
	assert_int_equal(kind("anon_inode:[eventfd]"), FD_EVENTFD);
	assert_int_equal(kind("anon_inode:[eventpoll]"), FD_EPOLL);
	assert_int_equal(kind("anon_inode:[timerfd]"), FD_TIMERFD);
	assert_int_equal(kind("anon_inode:[signalfd]"), FD_SIGNALFD);
	assert_int_equal(kind("anon_inode:inotify"), FD_INOTIFY);
	assert_int_equal(kind("anon_inode:[io_uring]"), FD_IO_URING);
	assert_int_equal(kind("anon_inode:bpf-map"), FD_OTHER);
	assert_int_equal(kind("pidfd:[5]"), FD_OTHER);
	assert_int_equal(kind("/memfd:x (deleted)"), FD_MEMFD);
	assert_int_equal(kind("/dev/pts/0"), FD_DEVICE);
	assert_int_equal(kind("/dev/shm/x"), FD_FILE);
	assert_int_equal(kind("/var/log/x"), FD_FILE);
	assert_int_equal(kind(""), FD_OTHER);
}

static void inodes_of_sockets_and_pipes_come_from_the_link(void **state)
{
	uint64_t inode = 0;

	(void)state;
	assert_int_equal(fdtable_kind("socket:[4711]", 13, &inode), FD_SOCKET);
	assert_int_equal(inode, 4711);
}

static void a_link_that_only_begins_like_a_socket_is_other(void **state)
{
	(void)state;
	assert_int_equal(kind("socket:["), FD_OTHER);
	assert_int_equal(kind("socket:[x]"), FD_OTHER);
	assert_int_equal(kind("socket:[12"), FD_OTHER);
	assert_int_equal(kind("pipe:[12]x"), FD_OTHER);
	assert_int_equal(kind("socket:[99999999999999999999]"), FD_OTHER);
}

static void what_this_source_cannot_know_is_unknown(void **state)
{
	struct fake_proc *p = *state;
	struct fd_table t;

	fake_proc_link(p, "7/fd/3", "socket:[4711]");
	assert_int_equal(fdtable_read(p->root, 7, &t), 0);
	assert_int_equal(t.count, 1);
	assert_int_equal(t.fd[0].fd, 3);
	assert_int_equal(t.fd[0].family, 0);
	assert_true(t.fd[0].kernel_bytes == FACT_UNKNOWN);
	fdtable_done(&t);
}

static void fdinfo_tells_folders_and_inodes(void **state)
{
	struct fake_proc *p = *state;
	struct fd_table t;

	fake_proc_link(p, "7/fd/3", "/var/log");
	fake_proc_put(p, "7/fdinfo/3", "pos:\t0\nflags:\t02200000\nmnt_id:\t29\nino:\t77\n");
	fake_proc_link(p, "7/fd/4", "/var/log/x");
	fake_proc_put(p, "7/fdinfo/4", "pos:\t0\nflags:\t0100002\nmnt_id:\t29\n");
	fake_proc_link(p, "7/fd/5", "/var/log/y");
	assert_int_equal(fdtable_read(p->root, 7, &t), 0);
	assert_int_equal(find(&t, 3)->kind, FD_DIR);
	assert_int_equal(find(&t, 3)->inode, 77);
	assert_int_equal(find(&t, 4)->kind, FD_FILE);
	assert_int_equal(find(&t, 4)->inode, 0);
	assert_int_equal(find(&t, 5)->kind, FD_FILE);
	fdtable_done(&t);
}

static void links_that_cannot_be_read_are_counted_and_junk_is_not(void **state)
{
	struct fake_proc *p = *state;
	struct fd_table t;

	fake_proc_put(p, "7/fd/3", "not a link");
	fake_proc_link(p, "7/fd/99999999999", "/x");
	fake_proc_link(p, "7/fd/4x", "/x");
	fake_proc_link(p, "7/fd/3000000000", "/x");
	fake_proc_link(p, "7/fd/5", "/x");
	assert_int_equal(fdtable_read(p->root, 7, &t), 0);
	assert_int_equal(t.count, 1);
	assert_int_equal(t.refused, 2);
	fdtable_done(&t);
}

static void descriptors_beyond_the_limit_are_counted(void **state)
{
	struct fake_proc *p = *state;
	struct fd_table t;
	char name[64];

	for (int i = 0; i < FDTABLE_MAX + 5; i++) {
		snprintf(name, sizeof(name), "7/fd/%d", i);
		fake_proc_link(p, name, "pipe:[1]");
	}
	assert_int_equal(fdtable_read(p->root, 7, &t), 0);
	assert_int_equal(t.count, FDTABLE_MAX);
	assert_int_equal(t.refused, 5);
	fdtable_done(&t);
}

static void a_process_that_has_gone_is_esrch(void **state)
{
	struct fake_proc *p = *state;
	struct fd_table t = {};

	assert_int_equal(fdtable_read(p->root, 9, &t), -ESRCH);
	assert_null(t.fd);
}

static void own_descriptors_are_found_with_their_kinds(void **state)
{
	sigset_t none;
	struct stat st;
	struct fd_table t;
	int pipes[2], fd[8];

	(void)state;
	sigemptyset(&none);
	assert_int_equal(pipe(pipes), 0);
	fd[0] = socket(AF_UNIX, SOCK_STREAM, 0);
	fd[1] = eventfd(0, 0);
	fd[2] = epoll_create1(0);
	fd[3] = timerfd_create(CLOCK_MONOTONIC, 0);
	fd[4] = signalfd(-1, &none, 0);
	fd[5] = inotify_init();
	fd[6] = memfd_create("x", 0);
	fd[7] = open("/", O_RDONLY | O_DIRECTORY);
	assert_int_equal(fdtable_read("/proc", getpid(), &t), 0);
	assert_int_equal(find(&t, pipes[0])->kind, FD_PIPE);
	assert_int_equal(find(&t, fd[0])->kind, FD_SOCKET);
	assert_int_equal(fstat(fd[0], &st), 0);
	assert_int_equal(find(&t, fd[0])->inode, st.st_ino);
	assert_int_equal(find(&t, fd[1])->kind, FD_EVENTFD);
	assert_int_equal(find(&t, fd[2])->kind, FD_EPOLL);
	assert_int_equal(find(&t, fd[3])->kind, FD_TIMERFD);
	assert_int_equal(find(&t, fd[4])->kind, FD_SIGNALFD);
	assert_int_equal(find(&t, fd[5])->kind, FD_INOTIFY);
	assert_int_equal(find(&t, fd[6])->kind, FD_MEMFD);
	assert_int_equal(find(&t, fd[7])->kind, FD_DIR);
	fdtable_done(&t);
	for (int i = 0; i < 8; i++)
		close(fd[i]);
	close(pipes[0]);
	close(pipes[1]);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fake_proc_setup, fake_proc_teardown)
	const struct CMUnitTest tests[] = {
		T(kinds_follow_from_the_link),
		T(inodes_of_sockets_and_pipes_come_from_the_link),
		T(a_link_that_only_begins_like_a_socket_is_other),
		T(what_this_source_cannot_know_is_unknown),
		T(fdinfo_tells_folders_and_inodes),
		T(links_that_cannot_be_read_are_counted_and_junk_is_not),
		T(descriptors_beyond_the_limit_are_counted),
		T(a_process_that_has_gone_is_esrch),
		T(own_descriptors_are_found_with_their_kinds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
