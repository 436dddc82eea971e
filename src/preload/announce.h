/*
 * What is said to whoever listens, as USDT probes: a no-op each, and a count of those who listen.
 *   otel_memory:alloc(void *ptr, uint64 size, uint64 weighted_bytes)
 *   otel_memory:free(void *ptr)
 *   memtrace_preload:refused(uint64 size, uint64 weighted_bytes): a sample there was no room for
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

bool announce_is_heard(void); /* somebody listens to allocations */
void announce_alloc(void *ptr, uint64_t size, uint64_t weighted_bytes);
void announce_free(void *ptr);
void announce_refused(uint64_t size, uint64_t weighted_bytes);
