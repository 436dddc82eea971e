#include "runtime/go_counters.h"

#include <errno.h>
#include <stdbool.h>

#define PAGE_BYTES 8192 /* of Go's heap, on every system */

/*
 * What may lie in the mapped range and is no heap: stacks of goroutines and what the collector
 * works with. More than half of it would be a program of idle goroutines only; then nothing is
 * told.
 */
static bool sums_up(const struct go_counters *c, uint64_t mapped)
{
	uint64_t heap;

	if (c->in_use > mapped || c->released > mapped || c->free > mapped)
		return false;
	heap = c->in_use + c->released + c->free;
	return heap <= mapped && heap >= mapped / 2;
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
	/* what is mapped and not given back is ready, with the runtime's own beside it */
	if (c.ready < mapped_bytes - c.released || c.ready > 2 * mapped_bytes + (256ull << 20))
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
