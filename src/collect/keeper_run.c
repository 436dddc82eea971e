/*
 * The keeper's own side: it knows nothing but links and their numbers. A link is a descriptor;
 * closing it takes the probes out before close() returns.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "collect/keeper_wire.h"

#define PMU "/sys/bus/event_source/devices/uprobe/"

struct link {
	uint32_t id;
	int fd;
};

struct links {
	struct link *link; /* owned, oldest first */
	size_t count, room;
};

static int keep(struct links *l, uint32_t id, int fd)
{
	struct link *more;

	if (l->count == l->room) {
		more = realloc(l->link, (l->room + 64) * sizeof(*more));
		if (!more) {
			close(fd);
			return -ENOMEM;
		}
		l->link = more;
		l->room += 64;
	}
	l->link[l->count++] = (struct link){ id, fd };
	return 0;
}

/* Newest first: entries of functions go before their returns, and those before frees. */
static void drop(struct links *l, uint32_t id, bool all)
{
	size_t i, n = 0;

	for (i = l->count; i-- > 0;)
		if (all || l->link[i].id == id) {
			close(l->link[i].fd);
			l->link[i].fd = -1;
		}
	for (i = 0; i < l->count; i++)
		if (l->link[i].fd >= 0)
			l->link[n++] = l->link[i];
	l->count = n;
}

static int attach_multi(struct links *l, const struct keeper_request *q, int program,
			const char *path)
{
	unsigned long offsets[KEEPER_POINTS_MAX];
	__u64 cookies[KEEPER_POINTS_MAX];
	LIBBPF_OPTS(bpf_link_create_opts, opts, .uprobe_multi.path = path,
		    .uprobe_multi.offsets = offsets, .uprobe_multi.cookies = cookies,
		    .uprobe_multi.cnt = q->count, .uprobe_multi.pid = q->tgid,
		    .uprobe_multi.flags = q->on_return ? BPF_F_UPROBE_MULTI_RETURN : 0);
	int fd;

	for (size_t i = 0; i < q->count; i++) {
		offsets[i] = q->point[i].file_offset;
		cookies[i] = q->point[i].cookie;
	}
	fd = bpf_link_create(program, 0, BPF_TRACE_UPROBE_MULTI, &opts);
	return fd < 0 ? fd : keep(l, q->id, fd);
}

/* A number that sysfs shows, alone or behind a prefix. */
static int sysfs_number(const char *path, const char *format, int *ret)
{
	auto_fclose FILE *f = fopen(path, "re");

	return f && fscanf(f, format, ret) == 1 ? 0 : -ENOENT;
}

/* Kernels before 6.6: a perf event for each probe. The link keeps the event. */
static int attach_each(struct links *l, const struct keeper_request *q, int program,
		       const char *path)
{
	struct perf_event_attr attr = { .size = sizeof(attr), .config1 = (uintptr_t)path };
	int type, bit, fd, event, r;

	if (sysfs_number(PMU "type", "%d", &type) ||
	    sysfs_number(PMU "format/retprobe", "config:%d", &bit))
		return -EOPNOTSUPP;
	attr.type = type;
	attr.config = q->on_return ? 1ull << bit : 0;
	for (size_t i = 0; i < q->count; i++) {
		LIBBPF_OPTS(bpf_link_create_opts, opts,
			    .perf_event.bpf_cookie = q->point[i].cookie);

		attr.config2 = q->point[i].file_offset;
		event = syscall(SYS_perf_event_open, &attr, q->tgid, -1, -1, PERF_FLAG_FD_CLOEXEC);
		if (event < 0)
			return -errno;
		fd = bpf_link_create(program, event, BPF_PERF_EVENT, &opts);
		close(event);
		r = fd < 0 ? fd : keep(l, q->id, fd);
		if (r)
			return r;
	}
	return 0;
}

static int attach(struct links *l, const struct keeper_request *q, int program, int file)
{
	char path[32];
	int r;

	/* the very file that is open, whatever its name means now or in which namespace */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	r = q->multi ? attach_multi(l, q, program, path) : attach_each(l, q, program, path);
	if (r)
		drop(l, q->id, false);
	return r;
}

/* Receives one request. 0 at the end of the conversation; descriptors are -1 where none came. */
static ssize_t receive(int sock, struct keeper_request *q, int fds[2])
{
	struct iovec iov = { .iov_base = q, .iov_len = sizeof(*q) };
	union {
		char bytes[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct msghdr m = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t r = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = r > 0 ? CMSG_FIRSTHDR(&m) : NULL;

	fds[0] = fds[1] = -1;
	if (c && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(2 * sizeof(int)))
		memcpy(fds, CMSG_DATA(c), 2 * sizeof(int));
	return r;
}

/* False when memtrace has nothing more to say. */
static bool serve(struct links *l, int sock)
{
	struct keeper_request q;
	int fds[2];
	ssize_t n = receive(sock, &q, fds);
	int32_t result = 0;

	if (n <= 0)
		return n < 0 && errno == EINTR;
	if (q.op == KEEPER_ATTACH)
		result = attach(l, &q, fds[0], fds[1]);
	else if (q.op == KEEPER_DETACH)
		drop(l, q.id, false);
	for (int i = 0; i < 2; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	if (q.op == KEEPER_DETACH)
		return true;
	return send(sock, &result, sizeof(result), MSG_NOSIGNAL) == sizeof(result);
}

/* Gives up every descriptor but these two, which become 3 and 4. */
static void keep_only(int *sock, int *parent)
{
	int a = fcntl(*sock, F_DUPFD, 16), b = *parent < 0 ? -1 : fcntl(*parent, F_DUPFD, 16);
	int null = open("/dev/null", O_RDWR);

	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	*sock = dup2(a, 3);
	*parent = b < 0 ? -1 : dup2(b, 4);
	syscall(SYS_close_range, b < 0 ? 4 : 5, ~0u, 0);
}

/* Away from the terminal and the signals of the process it was forked from. */
static void settle(void)
{
	sigset_t all;
	auto_fclose FILE *f = NULL;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	setsid();
	prctl(PR_SET_NAME, "mt-keeper");
	f = fopen("/proc/self/oom_score_adj", "we");
	if (f)
		fputs("-1000", f); /* refused: then it is as likely a victim as any */
}

void keeper_run(int sock, int parent)
{
	struct links links = { 0 };
	struct pollfd p[2];

	settle();
	keep_only(&sock, &parent);
	p[0] = (struct pollfd){ .fd = sock, .events = POLLIN };
	p[1] = (struct pollfd){ .fd = parent, .events = POLLIN };
	for (;;) {
		if (poll(p, 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			break;
		}
		if (p[1].revents) /* memtrace is gone; somebody else may still hold its socket */
			break;
		if (p[0].revents && !serve(&links, sock))
			break;
	}
	drop(&links, 0, true);
	_exit(0);
}
