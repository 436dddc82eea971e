#include "preload/announce.h"

#define _SDT_HAS_SEMAPHORES 1
#include <sys/sdt.h>

/* Hidden: another module's of the same name is not ours. */
#define SEMAPHORE(name) \
	unsigned short name __attribute__((section(".probes"), visibility("hidden"), used))

SEMAPHORE(otel_memory_alloc_semaphore);
SEMAPHORE(otel_memory_free_semaphore);
SEMAPHORE(memtrace_preload_refused_semaphore);

#define HEARD(name) __builtin_expect(*(volatile unsigned short *)&name, 0)

bool announce_is_heard(void)
{
	return HEARD(otel_memory_alloc_semaphore);
}

__attribute__((noinline)) void announce_alloc(void *ptr, uint64_t size, uint64_t weighted_bytes)
{
	STAP_PROBE3(otel_memory, alloc, ptr, size, weighted_bytes);
}

__attribute__((noinline)) void announce_free(void *ptr)
{
	if (HEARD(otel_memory_free_semaphore))
		STAP_PROBE1(otel_memory, free, ptr);
}

__attribute__((noinline)) void announce_refused(uint64_t size, uint64_t weighted_bytes)
{
	if (HEARD(memtrace_preload_refused_semaphore))
		STAP_PROBE2(memtrace_preload, refused, size, weighted_bytes);
}
