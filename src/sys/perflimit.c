#include "sys/perflimit.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "sys/procio.h"

int perflimit_read(const char *root, uint64_t *ret_per_s)
{
	auto_close int fd = -1;
	char text[32];
	ssize_t n;
	int r = procio_open_global(root, "sys/kernel/perf_event_max_sample_rate", &fd);

	if (r)
		return r;
	n = read(fd, text, sizeof(text) - 1);
	if (n < 0)
		return -errno;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return num_parse_u64(text, 0, UINT64_MAX, ret_per_s);
}
