/*
 * What of a process is in memory, by one scan of all its mappings: the readers of its heaps look at
 * it before they read, and what the model asks about is answered from it.
 */
#pragma once
#include <stdint.h>

#include "sys/maps.h"
#include "sys/present.h"
#include "sys/residency.h"

struct resident {
	struct present present;
	struct residency *range; /* owned: one for each mapping */
	size_t count;
	struct residency_info info;
};

/* Data of the kernel's own ([vvar]) is in no process's size: none of it is resident. -ENOMEM, and
 * what residency_read() answers; *ret is empty then. resident_done() releases it. */
int resident_scan(const char *proc, uint32_t pid, const struct vma_table *maps,
		  struct resident *ret);
void resident_done(struct resident *r);

/*
 * Sets the size of the process, *size as read after the scan, to what it was during the scan. The
 * pages found were there at one moment or another: where their sum lies between what the kernel
 * counted before and after, it is the size. Else what came nearest is, and what of it is in no page
 * that was looked at is returned, if it is more than comes and goes in any process.
 */
uint64_t resident_settle(const struct resident *r, const struct proc_fact *before,
			 struct proc_fact *size);

/* All of it is known: none was left out for lack of memory. */
bool resident_is_whole(const struct resident *r);

/* Fills ranges, sorted; FACT_UNKNOWN where a mapping is that could not be measured. */
void resident_fill(const struct resident *r, struct residency *ranges, size_t n);
