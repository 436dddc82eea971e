/* Which allocator serves a process's malloc(), by the files that it maps. */
#pragma once
#include "runtime/runtime.h"

enum served_by {
	SERVED_UNKNOWN, /* none of these; glibc if its structures say so */
	SERVED_JEMALLOC,
	SERVED_TCMALLOC,
	SERVED_MIMALLOC,
	SERVED_MUSL,
	SERVED_ASAN, /* AddressSanitizer */
};

enum served_by allocator_served_by(const struct process_view *v);

/* Every figure unknown, because of this; texts are static. */
void allocator_unavailable(const char *name, const char *why, struct inner_allocator *ret);
