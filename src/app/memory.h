/* What of a process is in memory and what it is: pages, heaps of runtimes, allocators. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct resident;
struct tracee;
struct vma_table;

/*
 * Looks at the pages of what is mapped and sets t->fact to the process's size at the same moment.
 * *ret_missed: bytes of it that were in no page of the map, 0 for a few: something was mapped
 * meanwhile. resident_done() releases *ret, which is empty after an error.
 */
int memory_look(struct tracee *t, const struct vma_table *maps, struct resident *ret,
		uint64_t *ret_missed);

/*
 * Reads what the pages are and tells the model, by the memory map that was told to it just now.
 * whole: the allocator is walked through whatever that costs.
 */
void memory_read(struct tracee *t, const struct vma_table *maps, const struct resident *pages,
		 bool whole);

/* Notes for the user what could not be read, and the runtime that was found. */
void memory_note_missing(struct tracee *t);
