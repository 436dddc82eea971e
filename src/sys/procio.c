/*
 * Opening and reading below /proc/PID. A file of a process that has gone can fail in three ways
 * (ENOENT at open, ESRCH at open, ESRCH at read): all become -ESRCH here.
 */
#include "sys/procio.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sys/scan.h"

static int make_path(const char *root, uint32_t pid, const char *name, char path[PATH_MAX])
{
	int n = snprintf(path, PATH_MAX, "%s/%u/%s", root, pid, name);

	return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

/* A file that is not there means a process that is not there only if its folder is gone too. */
static int missing(const char *root, uint32_t pid, int error)
{
	char path[PATH_MAX];
	struct stat st;

	if (error != ENOENT)
		return -error;
	if (make_path(root, pid, "", path) < 0 || stat(path, &st) == 0)
		return -ENOENT;
	return -ESRCH;
}

int procio_open(const char *root, uint32_t pid, const char *name, int *ret)
{
	char path[PATH_MAX];
	int fd, r;

	r = make_path(root, pid, name, path);
	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return missing(root, pid, errno);
	*ret = fd;
	return 0;
}

int procio_open_global(const char *root, const char *name, int *ret)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/%s", root, name);
	int fd;

	if (n < 0 || n >= sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret = fd;
	return 0;
}

static ssize_t read_some(int fd, char *buf, size_t size)
{
	ssize_t n;

	do
		n = read(fd, buf, size);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

int procio_read(const char *root, uint32_t pid, const char *name, char *buf, size_t size,
		size_t *ret_len)
{
	auto_close int fd = -1;
	size_t len = 0;
	int r;

	r = procio_open(root, pid, name, &fd);
	if (r < 0)
		return r;
	while (len < size - 1) {
		ssize_t n = read_some(fd, buf + len, size - 1 - len);

		if (n < 0)
			return n;
		if (n == 0)
			break;
		len += n;
	}
	buf[len] = '\0';
	*ret_len = len;
	return 0;
}

int procio_read_link(const char *root, uint32_t pid, const char *name, char *buf, size_t size,
		     size_t *ret_len)
{
	char path[PATH_MAX];
	ssize_t n;
	int r;

	r = make_path(root, pid, name, path);
	if (r < 0)
		return r;
	n = readlink(path, buf, size);
	if (n < 0)
		return missing(root, pid, errno);
	if (n == size)
		return -ENAMETOOLONG;
	buf[n] = '\0';
	*ret_len = n;
	return 0;
}

static void closedir_ptr(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

int procio_each_number(const char *root, uint32_t pid, const char *name,
		       int (*fn)(void *ctx, uint32_t number), void *ctx)
{
	auto_clean(closedir_ptr) DIR *dir = NULL;
	const struct dirent *entry;
	auto_close int fd = -1;
	int r;

	r = procio_open(root, pid, name, &fd);
	if (r < 0)
		return r;
	dir = fdopendir(fd);
	if (!dir)
		return -errno;
	steal_fd(&fd); /* the folder owns it now */
	while ((errno = 0, entry = readdir(dir))) {
		const char *at = entry->d_name, *end = at + strlen(at);
		uint64_t number;

		if (!scan_u64(&at, end, 10, &number) || at != end || number > UINT32_MAX)
			continue;
		r = fn(ctx, number);
		if (r != 0)
			return r;
	}
	return errno == ENOENT ? -ESRCH : -errno;
}

void procio_lines_init(struct procio_lines *lines, int fd)
{
	lines->fd = fd;
	lines->start = lines->end = 0;
	lines->refused = 0;
}

/* Makes room and reads on. Returns the bytes read, 0 at the end of the file. */
static ssize_t refill(struct procio_lines *l)
{
	ssize_t n;

	memmove(l->buf, l->buf + l->start, l->end - l->start);
	l->end -= l->start;
	l->start = 0;
	n = read_some(l->fd, l->buf + l->end, sizeof(l->buf) - l->end);
	if (n > 0)
		l->end += n;
	return n;
}

int procio_next_line(struct procio_lines *l, const char **ret_line, const char **ret_end)
{
	bool too_long = false;
	size_t searched = 0;

	for (;;) {
		const char *line = l->buf + l->start;
		const char *newline = memchr(line + searched, '\n', l->end - l->start - searched);
		ssize_t n;

		if (newline) {
			l->start = newline + 1 - l->buf;
			if (!too_long) {
				*ret_line = line;
				*ret_end = newline;
				return 1;
			}
			too_long = false;
			searched = 0;
			continue;
		}
		searched = l->end - l->start;
		if (searched == sizeof(l->buf)) {
			l->refused += !too_long;
			too_long = true;
			l->start = l->end = searched = 0;
		}
		n = refill(l);
		if (n < 0)
			return n;
		if (n == 0) {
			l->refused += searched > 0 && !too_long;
			l->start = l->end = 0;
			return 0;
		}
	}
}
