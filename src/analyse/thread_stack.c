/* See thread_stack.h: sites of mappings and of threads are joined by who called pthread_create().
 */
#include "analyse/thread_stack.h"

#include <string.h>

#include "model/sat.h"

size_t thread_stack_create_frame(const struct snap_stack *stack)
{
	for (size_t i = stack->count; i-- > 0;) {
		const char *name = stack->frames[i].symbol;

		if (name && !strncmp(name + strspn(name, "_"), "pthread_create", 14))
			return i;
	}
	return SIZE_MAX;
}

/* Whether the callers are the same, call by call. */
static bool same_callers(const struct snap_stack *a, size_t i, const struct snap_stack *b, size_t k)
{
	if (a->count - i != b->count - k)
		return false;
	for (; i < a->count; i++, k++)
		if (a->frames[i].module != b->frames[k].module ||
		    a->frames[i].offset != b->frames[k].offset)
			return false;
	return true;
}

bool thread_stack_find_use(const struct snapshot *s, const struct snap_site *stacks,
			   struct thread_stack_use *ret)
{
	size_t mine = thread_stack_create_frame(&stacks->stack), other;
	struct thread_stack_use use = {};

	if (mine == SIZE_MAX)
		return false;
	for (size_t i = 0; i < s->site_count; i++) {
		const struct snap_site *t = &s->sites[i];

		if (t->kind != MT_SITE_THREAD)
			continue;
		other = thread_stack_create_frame(&t->stack);
		if (other == SIZE_MAX ||
		    !same_callers(&stacks->stack, mine + 1, &t->stack, other + 1))
			continue;
		use.started = sat_add(use.started, t->allocated_count);
		use.running = sat_add(use.running, t->live_count);
	}
	if (!use.started)
		return false;
	*ret = use;
	return true;
}
