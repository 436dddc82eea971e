/*
 * See perfmap_file.h. The folder is the traced process's to arrange: the path is resolved below
 * its root, and what is at its end is opened without following a link or waiting for a pipe.
 */
#include "symbol/perfmap_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sys/inside.h"
#include "sys/procfs.h"

#define CHUNK (64 << 10)
#define TAIL_BYTES 64	/* of what was read, to notice that the file was written anew */
#define LINE_BYTES 2048 /* of a line, for its name */

struct perfmap_file {
	struct perfmap_file_cfg cfg;
	struct perfmap *map; /* owned */
	int root_fd;	     /* owned; -1: not to be had */
	int fd;		     /* owned; -1: none */
	char path[64];	     /* below the root */
	uint64_t uid;	     /* of the process */
	uint64_t dev, inode;
	struct timespec modified;
	uint64_t offset; /* read so far */
	char tail[TAIL_BYTES];
	uint64_t changed_ns;
	enum perfmap_state state;
};

static void find_root(struct perfmap_file *f)
{
	struct procfs_status status;
	char path[64];

	if (procfs_read_status(f->cfg.proc, f->cfg.pid, &status) < 0 || !status.ns_pid_count ||
	    status.uid == FACT_UNKNOWN)
		return;
	f->uid = status.uid;
	snprintf(f->path, sizeof(f->path), "tmp/perf-%u.map",
		 status.ns_pid[status.ns_pid_count - 1]);
	snprintf(path, sizeof(path), "%s/%u/root", f->cfg.proc, f->cfg.pid);
	f->root_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

int perfmap_file_new(const struct perfmap_file_cfg *cfg, struct perfmap_file **ret)
{
	auto_clean(perfmap_file_freep) struct perfmap_file *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return -ENOMEM;
	f->cfg = *cfg;
	f->root_fd = f->fd = -1;
	r = perfmap_new(cfg->pieces_max, &f->map);
	if (r < 0)
		return r;
	find_root(f);
	*ret = steal(f);
	return 0;
}

void perfmap_file_free(struct perfmap_file *f)
{
	if (!f)
		return;
	if (f->root_fd >= 0)
		close(f->root_fd);
	if (f->fd >= 0)
		close(f->fd);
	perfmap_free(f->map);
	free(f);
}

void perfmap_file_freep(struct perfmap_file **f)
{
	perfmap_file_free(*f);
	*f = NULL;
}

enum perfmap_state perfmap_file_state(const struct perfmap_file *f)
{
	return f->state;
}

uint64_t perfmap_file_changed_ns(const struct perfmap_file *f)
{
	return f->changed_ns;
}

void perfmap_file_get_stats(const struct perfmap_file *f, struct perfmap_stats *ret)
{
	perfmap_get_stats(f->map, ret);
}

/* Looks at the file as it is named now. -EPERM when it is not to be believed. */
static int look_up(const struct perfmap_file *f, struct stat *st, int *ret)
{
	auto_close int fd = -1;
	int r;

	if (f->root_fd < 0)
		return -ENOENT;
	r = inside_find(f->root_fd, f->path, st, &fd);
	if (r < 0)
		return r;
	if (!S_ISREG(st->st_mode) || (st->st_uid != f->uid && st->st_uid != 0))
		return -EPERM;
	*ret = steal_fd(&fd);
	return 0;
}

static void start_over(struct perfmap_file *f)
{
	perfmap_clear(f->map);
	f->offset = 0;
	f->modified = (struct timespec){};
}

/* Whether what was read is still there, with more behind it. */
static bool goes_on(const struct perfmap_file *f, const struct stat *st)
{
	size_t n = f->offset < TAIL_BYTES ? f->offset : TAIL_BYTES;
	char now[TAIL_BYTES];

	if ((uint64_t)st->st_size < f->offset)
		return false;
	return pread(f->fd, now, n, (off_t)(f->offset - n)) == (ssize_t)n &&
	       memcmp(now, f->tail + TAIL_BYTES - n, n) == 0;
}

static void keep_tail(struct perfmap_file *f, const char *bytes, size_t n)
{
	size_t keep = n < TAIL_BYTES ? n : TAIL_BYTES;

	memmove(f->tail, f->tail + keep, TAIL_BYTES - keep);
	memcpy(f->tail + TAIL_BYTES - keep, bytes + n - keep, keep);
}

/* Reads on. Sets the state; returns bytes read. */
static ssize_t read_on(struct perfmap_file *f)
{
	auto_free char *chunk = malloc(CHUNK);
	ssize_t n, sum = 0;
	int r;

	if (!chunk)
		return -ENOMEM;
	f->state = PERFMAP_BEHIND;
	while ((uint64_t)sum < f->cfg.read_max && f->offset < f->cfg.bytes_max) {
		n = pread(f->fd, chunk, CHUNK, (off_t)f->offset);
		if (n <= 0)
			break;
		r = perfmap_feed(f->map, chunk, (size_t)n);
		if (r < 0) {
			start_over(f);
			return r;
		}
		keep_tail(f, chunk, (size_t)n);
		f->offset += (uint64_t)n;
		sum += n;
	}
	if ((uint64_t)sum < f->cfg.read_max || f->offset >= f->cfg.bytes_max)
		f->state = PERFMAP_CURRENT;
	return sum;
}

/* Makes f->fd the file that is there now. False: nothing to be read. */
static bool take_file(struct perfmap_file *f, struct stat *st)
{
	auto_close int found = -1;
	int r = look_up(f, st, &found);

	if (r < 0 && r != -EPERM && f->fd >= 0) /* it was removed; what it said stands */
		return fstat(f->fd, st) == 0;
	if (r == 0 && f->fd >= 0 && st->st_ino == f->inode && st->st_dev == f->dev)
		return true;
	start_over(f);
	if (f->fd >= 0)
		close(steal_fd(&f->fd));
	f->state = r == -EPERM ? PERFMAP_FOREIGN : PERFMAP_NONE;
	if (r == 0)
		f->fd = inside_reopen(found);
	if (f->fd < 0) {
		f->fd = -1;
		return false;
	}
	f->inode = st->st_ino;
	f->dev = st->st_dev;
	return true;
}

int perfmap_file_update(struct perfmap_file *f, uint64_t now_ns)
{
	struct stat st;
	ssize_t n;

	if (!take_file(f, &st))
		return 0;
	if (f->state == PERFMAP_CURRENT && (uint64_t)st.st_size == f->offset &&
	    st.st_mtim.tv_sec == f->modified.tv_sec && st.st_mtim.tv_nsec == f->modified.tv_nsec)
		return 0;
	if (!goes_on(f, &st))
		start_over(f);
	n = read_on(f);
	if (n < 0)
		return (int)n;
	f->modified = st.st_mtim;
	if (n > 0)
		f->changed_ns = now_ns;
	return 0;
}

int perfmap_file_find(const struct perfmap_file *f, uint64_t pc, struct perfmap_name *ret)
{
	char line[LINE_BYTES];
	uint64_t offset;
	ssize_t n;
	int r;

	if (f->fd < 0 || !perfmap_find(f->map, pc, &offset))
		return -ENOENT;
	n = pread(f->fd, line, sizeof(line), (off_t)offset);
	if (n <= 0)
		return -ENOENT;
	r = perfmap_read_line(line, (size_t)n, pc, ret);
	return r == -EINVAL ? -ENOENT : r; /* written anew meanwhile */
}
