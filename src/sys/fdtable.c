/*
 * The table is read link by link while the process goes on: a descriptor closed meanwhile is left
 * out. For paths, fdinfo tells a folder from a file (by the flag it was opened with) and, from
 * Linux 5.14 on, the inode.
 */
#include "sys/fdtable.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "sys/procio.h"
#include "sys/scan.h"

/* The first row whose text begins the link decides. */
static const struct {
	char prefix[32];
	enum fd_kind kind;
} kinds[] = {
	{ "socket:[", FD_SOCKET },
	{ "pipe:[", FD_PIPE },
	{ "anon_inode:[eventfd", FD_EVENTFD },
	{ "anon_inode:[eventpoll", FD_EPOLL },
	{ "anon_inode:[timerfd", FD_TIMERFD },
	{ "anon_inode:[signalfd", FD_SIGNALFD },
	{ "anon_inode:inotify", FD_INOTIFY },
	{ "anon_inode:[inotify", FD_INOTIFY },
	{ "anon_inode:[io_uring", FD_IO_URING },
	{ "/memfd:", FD_MEMFD },
	{ "/dev/shm/", FD_FILE },
	{ "/dev/mqueue/", FD_FILE },
	{ "/dev/hugepages/", FD_FILE },
	{ "/dev/", FD_DEVICE },
	{ "/", FD_FILE },
};

enum fd_kind fdtable_kind(const char *link, size_t len, uint64_t *ret_inode)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const char *at, *end = link + len;

		if (!scan_begins(link, len, kinds[i].prefix))
			continue;
		if (kinds[i].kind != FD_SOCKET && kinds[i].kind != FD_PIPE)
			return kinds[i].kind;
		at = link + strlen(kinds[i].prefix);
		/* A mount nobody can reach any more yields paths without a slash: check it all. */
		if (!scan_u64(&at, end, 10, ret_inode) || !scan_char(&at, end, ']') || at != end)
			return FD_OTHER;
		return kinds[i].kind;
	}
	return FD_OTHER;
}

static bool scan_info_field(const char *text, const char *name, unsigned int base, uint64_t *ret)
{
	const char *at = strstr(text, name), *end = text + strlen(text);

	if (!at || (at != text && at[-1] != '\n'))
		return false;
	at += strlen(name);
	scan_blanks(&at, end);
	return scan_u64(&at, end, base, ret);
}

static void take_info(const char *root, uint32_t pid, struct fd_fact *f)
{
	char name[32], text[512]; /* the lines wanted here come first */
	uint64_t flags;
	size_t len;

	snprintf(name, sizeof(name), "fdinfo/%d", f->fd);
	if (procio_read(root, pid, name, text, sizeof(text), &len) < 0)
		return;
	if (f->kind == FD_FILE && scan_info_field(text, "flags:", 8, &flags) &&
	    (flags & O_DIRECTORY))
		f->kind = FD_DIR;
	if (!scan_info_field(text, "ino:", 10, &f->inode))
		f->inode = 0;
}

/* -ENOENT when it was closed meanwhile. */
static int read_fd(const char *root, uint32_t pid, int32_t fd, struct fd_fact *ret)
{
	struct fd_fact f = { .fd = fd, .kernel_bytes = FACT_UNKNOWN };
	char name[32], link[PATH_MAX + 64];
	size_t len;
	int r;

	snprintf(name, sizeof(name), "fd/%d", fd);
	r = procio_read_link(root, pid, name, link, sizeof(link), &len);
	if (r < 0)
		return r;
	f.kind = fdtable_kind(link, len, &f.inode);
	if (link[0] == '/')
		take_info(root, pid, &f);
	*ret = f;
	return 0;
}

struct filling {
	const char *root;
	uint32_t pid;
	struct fd_table table;
	size_t capacity;
};

static int add_fd(void *ctx, uint32_t fd)
{
	struct filling *f = ctx;
	struct fd_table *t = &f->table;
	int r;

	if (t->count == FDTABLE_MAX || fd > INT32_MAX) {
		t->refused++;
		return 0;
	}
	r = vec_reserve(&t->fd, sizeof(*t->fd), t->count, &f->capacity, SIZE_MAX);
	if (r < 0)
		return r;
	r = read_fd(f->root, f->pid, fd, &t->fd[t->count]);
	if (r == -ESRCH)
		return r;
	t->count += r == 0;
	t->refused += r < 0 && r != -ENOENT;
	return 0;
}

int fdtable_read(const char *root, uint32_t pid, struct fd_table *ret)
{
	struct filling f = { .root = root, .pid = pid };
	int r;

	r = procio_each_number(root, pid, "fd", add_fd, &f);
	if (r < 0) {
		fdtable_done(&f.table);
		return r;
	}
	*ret = f.table;
	return 0;
}

void fdtable_done(struct fd_table *table)
{
	free(table->fd);
	*table = (struct fd_table){};
}
