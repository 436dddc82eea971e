#include "sys/cpus.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "sys/procio.h"

#define LIST_BYTES 8192 /* every other one of 2000 CPUs */

/* "7" or "3-7". */
static int parse_range(char *text, uint64_t *ret_first, uint64_t *ret_last)
{
	char *dash = strchr(text, '-');
	uint64_t first, last;
	int r;

	if (dash)
		*dash++ = '\0';
	r = num_parse_u64(text, 0, UINT32_MAX, &first);
	last = first;
	if (!r && dash)
		r = num_parse_u64(dash, first, UINT32_MAX, &last);
	if (r)
		return -EINVAL;
	*ret_first = first;
	*ret_last = last;
	return 0;
}

static int parse_list(char *text, bool *list, size_t count)
{
	char *next = text, *part;

	while ((part = strsep(&next, ","))) {
		uint64_t first = 0, last = 0;
		int r = parse_range(part, &first, &last);

		if (r)
			return r;
		for (uint64_t i = first; i <= last && i < count; i++)
			list[i] = true;
	}
	return 0;
}

int cpus_read_online(const char *root, bool *ret, size_t count)
{
	auto_free bool *list = calloc(count + 1, sizeof(*list));
	auto_free char *text = malloc(LIST_BYTES);
	auto_close int fd = -1;
	ssize_t n;
	int r;

	if (!list || !text)
		return -ENOMEM;
	r = procio_open_global(root, "devices/system/cpu/online", &fd);
	if (r)
		return r;
	n = read(fd, text, LIST_BYTES - 1);
	if (n < 0)
		return -errno;
	if (n == LIST_BYTES - 1)
		return -EINVAL;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	r = parse_list(text, list, count);
	if (!r)
		memcpy(ret, list, count * sizeof(*list));
	return r;
}
