/*
 * Descriptors made and given up in every way that memtrace follows, or leaked steadily.
 * Usage: descriptors every | leak ROUNDS
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

#include "rules.h"

/* A function of its own that makes one descriptor. */
#define OPENER(name, kind, make)                    \
	static NOINLINE DISTINCT int name(int from) \
	{                                           \
		int fd = make;                      \
                                                    \
		forget(&from);                      \
		if (fd < 0)                         \
			_exit(9);                   \
		made(kind, #name, 0);               \
		return fd;                          \
	}

OPENER(open_file, "fd", open("/etc/passwd", O_RDONLY))
OPENER(open_dir, "fd", open("/", O_RDONLY | O_DIRECTORY))
OPENER(dup_file, "fd", dup(from))
OPENER(dup_to, "fd", dup3(from, 200, O_CLOEXEC))
OPENER(dup_above, "fd", syscall(SYS_fcntl, from, F_DUPFD_CLOEXEC, 100))
OPENER(make_eventfd, "fd", eventfd(0, 0))
OPENER(make_epoll, "fd", epoll_create1(0))
OPENER(make_timerfd, "fd", timerfd_create(CLOCK_MONOTONIC, 0))
OPENER(make_memfd, "fd", memfd_create("m", 0))
OPENER(make_inotify, "fd", inotify_init1(0))
OPENER(make_socket, "socket", socket(AF_INET, SOCK_STREAM, 0))
OPENER(accept_one, "socket", accept(from, NULL, NULL))

static int make_signalfd_mask(void)
{
	sigset_t set;

	sigemptyset(&set);
	return signalfd(-1, &set, 0);
}
OPENER(make_signalfd, "fd", make_signalfd_mask())

static NOINLINE void make_pipe(int fd[2])
{
	int r = pipe(fd);

	forget(fd);
	if (r)
		_exit(9);
	made("fd", "make_pipe", 0);
	made("fd", "make_pipe", 0);
}

static NOINLINE void make_pair(int fd[2])
{
	int r = socketpair(AF_UNIX, SOCK_STREAM, 0, fd);

	forget(fd);
	if (r)
		_exit(9);
	made("socket", "make_pair", 0);
	made("socket", "make_pair", 0);
}

static void close_one(const char *kind, const char *function, int fd)
{
	if (close(fd))
		_exit(9);
	gone(kind, function, 0);
}

union control {
	char bytes[CMSG_SPACE(2 * sizeof(int))];
	struct cmsghdr align;
};

static void send_two(int to, int a, int b)
{
	char byte = 'x';
	struct iovec io = { &byte, 1 };
	union control c = { { 0 } };
	struct msghdr m = {
		.msg_iov = &io, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof(c)
	};
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	int fds[2] = { a, b };

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(h), fds, sizeof(fds));
	if (sendmsg(to, &m, 0) != 1)
		_exit(9);
}

static NOINLINE void receive_two(int from)
{
	char byte;
	struct iovec io = { &byte, 1 };
	union control c;
	struct msghdr m = {
		.msg_iov = &io, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof(c)
	};
	ssize_t n = recvmsg(from, &m, 0);

	forget(&c);
	if (n != 1 || m.msg_controllen != sizeof(c))
		_exit(9);
	made("fd", "receive_two", 0);
	made("fd", "receive_two", 0);
}

static void connections(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int listener = make_socket(0), client, served;

	if (bind(listener, (void *)&a, len) || listen(listener, 8) ||
	    getsockname(listener, (void *)&a, &len))
		_exit(9);
	for (int i = 0; i < 6; i++) {
		client = make_socket(0);
		if (connect(client, (void *)&a, len))
			_exit(9);
		served = accept_one(listener);
		if (i % 2)
			continue;
		close_one("socket", "make_socket", client);
		close_one("socket", "accept_one", served);
	}
}

static NOINLINE void all_kinds(void)
{
	int file = open_file(0), pair[2], ends[2];

	for (int i = 0; i < 10; i++)
		close_one("fd", "open_file", open_file(0));
	if (open("/nowhere/at/all", O_RDONLY) >= 0 || close(1000) == 0 || dup(1000) >= 0)
		_exit(9);
	open_dir(0);
	dup_file(file);
	for (volatile int i = 0; i < 2;
	     i++) { /* one call site: the second takes the first one's number */
		if (i)
			gone("fd", "dup_to", 0);
		dup_to(file);
	}
	dup_above(file);
	dup_above(file);
	make_eventfd(0);
	make_epoll(0);
	make_timerfd(0);
	make_memfd(0);
	make_inotify(0);
	make_signalfd(0);
	make_pipe(ends);
	close_one("fd", "make_pipe", ends[0]);
	make_pair(pair);
	send_two(pair[0], file, ends[1]);
	receive_two(pair[1]);
	connections();
	close_one("fd", "open_file", file);
	for (int i = 0; i < 4; i++) { /* the numbers from 300 on are nobody else's */
		file = open_file(0);
		if (dup2(file, 300 + i) != 300 + i)
			_exit(9);
		made("fd", "all_kinds", 0);
		close_one("fd", "open_file", file);
	}
	if (syscall(SYS_close_range, 300u, 302u, 0u))
		_exit(9);
	for (int i = 0; i < 3; i++)
		gone("fd", "all_kinds", 0);
}

static NOINLINE void open_and_forget(void)
{
	int fd = open("/etc/passwd", O_RDONLY);

	forget(&fd);
	made("fd", "open_and_forget", 0);
}

int main(int argc, char **argv)
{
	int rounds = argc > 2 ? atoi(argv[2]) : 100;

	await_line("ready");
	if (argc > 1 && !strcmp(argv[1], "every"))
		all_kinds();
	else
		for (int i = 0; i < rounds; i++) {
			open_and_forget();
			close_one("fd", "open_file", open_file(0));
			pause_ns(50000000);
		}
	tell(0);
	return 0;
}
