/*
 * The counters of Go's memory manager, found among the words of runtime.gcController: bytes of
 * spans in use, given back to the system, and free; bytes allocated and freed since the start;
 * bytes that are ready for use. Their place differs between versions, so they are known by their
 * sums: what is in use, given back and free makes up what is mapped for the heap, but for stacks.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define GO_COUNTERS 6
#define GO_WORDS_MAX 256

struct go_counters {
	uint64_t in_use, released, free;
	uint64_t allocated, freed;
	uint64_t ready; /* of the whole process: heap, stacks and the runtime's own */
};

/*
 * The only place in words at which counters stand that agree with each other and with the bytes
 * mapped for heap and stacks. -ENOENT: none does; -EEXIST: several do.
 */
int go_counters_find(const uint64_t *words, size_t n, uint64_t mapped_bytes, size_t *ret);

/* -EAGAIN: what stands there now does not agree (it is read while it changes). */
int go_counters_check(const uint64_t words[GO_COUNTERS], uint64_t mapped_bytes,
		      struct go_counters *ret);
