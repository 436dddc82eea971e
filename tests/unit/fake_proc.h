/*
 * A folder that looks like /proc, or like the control groups, for the tests of sys/. Every helper
 * fails the test when the host does.
 */
#pragma once
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct fake_proc {
	char root[64];
};

static inline int fake_proc_setup(void **state)
{
	struct fake_proc *p = calloc(1, sizeof(*p));
	const char *tmp = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

	assert_non_null(p);
	snprintf(p->root, sizeof(p->root), "%s/fake_proc.XXXXXX", tmp);
	assert_non_null(mkdtemp(p->root));
	*state = p;
	return 0;
}

static inline int fake_proc_remove_one(const char *path, const struct stat *st, int type,
				       struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline int fake_proc_teardown(void **state)
{
	struct fake_proc *p = *state;

	nftw(p->root, fake_proc_remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(p);
	return 0;
}

/* Path of name below the root; its folders are made. */
static inline void fake_proc_path(const struct fake_proc *p, const char *name, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/%s", p->root, name);
	for (char *slash = path + strlen(p->root) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		mkdir(path, 0755);
		*slash = '/';
	}
}

static inline void fake_proc_put_bytes(const struct fake_proc *p, const char *name,
				       const void *bytes, size_t len)
{
	char path[PATH_MAX];
	int fd;

	fake_proc_path(p, name, path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
}

static inline void fake_proc_put(const struct fake_proc *p, const char *name, const char *text)
{
	fake_proc_put_bytes(p, name, text, strlen(text));
}

static inline void fake_proc_link(const struct fake_proc *p, const char *name, const char *target)
{
	char path[PATH_MAX];

	fake_proc_path(p, name, path);
	unlink(path);
	assert_int_equal(symlink(target, path), 0);
}

static inline void fake_proc_remove(const struct fake_proc *p, const char *name)
{
	char path[PATH_MAX];

	fake_proc_path(p, name, path);
	assert_int_equal(unlink(path), 0);
}
