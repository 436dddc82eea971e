/*
 * A live run as a profile. The first tick of a process notes what every call path holds, the end
 * gives the figures and stacks; ticks between them would add nothing. All sites are told here,
 * whatever --top says, so nothing is hidden; and what is not there at the first tick held nothing.
 * A site is found again by its id or, when that was not final at the first tick, by its number.
 */
#include "report/sink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "analyse/analysis.h"
#include "base/cleanup.h"
#include "profile/profile.h"
#include "report/names.h"
#include "report/rank.h"

#define EVERY_SITE (PROFILE_UNKNOWN - 1) /* room in a report */

/* What a site held at the first tick of its process. */
struct first {
	uint32_t process, number;
	uint64_t id; /* 0: not final then */
	uint64_t bytes;
};

struct gathering {
	struct profile *profile;
	struct sink *next;
	struct first *firsts; /* owned: of processes that have not ended */
	size_t first_count;
};

static int profile_open(void *priv, const struct sink_cfg *cfg)
{
	struct gathering *g = priv;

	if (!cfg->profile || !cfg->next)
		return -EINVAL;
	g->profile = cfg->profile;
	g->next = cfg->next;
	return 0;
}

static void profile_close(void *priv)
{
	struct gathering *g = priv;

	free(g->firsts);
	g->firsts = NULL;
}

/* The newest process of this pid. */
static struct profile_process *find_process(struct gathering *g, uint32_t pid, size_t *ret)
{
	size_t i;

	for (i = g->profile->process_count; i-- > 0;)
		if (g->profile->processes[i].pid == pid) {
			*ret = i;
			return &g->profile->processes[i];
		}
	return NULL;
}

static int add_process(struct gathering *g, const struct record_head *head, const char *exe)
{
	uint64_t elapsed_ns = head->elapsed_s > 0 ? (uint64_t)(head->elapsed_s * 1e9) : 0;
	struct profile_process *t;
	size_t process;
	int r;

	r = profile_add_process(g->profile, head->pid, head->comm, exe, &process);
	if (r < 0)
		return r == -ENOSPC ? 0 : r;
	t = &g->profile->processes[process];
	t->top = EVERY_SITE;
	t->begun_ns = head->time_ns > elapsed_ns ? head->time_ns - elapsed_ns : 0;
	return 0;
}

static int add_frame(struct profile *p, const struct snapshot *s, const struct snap_frame *from,
		     uint32_t *ret)
{
	const struct snap_module *m = rank_module(s, from->module);
	struct profile_frame f = { .offset = from->offset,
				   .line = from->line,
				   .kind = (uint16_t)from->kind, /* the same numbers */
				   .inlined = from->inlined };
	int r;

	_Static_assert((int)FRAME_NATIVE == PROFILE_NATIVE && (int)FRAME_JIT == PROFILE_JIT &&
			       (int)FRAME_INTERPRETED == PROFILE_INTERPRETED &&
			       (int)FRAME_KERNEL == PROFILE_KERNEL,
		       "kinds of frames");
	r = profile_text(p, m ? m->name : NULL, &f.module);
	if (r == 0)
		r = profile_text(p, m ? m->build_id : NULL, &f.build_id);
	if (r == 0)
		r = profile_text(p, from->symbol, &f.symbol);
	if (r == 0)
		r = profile_text(p, from->file, &f.file);
	return r < 0 ? r : profile_add_frame(p, &f, ret);
}

static int add_stack(struct gathering *g, const struct snapshot *s, const struct snap_stack *stack,
		     uint32_t frames[static PROFILE_FRAMES_MAX + 1], size_t *ret_count)
{
	size_t i, first = rank_allocator_frames(s, stack);
	int r = 0;

	*ret_count = 0;
	for (i = first; i < stack->count && i - first <= PROFILE_FRAMES_MAX && r == 0; i++)
		r = add_frame(g->profile, s, &stack->frames[i], &frames[(*ret_count)++]);
	if (r == -ENOSPC)
		g->profile->refused++;
	return r;
}

static const char *end_of(const struct snap_stack *stack)
{
	if (stack->folded)
		return "folded";
	return names_stack_complete(stack->end) ? NULL : names_stack_end(stack->end);
}

static int add_site(struct gathering *g, size_t process, const struct analysis *a,
		    const struct snap_site *site, const struct first *first)
{
	const struct owner *owner = rank_owner(a, site);
	uint32_t frames[PROFILE_FRAMES_MAX + 1];
	char key[32], id[24];
	struct profile_site_told told = {
		.key = key,
		.id = id,
		.class = owner ? names_class(owner->class) : NULL,
		.kind = names_site_kind(site->kind),
		.end = end_of(&site->stack),
		.owner = PROFILE_UNKNOWN, /* what shows it reads recordings */
		.frames = frames,
		.live_bytes = site->live_bytes,
		.live_count = site->live_count,
		.allocated_bytes = site->allocated_bytes,
		.allocated_count = site->allocated_count,
		.first_known = first && g->profile->processes[process].ticks > 1,
		.first_bytes = first ? first->bytes : 0,
	};
	int r;

	snprintf(id, sizeof(id), "%016llx", (unsigned long long)site->id);
	snprintf(key, sizeof(key), "%u", site->site);
	r = add_stack(g, a->snap, &site->stack, frames, &told.frame_count);
	return r < 0 ? r : profile_add_site(g->profile, process, &told);
}

