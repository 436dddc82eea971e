/* memtrace's side of the keeper: requests over a socket pair, descriptors along with them. */
#include "collect/keeper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "collect/keeper_wire.h"
#include "sys/fdpass.h"

struct keeper {
	pid_t pid; /* 0 once it was reaped */
	int sock;  /* owned */
	uint32_t last_id;
	keeper_armed_fn on_armed;
	void *ctx; /* borrowed: of on_armed */
};

int keeper_start(struct keeper **ret, struct err *err)
{
	auto_free struct keeper *k = calloc(1, sizeof(*k));
	int pair[2], parent;

	if (!k)
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return err_set(err, -errno, "cannot make a socket pair (%s)", strerror(errno));
	parent = syscall(SYS_pidfd_open, getpid(), 0);
	k->pid = fork();
	if (k->pid == 0) {
		close(pair[0]);
		keeper_run(pair[1], parent);
	}
	close(pair[1]);
	if (parent >= 0)
		close(parent);
	if (k->pid < 0) {
		close(pair[0]);
		return err_set(err, -errno, "cannot start a process (%s)", strerror(errno));
	}
	k->sock = pair[0];
	*ret = steal(k);
	return 0;
}

void keeper_stop(struct keeper *k)
{
	if (!k)
		return;
	close(k->sock);
	while (k->pid && waitpid(k->pid, NULL, 0) < 0 && errno == EINTR)
		;
	free(k);
}

void keeper_listen(struct keeper *k, keeper_armed_fn fn, void *ctx)
{
	k->on_armed = fn;
	k->ctx = ctx;
}

pid_t keeper_pid(const struct keeper *k)
{
	return k->pid;
}

bool keeper_is_alive(struct keeper *k)
{
	if (k->pid && waitpid(k->pid, NULL, WNOHANG) == k->pid)
		k->pid = 0;
	return k->pid != 0;
}

/* One packet that came. 1, 0 when there is none and `flags` say not to wait, or -errno. */
static int receive(struct keeper *k, int flags, struct keeper_reply *ret)
{
	ssize_t r;

	do
		r = recv(k->sock, ret, sizeof(*ret), flags);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return errno == EAGAIN ? 0 : -errno;
	return r == sizeof(*ret) ? 1 : -EPIPE;
}

static void tell(struct keeper *k, const struct keeper_reply *reply)
{
	if (reply->op == KEEPER_ARM && k->on_armed)
		k->on_armed(k->ctx, reply->tgid, reply->result, reply->time_ns);
}

int keeper_poll(struct keeper *k)
{
	struct keeper_reply reply;
	int r;

	while ((r = receive(k, MSG_DONTWAIT, &reply)) > 0)
		tell(k, &reply);
	return r;
}

/* The answer to the request before: 0 or -errno. */
static int answer(struct keeper *k, uint32_t op)
{
	struct keeper_reply reply;
	int r;

	while ((r = receive(k, 0, &reply)) > 0) {
		if (reply.op == op)
			return reply.result;
		tell(k, &reply);
	}
	return r;
}

/* While the keeper does not listen it may wait for its news to be heard. */
static int send_request(struct keeper *k, const struct keeper_request *q, const int *fds, size_t n)
{
	size_t len = offsetof(struct keeper_request, point) + q->count * sizeof(q->point[0]);
	struct pollfd p = { .fd = k->sock, .events = POLLIN | POLLOUT };
	int r;

	while ((r = fdpass_send(k->sock, q, len, fds, n, MSG_DONTWAIT)) == -EAGAIN) {
		if (poll(&p, 1, -1) < 0 && errno != EINTR)
			return -errno;
		r = keeper_poll(k);
		if (r < 0)
			return r;
	}
	return r;
}

int keeper_attach(struct keeper *k, const struct keeper_probes *p, uint32_t *ret)
{
	auto_free struct keeper_request *q = calloc(1, sizeof(*q));
	int fds[2] = { p->program, p->file }, r;

	if (!q)
		return -ENOMEM;
	if (p->count > KEEPER_POINTS_MAX)
		return -E2BIG;
	q->op = KEEPER_ATTACH;
	q->id = k->last_id + 1;
	q->tgid = p->tgid;
	q->apart = p->apart;
	q->on_return = p->on_return;
	q->multi = p->multi;
	q->session = p->session;
	q->count = p->count;
	memcpy(q->point, p->point, p->count * sizeof(q->point[0]));
	r = send_request(k, q, fds, 2);
	if (!r)
		r = answer(k, KEEPER_ATTACH);
	if (!r)
		*ret = ++k->last_id;
	return r;
}

void keeper_detach(struct keeper *k, uint32_t id)
{
	struct keeper_request q = { .op = KEEPER_DETACH, .id = id };

	send_request(k, &q, NULL, 0);
}

void keeper_disarm(struct keeper *k, uint32_t tgid)
{
	struct keeper_request q = { .op = KEEPER_DISARM, .tgid = tgid };

	send_request(k, &q, NULL, 0);
}

int keeper_arm(struct keeper *k, uint32_t tgid)
{
	struct keeper_request q = { .op = KEEPER_ARM, .tgid = tgid };

	return send_request(k, &q, NULL, 0);
}

void keeper_sync(struct keeper *k)
{
	struct keeper_request q = { .op = KEEPER_SYNC };

	if (!send_request(k, &q, NULL, 0))
		answer(k, KEEPER_SYNC);
}
