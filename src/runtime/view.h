/*
 * Reading the process of a view only where its pages are in memory: what is not there is not read,
 * since that would make the kernel fetch it or build page tables in the target.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/runtime.h"

/* Every page of [address, address + len), len > 0, is in memory. */
bool view_has(const struct process_view *v, uint64_t address, size_t len);

/* The same as the kernel says now: for what may be newer than the view. Some 10 us. */
bool view_has_now(const struct process_view *v, uint64_t address, size_t len);

/* All or nothing. -EAGAIN: a page is not in memory now; others as of peek_read(). */
int view_read(const struct process_view *v, uint64_t address, void *ret, size_t len);
int view_u64(const struct process_view *v, uint64_t address, uint64_t *ret);

/* Bytes of mappings in [start, end) that can be written. */
uint64_t view_writable(const struct process_view *v, uint64_t start, uint64_t end);

/* Adds what is resident, swapped and (POOLED) pooled in the ranges from `first` on. */
void view_sum(const struct process_view *v, const struct inner_ranges *ranges, size_t first,
	      struct inner_heap *heap);
