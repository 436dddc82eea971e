/*
 * Descriptors as system calls make and give them up; see apply.h. Numbers and copied memory are
 * the target's: a descriptor that does not exist is corrected by the next reading of its table.
 */
#include "model/apply.h"

#include <errno.h>
#include <linux/close_range.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "model/procs.h"

#define RET_ERROR_MAX 4095 /* larger negative results are addresses */

bool apply_failed(const struct mt_ev_sys *e)
{
	return e->ret < 0 && e->ret >= -RET_ERROR_MAX;
}

int apply_find_site(struct model *m, struct proc *p, const struct mt_ev_sys *e,
		    enum mt_site_kind kind, struct site **ret)
{
	*ret = NULL;
	if ((e->flags & MT_SYSF_IN_ALLOCATOR) || e->asid != p->space.asid)
		return 0;
	return procs_get_site(m, p, e->site, kind, e->hdr.time_ns, ret);
}

/* What a system call that returns a descriptor makes, by its number; FD_OTHER if unknown. */
static enum fd_kind opened_kind(const struct mt_ev_sys *e)
{
	static const struct {
		uint32_t nr;
		enum fd_kind kind;
	} table[] = {
#ifdef __NR_open
		{ __NR_open, FD_FILE },
		{ __NR_creat, FD_FILE },
		{ __NR_eventfd, FD_EVENTFD },
		{ __NR_epoll_create, FD_EPOLL },
		{ __NR_signalfd, FD_SIGNALFD },
		{ __NR_inotify_init, FD_INOTIFY },
#endif
		{ __NR_openat, FD_FILE },
		{ __NR_openat2, FD_FILE },
		{ __NR_eventfd2, FD_EVENTFD },
		{ __NR_epoll_create1, FD_EPOLL },
		{ __NR_timerfd_create, FD_TIMERFD },
		{ __NR_signalfd4, FD_SIGNALFD },
		{ __NR_inotify_init1, FD_INOTIFY },
		{ __NR_memfd_create, FD_MEMFD },
		{ __NR_io_uring_setup, FD_IO_URING },
	};

	if (e->op == MT_SYS_SOCKET || e->op == MT_SYS_ACCEPT)
		return FD_SOCKET;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].nr == e->nr)
			return table[i].kind;
	return FD_OTHER;
}

/* signalfd() on a descriptor that exists returns that. */
static bool opens_nothing(const struct mt_ev_sys *e)
{
	return opened_kind(e) == FD_SIGNALFD && (int32_t)e->arg[0] == e->ret;
}

/* Two descriptors that the call wrote to memory. */
static int open_pair(struct fds *t, const struct mt_ev_sys *e, enum fd_kind kind, struct site *site)
{
	int32_t fd[2];
	int r;

	if (e->extra_len < sizeof(fd)) {
		fds_mark_incomplete(t);
		return 0;
	}
	memcpy(fd, e->extra, sizeof(fd));
	r = fds_open(t, fd[0], kind, site, e->hdr.time_ns);
	return r < 0 ? r : fds_open(t, fd[1], kind, site, e->hdr.time_ns);
}

/*
 * Descriptors in control messages: each begins with its length (8 bytes), level and type (4 each)
 * and is padded to 8 bytes. What was not copied whole is left to the next reading of the table.
 */
static int open_received(struct fds *t, const struct mt_ev_sys *e, struct site *site)
{
	size_t at = 0, have = e->extra_len < MT_EXTRA_BYTES ? e->extra_len : MT_EXTRA_BYTES;
	uint32_t level_type[2];
	uint64_t len;
	int32_t fd;
	int r;

	while (at + 16 <= have) {
		memcpy(&len, e->extra + at, 8);
		memcpy(level_type, e->extra + at + 8, 8);
		if (len < 16)
			return 0;
		for (size_t i = at + 16;
		     level_type[0] == SOL_SOCKET && level_type[1] == SCM_RIGHTS && i + 4 <= have &&
		     i - at + 4 <= len;
		     i += 4) {
			memcpy(&fd, e->extra + i, 4);
			r = fds_open(t, fd, FD_OTHER, site, e->hdr.time_ns);
			if (r < 0)
				return r;
		}
		if (len > have - at)
			break;
		at += (len + 7) & ~7ull;
	}
	fds_mark_incomplete(t);
	return 0;
}

static void apply_close(struct proc *p, const struct mt_ev_sys *e)
{
	bool entry = e->flags & MT_SYSF_ENTRY;
	uint32_t first = (uint32_t)e->arg[0];

	if (e->op == MT_SYS_CLOSE && entry)
		fds_close(p->fds, e->tid, first, first, e->hdr.time_ns);
	else if (e->op == MT_SYS_CLOSE && e->ret == -EBADF)
		fds_undo(p->fds, e->tid); /* after any other error it is closed all the same */
	else if (e->op == MT_SYS_CLOSE_RANGE && entry && !(e->arg[2] & CLOSE_RANGE_CLOEXEC))
		fds_close(p->fds, e->tid, first, (uint32_t)e->arg[1], e->hdr.time_ns);
	else if (e->op == MT_SYS_CLOSE_RANGE && !entry && apply_failed(e))
		fds_undo(p->fds, e->tid);
}

int apply_descriptor(struct model *m, struct proc *p, const struct mt_ev_sys *e)
{
	bool socket =
		e->op == MT_SYS_SOCKET || e->op == MT_SYS_ACCEPT || e->op == MT_SYS_SOCKETPAIR;
	size_t extra = e->extra_len < MT_EXTRA_BYTES ? e->extra_len : MT_EXTRA_BYTES;
	int fd = e->ret >= 0 && e->ret <= INT32_MAX ? (int)e->ret : -1;
	struct site *site;
	int r;

	if (e->op == MT_SYS_CLOSE || e->op == MT_SYS_CLOSE_RANGE)
		apply_close(p, e);
	else if (e->op == MT_SYS_CONNECT)
		fds_connect(p->fds, (int)e->arg[0], e->extra, extra);
	if ((e->flags & MT_SYSF_ENTRY) || apply_failed(e))
		return 0;
	r = apply_find_site(m, p, e, socket ? MT_SITE_SOCKET : MT_SITE_FD, &site);
	if (r < 0)
		return r;
	switch (e->op) {
	case MT_SYS_OPEN:
	case MT_SYS_SOCKET:
	case MT_SYS_ACCEPT:
		if (opens_nothing(e))
			return 0;
		return fds_open(p->fds, fd, opened_kind(e), site, e->hdr.time_ns);
	case MT_SYS_DUP:
	case MT_SYS_FCNTL: return fds_dup(p->fds, (int)e->arg[0], fd, site, e->hdr.time_ns);
	case MT_SYS_PIPE: return open_pair(p->fds, e, FD_PIPE, site);
	case MT_SYS_SOCKETPAIR: return open_pair(p->fds, e, FD_SOCKET, site);
	case MT_SYS_RECVMSG: return open_received(p->fds, e, site);
	}
	return 0;
}
