#include "sys/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

static int look_up(int root_fd, const char *path, uint64_t flags, struct stat *ret_st, int *ret)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC | flags,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	auto_close int fd = (int)syscall(SYS_openat2, root_fd, path, &how, sizeof(how));
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	*ret_st = st;
	*ret = steal_fd(&fd);
	return 0;
}

int inside_find(int root_fd, const char *path, struct stat *ret_st, int *ret)
{
	return look_up(root_fd, path, O_NOFOLLOW, ret_st, ret);
}

int inside_reopen(int found)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", found);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	return fd < 0 ? -errno : fd;
}

static int open_file(const char *root, const char *path, uint64_t flags, struct stat *ret_st,
		     int *ret)
{
	auto_close int folder = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC), found = -1;
	struct stat st;
	int r;

	if (folder < 0)
		return -errno;
	r = look_up(folder, path, flags, &st, &found);
	if (r < 0)
		return r;
	if (!S_ISREG(st.st_mode))
		return -EPERM;
	r = inside_reopen(found);
	if (r < 0)
		return r;
	*ret_st = st;
	*ret = r;
	return 0;
}

int inside_open(const char *root, const char *path, struct stat *ret_st, int *ret)
{
	return open_file(root, path, O_NOFOLLOW, ret_st, ret);
}

int inside_open_linked(const char *root, const char *path, struct stat *ret_st, int *ret)
{
	return open_file(root, path, 0, ret_st, ret);
}