static int by_id(const void *x, const void *y)
{
	const struct first *a = x, *b = y;

	if (a->process != b->process)
		return a->process < b->process ? -1 : 1;
	if (a->id != b->id)
		return a->id < b->id ? -1 : 1;
	return a->id ? 0 : (a->number > b->number) - (a->number < b->number);
}

static const struct first *find_first(const struct gathering *g, size_t process,
				      const struct snap_site *site)
{
	struct first wanted = { (uint32_t)process, site->site, site->id, 0 };
	const struct first *found;

	if (!g->first_count)
		return NULL;
	found = bsearch(&wanted, g->firsts, g->first_count, sizeof(wanted), by_id);
	if (found)
		return found;
	wanted.id = 0;
	return bsearch(&wanted, g->firsts, g->first_count, sizeof(wanted), by_id);
}

static int note_firsts(struct gathering *g, size_t process, const struct snapshot *s)
{
	size_t i, count = g->first_count + s->site_count;
	struct first *list;

	if (count > PROFILE_SITES_MAX) { /* then what was missing there is not known */
		g->profile->processes[process].top = PROFILE_UNKNOWN;
		return 0;
	}
	if (!s->site_count)
		return 0;
	list = reallocarray(g->firsts, count, sizeof(*list));
	if (!list)
		return -ENOMEM;
	g->firsts = list;
	for (i = 0; i < s->site_count; i++)
		list[g->first_count++] = (struct first){
			.process = (uint32_t)process,
			.number = s->sites[i].site,
			.id = s->sites[i].id_final ? s->sites[i].id : 0,
			.bytes = s->sites[i].live_bytes,
		};
	return 0;
}

static void forget_firsts(struct gathering *g, size_t process)
{
	size_t i, kept = 0;

	for (i = 0; i < g->first_count; i++)
		if (g->firsts[i].process != process)
			g->firsts[kept++] = g->firsts[i];
	g->first_count = kept;
}

static int take_tick(struct gathering *g, const struct record_head *head, const struct analysis *a)
{
	struct profile_process *t;
	size_t process;

	t = find_process(g, head->pid, &process);
	if (!t)
		return 0;
	profile_tick(g->profile, process, head->elapsed_s, PROFILE_UNKNOWN, PROFILE_UNKNOWN);
	return t->ticks == 1 ? note_firsts(g, process, a->snap) : 0;
}

/* The path of a program and the name under which it is mapped differ when it is a link. */
static int note_program(struct gathering *g, size_t process, const struct snapshot *s)
{
	size_t i;

	for (i = 0; i < s->module_count; i++)
		if (s->modules[i].main_exe)
			return profile_set_program(g->profile, process, s->modules[i].name);
	return 0;
}

static int take_end(struct gathering *g, const struct record_head *head,
		    const struct end_info *info)
{
	const struct analysis *a = info->last;
	struct profile_process *t;
	size_t i, process;
	int r = 0;

	t = find_process(g, head->pid, &process);
	if (!t || !a)
		return 0;
	t->ended = true;
	r = note_program(g, process, a->snap);
	if (g->first_count)
		qsort(g->firsts, g->first_count, sizeof(*g->firsts), by_id);
	for (i = 0; i < a->snap->site_count && (r == 0 || r == -ENOSPC); i++)
		r = add_site(g, process, a, &a->snap->sites[i],
			     find_first(g, process, &a->snap->sites[i]));
	forget_firsts(g, process);
	return r == -ENOSPC ? 0 : r; /* counted */
}

/* The next sink's failure comes first: it is what the user waits for. */
static int both(int next, int own)
{
	return next < 0 ? next : own;
}

static int profile_start(void *priv, const struct record_head *head, const struct start_info *info)
{
	struct gathering *g = priv;
	int next = g->next->ops->start(g->next->priv, head, info);

	return both(next, add_process(g, head, info->exe));
}

static int profile_tick_told(void *priv, const struct record_head *head, const struct analysis *a,
			     const struct overhead_info *overhead)
{
	struct gathering *g = priv;
	int next = g->next->ops->tick(g->next->priv, head, a, overhead);

	return both(next, take_tick(g, head, a));
}

static int profile_event(void *priv, const struct record_head *head, const struct event_info *info)
{
	struct gathering *g = priv;

	return g->next->ops->event(g->next->priv, head, info);
}

static int profile_process_told(void *priv, const struct record_head *head,
				const struct process_info *info)
{
	struct gathering *g = priv;

	return g->next->ops->process(g->next->priv, head, info);
}

static int profile_end(void *priv, const struct record_head *head, const struct end_info *info)
{
	struct gathering *g = priv;
	int next = g->next->ops->end(g->next->priv, head, info);

	return both(next, take_end(g, head, info));
}

const struct sink_ops sink_profile = {
	.name = "profile",
	.priv_size = sizeof(struct gathering),
	.open = profile_open,
	.start = profile_start,
	.tick = profile_tick_told,
	.event = profile_event,
	.process = profile_process_told,
	.end = profile_end,
	.close = profile_close,
};
