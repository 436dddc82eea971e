/* What of a process is in memory and what it is: pages, heaps of runtimes, allocators. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct tracee;
struct vma_table;

/*
 * Reads it and tells the model, by the memory map that was told to it just now. whole: the
 * allocator is walked through whatever that costs. Before it t->fact is read again, to be of the
 * same moment.
 */
void memory_read(struct tracee *t, const struct vma_table *maps, bool whole);

/* Notes for the user what could not be read, and the runtime that was found. */
void memory_note_missing(struct tracee *t);
