/*
 * The kernel iterator writes what the kernel knows: file type, socket state, and for anonymous
 * files the name that says what they are ("[eventpoll]"). Names are the target's where it chose
 * them, so they are bounded and cut at the first NUL.
 */
#include "collect/fds.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/cleanup.h"

static enum fd_kind kind_of_name(const char *name)
{
	static const struct {
		const char *name;
		enum fd_kind kind;
	} rows[] = {
		{ "[eventfd]", FD_EVENTFD },   { "[eventpoll]", FD_EPOLL },
		{ "[timerfd]", FD_TIMERFD },   { "[signalfd]", FD_SIGNALFD },
		{ "inotify", FD_INOTIFY },     { "[fanotify]", FD_INOTIFY },
		{ "[io_uring]", FD_IO_URING },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strcmp(name, rows[i].name) == 0)
			return rows[i].kind;
	if (strncmp(name, "memfd:", 6) == 0)
		return FD_MEMFD;
	return name[0] == '[' ? FD_OTHER : FD_FILE;
}

static enum fd_kind kind_of(uint32_t mode, const char *name)
{
	switch (mode & S_IFMT) {
	case S_IFSOCK: return FD_SOCKET;
	case S_IFIFO: return FD_PIPE;
	case S_IFDIR: return FD_DIR;
	case S_IFCHR:
	case S_IFBLK: return FD_DEVICE;
	}
	return kind_of_name(name);
}

void fds_convert(const struct mt_fd *from, struct fd_fact *ret)
{
	size_t len = from->name_len;

	memset(ret, 0, sizeof(*ret));
	if (len > sizeof(from->name))
		len = sizeof(from->name);
	if (len >= sizeof(ret->path))
		len = sizeof(ret->path) - 1;
	memcpy(ret->path, from->name, len);
	if (len && !ret->path[0]) /* an abstract unix name begins with NUL; people write @ */
		ret->path[0] = '@';
	ret->fd = from->fd;
	ret->kind = kind_of(from->mode, ret->path);
	ret->inode = from->inode;
	ret->kernel_bytes = FACT_UNKNOWN;
	if (ret->kind != FD_SOCKET) {
		ret->path[0] = 0; /* only sockets carry a path */
		return;
	}
	ret->family = from->family;
	ret->state = from->state;
	ret->local_port = from->local_port;
	ret->peer_port = from->peer_port;
	memcpy(ret->peer_addr, from->peer_addr, sizeof(ret->peer_addr));
	ret->listening = from->state == TCP_LISTEN;
	ret->datagram = from->sock_type && from->sock_type != SOCK_STREAM;
	ret->kernel_bytes = from->kernel_bytes;
}

int fds_read(struct collector *c, uint32_t tgid, struct fd_fact **ret, size_t *ret_count)
{
	auto_free struct mt_fd *records = NULL;
	struct fd_fact *facts;
	size_t n = 0, kept = 0;
	int r = collector_fds(c, tgid, &records, &n);

	if (r)
		return r;
	facts = calloc(n ? n : 1, sizeof(*facts));
	if (!facts)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		if (records[i].tgid == tgid)
			fds_convert(&records[i], &facts[kept++]);
	*ret = facts;
	*ret_count = kept;
	return 0;
}
