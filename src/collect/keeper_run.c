/*
 * The keeper's own side: serves memtrace until it is gone, then takes out what is in and waits for
 * that, for a process that is killed while it takes a probe out leaves the breakpoint behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "collect/keeper_sets.h"
#include "sys/fdpass.h"

#define FILES_MAX 65536

/* False when memtrace has nothing more to say. */
static bool serve(struct probe_sets *s, int sock)
{
	struct keeper_request q;
	struct keeper_reply reply = { 0 };
	int fds[FDPASS_MAX];

	if (fdpass_receive(sock, &q, sizeof(q), fds, 0) <= 0)
		return false;
	reply.op = q.op;
	reply.tgid = q.tgid;
	if (q.op == KEEPER_ATTACH)
		reply.result = sets_attach(s, &q, steal_fd(&fds[0]), steal_fd(&fds[1]));
	else if (q.op == KEEPER_DETACH)
		sets_detach(s, q.id);
	else if (q.op == KEEPER_DISARM)
		sets_disarm(s, q.tgid);
	else if (q.op == KEEPER_ARM)
		reply.result = sets_arm(s, q.tgid);
	else
		closers_wait(s->closers);
	close_fd(&fds[0]);
	close_fd(&fds[1]);
	if (q.op == KEEPER_DETACH || q.op == KEEPER_DISARM)
		return true;
	reply.time_ns = clock_monotonic_ns();
	return send(sock, &reply, sizeof(reply), MSG_NOSIGNAL) == sizeof(reply);
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

/* Each set of probes holds four descriptors and more, and there may be thousands of sets. */
static void allow_many_files(void)
{
	struct rlimit most = { FILES_MAX, FILES_MAX }, now;

	if (!setrlimit(RLIMIT_NOFILE, &most) || getrlimit(RLIMIT_NOFILE, &now))
		return;
	now.rlim_cur = now.rlim_max; /* more is not allowed */
	setrlimit(RLIMIT_NOFILE, &now);
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
	struct probe_sets sets = { 0 };
	struct pollfd p[2];

	settle();
	keep_only(&sock, &parent);
	allow_many_files();
	sets.closers = closers_new();
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
		if (p[0].revents && !serve(&sets, sock))
			break;
	}
	sets_detach(&sets, 0);
	closers_wait(sets.closers);
	_exit(0);
}
