/*
 * Allocation failures on purpose. In the archive that these tests are linked with, memtrace's own
 * calls of malloc() and its like are renamed to the functions of fail_alloc.c (see redefine.txt);
 * those of the tests, of cmocka and of other libraries are not.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/* From now on the n-th call fails (1 is the next one), and with `on` all that follow it. */
void oom_arm(unsigned long n, bool on);
/* Whether a call failed since then. */
bool oom_failed(void);
/* Ends that. True when a call failed. */
bool oom_disarm(void);

/* Calls since oom_arm(), the failing one included. */
unsigned long oom_calls(void);

/* Blocks that memtrace allocated and did not free. */
long oom_live(void);

/* Where the last failing call was; text for a message. */
const char *oom_where(void);

/* As malloc(), but of those that fail: for a library that lets its allocator be chosen. */
void *oom_malloc(size_t size);

/* For memory that memtrace hands out: free() would not be counted. */
void oom_free(void *p);
