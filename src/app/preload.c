#include "app/preload.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

#define LIBRARY "libmemtrace-preload.so"
#define LOAD "LD_PRELOAD="
#define SAMPLE "MEMTRACE_SAMPLE_BYTES="
#define NUMBER_BYTES 24

int preload_find(char *ret, size_t size, struct err *err)
{
	static const char *const places[] = { "", "../lib/memtrace/" };
	char exe[PATH_MAX], path[2 * PATH_MAX], found[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	if (n < 0)
		return err_set(err, -errno, "cannot tell where memtrace is (%s)", strerror(errno));
	exe[n] = '\0';
	*(strrchr(exe, '/') + 1) = '\0';
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(path, sizeof(path), "%s%s" LIBRARY, exe, places[i]);
		if (!realpath(path, found) || access(found, R_OK))
			continue;
		if (strpbrk(found, " :") || (size_t)snprintf(ret, size, "%s", found) >= size)
			return err_set(err, -EINVAL,
				       "--preload: the dynamic loader takes no path with blanks "
				       "or colons, such as %s",
				       found);
		return 0;
	}
	return err_set(err, -ENOENT,
		       "--preload: " LIBRARY " is neither in %s nor in %s../lib/memtrace", exe,
		       exe);
}

static bool sets(const char *entry, const char *name)
{
	return strncmp(entry, name, strlen(name)) == 0;
}

int preload_environment(const char *library, uint64_t sample_bytes, char ***ret)
{
	const char *before = getenv("LD_PRELOAD");
	size_t count = 0, used = 0, load, sample = sizeof(SAMPLE) + NUMBER_BYTES;
	char **list, *text;

	while (environ[count])
		count++;
	before = before ? before : "";
	load = sizeof(LOAD) + strlen(library) + 1 + strlen(before) + 1;
	list = malloc((count + 3) * sizeof(*list) + load + sample);
	if (!list)
		return -ENOMEM;
	text = (char *)(list + count + 3);
	for (size_t i = 0; i < count; i++)
		if (!sets(environ[i], LOAD) && !(sample_bytes && sets(environ[i], SAMPLE)))
			list[used++] = environ[i];
	snprintf(text, load, LOAD "%s%s%s", library, before[0] ? ":" : "", before);
	list[used++] = text;
	if (sample_bytes) {
		snprintf(text + load, sample, SAMPLE "%llu", (unsigned long long)sample_bytes);
		list[used++] = text + load;
	}
	list[used] = NULL;
	*ret = list;
	return 0;
}
