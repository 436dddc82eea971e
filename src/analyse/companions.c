#include "analyse/companions.h"

#include <math.h>
#include <string.h>

#include "analyse/plumbing.h"

#define SAME_SHARE 0.05 /* counts of parts differ by what came during the reading ... */
#define SAME_PACE 0.1	/* ... and paces by when each was seen first, too */
#define NEAR_FRAMES 8	/* from an owner to the function that called for both */
#define FAR_FRAMES 32	/* the same of a descriptor, which a program opens through libraries */

struct side {
	const struct snap_stack *stack;
	size_t owner; /* index of its frame */
};

static bool same_number(double a, double b, double share)
{
	return a > 0 && b > 0 && fabs(a - b) <= share * fmax(a, b);
}

static bool same_place(const struct snap_frame *a, const struct snap_frame *b)
{
	return a->module == b->module && a->offset == b->offset;
}

static bool same_function(const struct snap_frame *a, const struct snap_frame *b)
{
	return same_place(a, b) ||
	       (a->module == b->module && a->symbol && b->symbol && !strcmp(a->symbol, b->symbol));
}

static bool is_plumbing(const struct snapshot *snap, const struct snap_frame *f)
{
	const struct snap_module *m =
		f->module < snap->module_count ? &snap->modules[f->module] : NULL;

	return plumbing_find(snap->rules, m, f->symbol, true, NULL) != PLUMBING_NONE;
}

/* Whether code of the program calls the frame at `at`, other than what starts the program. */
static bool has_caller(const struct snapshot *snap, const struct snap_stack *stack, size_t at)
{
	size_t end = stack->count;

	if (stack->end == MT_END_start && end)
		end--; /* _start, clone */
	for (size_t i = at + 1; i < end; i++)
		if (!is_plumbing(snap, &stack->frames[i]))
			return true;
	return false;
}

/* Frames from an owner out to another, without what only stands between functions. */
static size_t frames_between(const struct snapshot *snap, const struct side *s, size_t to)
{
	size_t n = 0;

	for (size_t i = s->owner; i < to; i++)
		n += !is_plumbing(snap, &s->stack->frames[i]);
	return n;
}

/* Whether a function near both owners called for both; *ret_is_owner: it is one of them. */
static bool share_caller(const struct snapshot *snap, const struct side *a, const struct side *b,
			 size_t near, bool *ret_is_owner)
{
	size_t i = a->stack->count, j = b->stack->count;

	while (i > a->owner && j > b->owner &&
	       same_place(&a->stack->frames[i - 1], &b->stack->frames[j - 1])) {
		i--;
		j--;
	}
	/* now they differ: in the same function, with what is inlined there, but for two calls */
	do {
		if (i <= a->owner || j <= b->owner ||
		    !same_function(&a->stack->frames[i - 1], &b->stack->frames[j - 1]))
			break;
		i--;
		j--;
	} while (i > 0 && a->stack->frames[i - 1].inlined && j > 0 &&
		 b->stack->frames[j - 1].inlined);
	*ret_is_owner = i == a->owner || j == b->owner;
	return i < a->stack->count && frames_between(snap, a, i) <= near &&
	       frames_between(snap, b, j) <= near && has_caller(snap, a->stack, i);
}

static bool side_of(const struct snapshot *snap, const struct owner *owners,
		    const struct finding *f, size_t path, struct side *ret)
{
	size_t site = f->path[path].site;

	if (site >= snap->site_count || owners[site].frame >= snap->sites[site].stack.count)
		return false;
	*ret = (struct side){ &snap->sites[site].stack, owners[site].frame };
	return true;
}

static bool is_descriptor(const struct snapshot *snap, const struct finding *f)
{
	enum mt_site_kind kind = snap->sites[f->site].kind;

	return kind == MT_SITE_FD || kind == MT_SITE_SOCKET;
}

static bool are_as_many(const struct finding *f, const struct finding *g)
{
	return same_number(f->growth_count_per_s, g->growth_count_per_s, SAME_PACE) &&
	       same_number((double)f->count, (double)g->count, SAME_SHARE);
}

/* A fixed number of one for each of the other. */
static bool in_proportion(const struct finding *f, const struct finding *g)
{
	return same_number(f->growth_count_per_s * (double)g->count,
			   g->growth_count_per_s * (double)f->count, SAME_PACE);
}

/* Whether one function asked for both, or one library's, of a kind. */
static bool same_owner(const struct snapshot *snap, const struct owner *a, const struct owner *b,
		       const struct snap_stack *of_a, const struct snap_stack *of_b)
{
	if (a->module >= snap->module_count || a->module != b->module)
		return false;
	return (a->kind != MODULE_OTHER && a->kind == b->kind) ||
	       same_function(&of_a->frames[a->frame], &of_b->frames[b->frame]);
}

static bool paths_meet(const struct snapshot *snap, const struct owner *owners,
		       const struct finding *f, size_t i, const struct finding *g, size_t k,
		       bool as_many)
{
	bool descriptor = is_descriptor(snap, f), is_owner;
	size_t near = as_many && descriptor ? FAR_FRAMES : NEAR_FRAMES;
	struct side a, b;

	if (!side_of(snap, owners, f, i, &a) || !side_of(snap, owners, g, k, &b) ||
	    !share_caller(snap, &a, &b, near, &is_owner))
		return false;
	return as_many || descriptor || is_owner ||
	       same_owner(snap, &owners[f->path[i].site], &owners[g->path[k].site], a.stack,
			  b.stack);
}

static bool come_together(const struct snapshot *snap, const struct owner *owners,
			  const struct finding *f, const struct finding *g)
{
	bool as_many = are_as_many(f, g);

	if (!as_many && !in_proportion(f, g))
		return false;
	for (size_t i = 0; i < f->path_count; i++)
		for (size_t k = 0; k < g->path_count; k++)
			if (paths_meet(snap, owners, f, i, g, k, as_many))
				return true;
	return false;
}

/* Blocks, and what there is of a thread: its stack, its variables, itself. */
static bool may_be_part(const struct snapshot *snap, const struct finding *f)
{
	return f->active && f->site < snap->site_count &&
	       (snap->sites[f->site].kind == MT_SITE_HEAP || f->class == CLASS_thread_stacks);
}

static void mark_parts(const struct snapshot *snap, const struct owner *owners, struct findings *f,
		       size_t head, size_t from)
{
	for (size_t k = from; k < f->count; k++)
		if (k != head && !f->list[k].comes_with && may_be_part(snap, &f->list[k]) &&
		    come_together(snap, owners, &f->list[head], &f->list[k]))
			f->list[k].comes_with = f->list[head].leak_id;
}

void companions_mark(const struct snapshot *snap, const struct owner *owners, struct findings *f)
{
	for (size_t i = 0; i < f->count; i++)
		f->list[i].comes_with = 0;
	/* what a descriptor needs comes with it, however large that is */
	for (size_t i = 0; owners && i < f->count; i++)
		if (f->list[i].active && f->list[i].site < snap->site_count &&
		    is_descriptor(snap, &f->list[i]))
			mark_parts(snap, owners, f, i, 0);
	for (size_t i = 0; owners && i < f->count; i++)
		if (!f->list[i].comes_with && may_be_part(snap, &f->list[i]))
			mark_parts(snap, owners, f, i, i + 1);
}
