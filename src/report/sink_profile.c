/*
 * A live run as a profile. The first tick of a process notes what every call path holds, the end
 * gives the figures and stacks; ticks between them would add nothing. All sites are told here,
 * whatever --top says, so nothing is hidden; and what is not there at the first tick held nothing.
 */
#include "report/sink.h"

#include <errno.h>
#include <string.h>

#include "analyse/analysis.h"
#include "base/cleanup.h"
#include "profile/profile.h"
#include "report/names.h"
#include "report/rank.h"

#define EVERY_SITE (PROFILE_UNKNOWN - 1) /* room in a report */

struct gathering {
	struct profile *profile;
	struct sink *next;
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
	(void)priv;
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

/* The site's figures, and its stack when it is asked for. */
static int add_site(struct gathering *g, size_t process, const struct analysis *a,
		    const struct snap_site *site, bool with_stack)
{
	size_t i, first = rank_allocator_frames(a->snap, &site->stack);
	const struct owner *owner = rank_owner(a, site);
	uint32_t frames[PROFILE_FRAMES_MAX + 1];
	char key[16], id[24];
	struct profile_site_told told = { .key = key, .id = id, .frames = frames };
	int r = 0;

	snprintf(key, sizeof(key), "%u", site->site);
	snprintf(id, sizeof(id), "%016llx", (unsigned long long)site->id);
	told.class = owner ? names_class(owner->class) : NULL;
	told.kind = names_site_kind(site->kind);
	told.live_bytes = site->live_bytes;
	told.live_count = site->live_count;
	told.allocated_bytes = site->allocated_bytes;
	told.allocated_count = site->allocated_count;
	if (!names_stack_complete(site->stack.end))
		told.end = names_stack_end(site->stack.end);
	for (i = first;
	     with_stack && i < site->stack.count && i - first <= PROFILE_FRAMES_MAX && r == 0; i++)
		r = add_frame(g->profile, a->snap, &site->stack.frames[i],
			      &frames[told.frame_count++]);
	if (r == -ENOSPC)
		g->profile->refused++;
	return r < 0 ? r : profile_add_site(g->profile, process, &told);
}

static int add_sites(struct gathering *g, size_t process, const struct analysis *a, bool with_stack)
{
	size_t i;
	int r = 0;

	for (i = 0; i < a->snap->site_count && (r == 0 || r == -ENOSPC); i++)
		r = add_site(g, process, a, &a->snap->sites[i], with_stack);
	return r == -ENOSPC ? 0 : r; /* counted */
}

static int take_tick(struct gathering *g, const struct record_head *head, const struct analysis *a)
{
	struct profile_process *t;
	size_t process;

	t = find_process(g, head->pid, &process);
	if (!t)
		return 0;
	profile_tick(g->profile, process, head->elapsed_s, PROFILE_UNKNOWN, PROFILE_UNKNOWN);
	return t->ticks == 1 ? add_sites(g, process, a, false) : 0;
}

static int take_end(struct gathering *g, const struct record_head *head,
		    const struct end_info *info)
{
	struct profile_process *t;
	size_t process;

	t = find_process(g, head->pid, &process);
	if (!t || !info->last)
		return 0;
	t->ended = true;
	return add_sites(g, process, info->last, true);
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
