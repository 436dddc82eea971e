/* Building and settling a profile. Numbers come from a hostile process: sums stop at 2^64 - 1. */
#include "profile/profile.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "base/vec.h"

static const char *const value_names[PROFILE_VALUES] = {
	[PROFILE_LIVE] = "live",
	[PROFILE_GROWING] = "growing",
	[PROFILE_ALLOCATED] = "allocated",
	[PROFILE_COUNT] = "count",
	[PROFILE_ALLOCATED_COUNT] = "allocated_count",
};

const char *profile_value_name(enum profile_value value)
{
	return value < PROFILE_VALUES ? value_names[value] : "unknown";
}

int profile_new(struct profile **ret)
{
	struct profile *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	*ret = p;
	return 0;
}

void profile_free(struct profile *p)
{
	if (!p)
		return;
	intern_done(&p->text);
	intern_done(&p->frames);
	intern_done(&p->stacks);
	intern_done(&p->site_keys);
	free(p->processes);
	free(p->sites);
	free(p);
}

void profile_freep(struct profile **p)
{
	profile_free(*p);
}

int profile_text(struct profile *p, const char *foreign, uint32_t *ret)
{
	auto_strbuf struct strbuf b = {};
	int r;

	*ret = 0;
	if (!foreign || !*foreign)
		return 0;
	r = str_add_clean_max(&b, foreign, strlen(foreign), PROFILE_TEXT_MAX);
	return r < 0 ? r : intern_add(&p->text, strbuf_text(&b), b.len, ret);
}

int profile_add_process(struct profile *p, uint32_t pid, const char *comm, const char *exe,
			size_t *ret)
{
	struct profile_process process = { .pid = pid,
					   .first_s = NAN,
					   .last_s = NAN,
					   .top = PROFILE_UNKNOWN,
					   .heap_bytes = PROFILE_UNKNOWN,
					   .heap_count = PROFILE_UNKNOWN };
	int r;

	if (p->process_count == PROFILE_PROCESSES_MAX) {
		p->refused++;
		return -ENOSPC;
	}
	r = profile_text(p, comm, &process.comm);
	if (r == 0)
		r = profile_text(p, exe, &process.exe);
	if (r == 0)
		r = vec_reserve(&p->processes, sizeof(process), p->process_count, &p->process_cap,
				SIZE_MAX);
	if (r < 0)
		return r;
	p->processes[p->process_count] = process;
	*ret = p->process_count++;
	return 0;
}

int profile_set_program(struct profile *p, size_t process, const char *file)
{
	return profile_text(p, file, &p->processes[process].exe);
}

void profile_tick(struct profile *p, size_t process, double elapsed_s, uint64_t heap_bytes,
		  uint64_t heap_count)
{
	struct profile_process *t = &p->processes[process];

	t->ticks++;
	t->told_before = t->told;
	t->told = 0;
	t->heap_bytes = heap_bytes;
	t->heap_count = heap_count;
	if (isnan(t->first_s))
		t->first_s = elapsed_s;
	t->last_s = elapsed_s;
}

int profile_add_frame(struct profile *p, const struct profile_frame *f, uint32_t *ret)
{
	return intern_add(&p->frames, f, sizeof(*f), ret);
}

static bool is_memory(const char *kind)
{
	return kind && (!strcmp(kind, "heap") || !strcmp(kind, "mmap") || !strcmp(kind, "brk"));
}

/* The site of an id in a process; a new one has tick 0. */
static int find_site(struct profile *p, size_t process, const struct profile_site_told *told,
		     struct profile_site **ret)
{
	auto_strbuf struct strbuf key = {};
	const char *id = told->key ? told->key : told->id;
	uint32_t number;
	int r;

	r = strbuf_printf(&key, "%zu ", process);
	r |= str_add_clean_max(&key, id, strlen(id), 64);
	if (r < 0)
		return -ENOMEM;
	r = vec_reserve(&p->sites, sizeof(*p->sites), p->site_count, &p->site_cap, SIZE_MAX);
	if (r < 0)
		return r;
	if (p->site_count == PROFILE_SITES_MAX)
		p->site_keys.limit = p->site_keys.len; /* no new ones; known ones are found */
	r = intern_add(&p->site_keys, strbuf_text(&key), key.len, &number);
	if (r < 0)
		return r;
	if (number > p->site_count) {
		p->sites[p->site_count++] = (struct profile_site){ .process = (uint32_t)process };
	}
	*ret = &p->sites[number - 1];
	return 0;
}

static int set_site(struct profile *p, struct profile_site *s, const struct profile_site_told *told)
{
	size_t frames = told->frame_count;
	uint32_t stack = 0, id, class, kind, end;
	int r;

	if (frames > PROFILE_FRAMES_MAX)
		frames = PROFILE_FRAMES_MAX;
	r = profile_text(p, told->id, &id);
	if (r == 0)
		r = profile_text(p, told->class, &class);
	if (r == 0)
		r = profile_text(p, told->kind, &kind);
	if (r == 0)
		r = profile_text(p, frames < told->frame_count ? "cut" : told->end, &end);
	if (r == 0 && frames)
		r = intern_add(&p->stacks, told->frames, frames * sizeof(*told->frames), &stack);
	if (r < 0)
		return r;
	s->id = id;
	s->stack = stack;
	s->class = class;
	s->kind = kind;
	s->end = end;
	s->owner = told->owner < frames ? (uint32_t)told->owner : UINT32_MAX;
	s->estimated = told->estimated;
	s->live_bytes = told->live_bytes;
	s->live_count = told->live_count;
	s->allocated_bytes = told->allocated_bytes;
	s->allocated_count = told->allocated_count;
	return 0;
}

