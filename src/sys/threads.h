/*
 * The threads of a process. `root` is the place where proc is mounted. Functions return 0 or a
 * negative errno and write their outputs only on success; -ESRCH when the process has gone.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define THREADS_MAX 65536 /* a bound that callers without their own pass */

struct thread {
	uint32_t tid;
	uint64_t sp; /* user stack pointer; FACT_UNKNOWN when running, or not asked for */
};

struct thread_list {
	struct thread *thread; /* owned; threads_done() */
	size_t count;
	uint64_t refused; /* threads beyond the limit */
};

/* Ids of at most max threads, stack pointers not known yet. */
int threads_list(const char *root, uint32_t pid, size_t max, struct thread_list *ret);
/* Where each sleeping thread's stack is. Returns how many are known; -EACCES when none may be. */
int threads_fill_stack_pointers(const char *root, uint32_t pid, struct thread_list *threads);
void threads_done(struct thread_list *threads);
