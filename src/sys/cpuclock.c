#include "sys/cpuclock.h"

#include <errno.h>
#include <time.h>

int cpuclock_read(uint32_t pid, uint64_t *ret_ns)
{
	struct timespec t;
	clockid_t clock;
	int r = clock_getcpuclockid((pid_t)pid, &clock);

	if (r)
		return -r;
	if (clock_gettime(clock, &t))
		return errno == EINVAL ? -ESRCH : -errno;
	*ret_ns = t.tv_sec * 1000000000ull + t.tv_nsec;
	return 0;
}