/* A path that a report with room for it did not tell held nothing at that time. */
static bool held_nothing_before(const struct profile_process *t)
{
	return t->ticks > 1 && t->top != PROFILE_UNKNOWN && t->told_before < t->top;
}

int profile_add_site(struct profile *p, size_t process, const struct profile_site_told *told)
{
	struct profile_process *t = &p->processes[process];
	struct profile_site *s;
	int r;

	t->told++;
	if (!is_memory(told->kind)) {
		p->without_bytes++;
		return 0;
	}
	r = find_site(p, process, told, &s);
	if (r == 0)
		r = set_site(p, s, told);
	if (r == -ENOSPC)
		p->refused++;
	if (r < 0)
		return r;
	if (!s->first_tick) {
		s->grown_known = held_nothing_before(t);
		s->first_bytes = s->grown_known ? 0 : s->live_bytes;
		s->first_tick = t->ticks;
	}
	if (s->tick != t->ticks && s->tick)
		s->grown_known = true;
	if (told->first_known) {
		s->first_bytes = told->first_bytes;
		s->grown_known = true;
	}
	s->tick = t->ticks;
	return 0;
}

const struct profile_frame *profile_frame_at(const struct profile *p, uint32_t number)
{
	size_t len;

	return intern_at(&p->frames, number, &len);
}

const uint32_t *profile_stack_at(const struct profile *p, uint32_t number, size_t *ret_count)
{
	const uint32_t *frames;
	size_t len;

	*ret_count = 0;
	if (!number)
		return NULL;
	frames = intern_at(&p->stacks, number, &len);
	*ret_count = len / sizeof(*frames);
	return frames;
}

static uint64_t if_known(uint64_t n)
{
	return n == PROFILE_UNKNOWN ? 0 : n;
}

/* The last tick of a recording that breaks off may lack sites: the one before it counts too. */
static bool is_current(const struct profile_process *t, const struct profile_site *s)
{
	return s->tick == t->ticks || (!t->ended && t->ticks && s->tick == t->ticks - 1);
}

static void settle_site(struct profile *p, struct profile_site *s)
{
	const struct profile_process *t = &p->processes[s->process];
	bool had_room = t->ended && t->top != PROFILE_UNKNOWN && t->told < t->top;
	uint64_t live = if_known(s->live_bytes);

	s->current = is_current(t, s);
	memset(s->value, 0, sizeof(s->value));
	s->value[PROFILE_ALLOCATED] = if_known(s->allocated_bytes);
	s->value[PROFILE_ALLOCATED_COUNT] = if_known(s->allocated_count);
	if (!s->current) {
		p->notes.gone += !had_room;
		return;
	}
	s->value[PROFILE_LIVE] = live;
	s->value[PROFILE_COUNT] = if_known(s->live_count);
	if (s->grown_known && s->first_bytes != PROFILE_UNKNOWN && live > s->first_bytes)
		s->value[PROFILE_GROWING] = live - s->first_bytes;
	p->notes.current++;
	p->notes.told_once += !s->grown_known;
	p->notes.incomplete += s->end && live;
	p->notes.estimated += s->estimated;
}

static void settle_hidden(struct profile *p, struct profile_process *t, uint64_t bytes,
			  uint64_t count)
{
	t->hidden_bytes = t->hidden_count = 0;
	if (t->heap_bytes != PROFILE_UNKNOWN && t->heap_bytes > bytes)
		t->hidden_bytes = t->heap_bytes - bytes;
	if (t->heap_count != PROFILE_UNKNOWN && t->heap_count > count)
		t->hidden_count = t->heap_count - count;
	p->notes.hidden_bytes = profile_plus(p->notes.hidden_bytes, t->hidden_bytes);
	p->notes.hidden_count = profile_plus(p->notes.hidden_count, t->hidden_count);
}

void profile_settle(struct profile *p)
{
	size_t i;

	p->notes = (struct profile_notes){};
	for (i = 0; i < p->process_count; i++)
		p->processes[i].hidden_bytes = p->processes[i].hidden_count = 0;
	for (i = 0; i < p->site_count; i++) {
		struct profile_site *s = &p->sites[i];
		struct profile_process *t = &p->processes[s->process];

		settle_site(p, s);
		if (strcmp(intern_text(&p->text, s->kind), "heap"))
			continue;
		t->hidden_bytes = profile_plus(t->hidden_bytes, s->value[PROFILE_LIVE]);
		t->hidden_count = profile_plus(t->hidden_count, s->value[PROFILE_COUNT]);
	}
	for (i = 0; i < p->process_count; i++) {
		struct profile_process *t = &p->processes[i];

		settle_hidden(p, t, t->hidden_bytes, t->hidden_count);
		p->notes.unended += t->ticks && !t->ended;
		if (t->ticks)
			p->notes.span_s = fmax(p->notes.span_s, t->last_s - t->first_s);
	}
}

uint64_t profile_total(const struct profile *p, enum profile_value value)
{
	uint64_t total = 0;
	size_t i;

	if (value == PROFILE_LIVE)
		total = p->notes.hidden_bytes;
	else if (value == PROFILE_COUNT)
		total = p->notes.hidden_count;
	for (i = 0; i < p->site_count; i++)
		total = profile_plus(total, p->sites[i].value[value]);
	return total;
}
