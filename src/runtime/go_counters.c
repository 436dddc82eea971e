#include "runtime/go_counters.h"

#include <errno.h>
#include <stdbool.h>

#define PAGE_BYTES 8192		    /* of Go's heap, on every system */
#define OWN_BYTES_MAX (64ull << 20) /* a small program's; 10 MB for a heap of 117 MB */

/* The rest of what is mapped are stacks of goroutines and what the collector works with. */
static bool sums_up(const struct go_counters *c, uint64_t mapped)
{
	return c->in_use <= mapped && c->released <= mapped && c->free <= mapped &&
	       c->in_use + c->released + c->free <= mapped;
}

/* What is mapped and not given back is ready, and with it the runtime's own memory elsewhere. */
static bool is_ready(const struct go_counters *c, uint64_t mapped)
{
	uint64_t least = mapped - c->released;

	return c->ready >= least && c->ready - least <= mapped / 4 + OWN_BYTES_MAX;
}

int go_counters_check(const uint64_t words[GO_COUNTERS], uint64_t mapped_bytes,
		      struct go_counters *ret)
{
	const struct go_counters c = { words[0], words[1], words[2], words[3], words[4], words[5] };

	if (!c.in_use || (c.in_use | c.released | c.free) % PAGE_BYTES ||
	    !sums_up(&c, mapped_bytes))
		return -EAGAIN;
	if (c.freed > c.allocated || c.allocated - c.freed > c.in_use || c.allocated == c.freed)
		return -EAGAIN;
	if (!is_ready(&c, mapped_bytes))
		return -EAGAIN;
	*ret = c;
	return 0;
}

int go_counters_find(const uint64_t *words, size_t n, uint64_t mapped_bytes, size_t *ret)
{
	struct go_counters c;
	bool found = false;
	size_t at = 0;

	for (size_t i = 0; i + GO_COUNTERS <= n; i++) {
		if (go_counters_check(words + i, mapped_bytes, &c) < 0)
			continue;
		if (found)
			return -EEXIST;
		found = true;
		at = i;
	}
	if (!found)
		return -ENOENT;
	*ret = at;
	return 0;
}
