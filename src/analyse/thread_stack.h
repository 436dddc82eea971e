/*
 * Stacks of threads, and the threads they were mapped for: a stack whose thread runs is in use, one
 * whose thread has ended stays mapped until somebody joins it, for ever if nobody does.
 */
#pragma once
#include "analyse/analysis.h"

/*
 * The outermost frame of pthread_create() on a stack, as an index; SIZE_MAX when there is none.
 */
size_t thread_stack_create_frame(const struct snap_stack *stack);

struct thread_stack_use {
	uint64_t started, running; /* threads, since tracing began, of the same creating code */
};

/* Of the stacks that a site mapped. False where no thread was seen that the same code started. */
bool thread_stack_find_use(const struct snapshot *s, const struct snap_site *stacks,
			   struct thread_stack_use *ret);
