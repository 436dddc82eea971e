/*
 * The threads of a process from /proc/PID/task, and where their stacks are from task/TID/syscall.
 * That file says "running" of a thread on a CPU: nothing is known of it then.
 */
#include "sys/threads.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "decode/fact.h"
#include "sys/procio.h"
#include "sys/scan.h"

struct filling {
	struct thread_list list;
	size_t capacity, max;
};

static int add_thread(void *ctx, uint32_t tid)
{
	struct filling *f = ctx;
	struct thread_list *t = &f->list;
	int r;

	if (t->count == f->max) {
		t->refused++;
		return 0;
	}
	r = vec_reserve(&t->thread, sizeof(*t->thread), t->count, &f->capacity, f->max);
	if (r)
		return r;
	t->thread[t->count++] = (struct thread){ .tid = tid, .sp = FACT_UNKNOWN };
	return 0;
}

int threads_list(const char *root, uint32_t pid, size_t max, struct thread_list *ret)
{
	struct filling f = { .max = max };
	int r;

	r = procio_each_number(root, pid, "task", add_thread, &f);
	if (r < 0) {
		threads_done(&f.list);
		return r;
	}
	*ret = f.list;
	return 0;
}

/* "running", or "NR ARG0 .. ARG5 SP PC", or "-1 SP PC" outside of a system call. */
static uint64_t scan_stack_pointer(const char *text, size_t len)
{
	const char *end = text + len, *sp = NULL, *field = NULL, *at = text;
	uint64_t value;

	while (at < end && *at != '\n') {
		scan_blanks(&at, end);
		sp = field;
		field = at;
		while (at < end && *at != ' ' && *at != '\n')
			at++;
	}
	if (!sp || sp == text || !scan_char(&sp, end, '0') || !scan_char(&sp, end, 'x') ||
	    !scan_u64(&sp, end, 16, &value) || value == 0)
		return FACT_UNKNOWN;
	return value;
}

int threads_fill_stack_pointers(const char *root, uint32_t pid, struct thread_list *threads)
{
	int known = 0, denied = 0;

	for (size_t i = 0; i < threads->count; i++) {
		struct thread *t = &threads->thread[i];
		char name[64], text[256];
		size_t len;
		int r;

		t->sp = FACT_UNKNOWN;
		snprintf(name, sizeof(name), "task/%u/syscall", t->tid);
		r = procio_read(root, pid, name, text, sizeof(text), &len);
		if (r == 0)
			t->sp = scan_stack_pointer(text, len);
		known += t->sp != FACT_UNKNOWN;
		denied += r == -EACCES || r == -EPERM;
	}
	return denied && !known ? -EACCES : known;
}

void threads_done(struct thread_list *threads)
{
	free(threads->thread);
	*threads = (struct thread_list){};
}
