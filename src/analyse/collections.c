/* See collections.h. Call sites that asked for nothing since the last look are not looked at. */
#include "analyse/collections.h"

#include <math.h>

#include "analyse/plumbing.h"
#include "analyse/rules.h"

#define APART_S 2 /* of marks: runs may be many a second */
#define RULES_MAX_HERE 64

/* The few rules that matter here: this is asked of every frame. */
struct rule_set {
	const struct rule *rule[RULES_MAX_HERE];
	size_t count;
};

static bool is_wanted(const struct rule *r)
{
	return r->what == RULE_collected || r->what == RULE_collected_late ||
	       r->what == RULE_collector || r->what == RULE_young_collector;
}

static void add_rules(struct rule_set *set, const struct rule *list, size_t count)
{
	for (size_t i = 0; i < count && set->count < RULES_MAX_HERE; i++)
		if (is_wanted(&list[i]))
			set->rule[set->count++] = &list[i];
}

static enum rule_what role_of(const struct rule_set *set, const struct snapshot *s,
			      const struct snap_frame *f)
{
	const struct snap_module *m = f->module < s->module_count ? &s->modules[f->module] : NULL;

	for (size_t i = 0; f->symbol && i < set->count; i++)
		if (plumbing_fits(set->rule[i], m, f->symbol))
			return set->rule[i]->what;
	return RULE_NONE;
}

static void note(struct collections_runs *r, double after_s, double by_s)
{
	const struct collections_mark *last =
		&r->mark[(r->count + COLLECTIONS_MARKS - 1) % COLLECTIONS_MARKS];

	if (!r->count || by_s - last->by_s >= APART_S)
		r->mark[r->count++ % COLLECTIONS_MARKS] =
			(struct collections_mark){ after_s, by_s };
}

/* What the call sites show. */
static void look_at_sites(struct collections *c, const struct snapshot *s)
{
	struct rule_set set = {};
	double since_s = c->named ? c->looked_s : -1; /* names may come late */
	bool all = s->heap_traced, young = false, full = false;
	const struct rule *builtin;
	size_t count;

	if (s->rules)
		add_rules(&set, s->rules->list, s->rules->count);
	builtin = rules_builtin(&count);
	add_rules(&set, builtin, count);
	for (size_t i = 0; i < s->site_count; i++) {
		const struct snap_site *site = &s->sites[i];

		all = all && !site->estimated && !site->exposed_count;
		for (size_t k = 0; site->last_alloc_s > since_s && k < site->stack.count; k++) {
			enum rule_what what = role_of(&set, s, &site->stack.frames[k]);

			c->named |= what != RULE_NONE;
			full |= what == RULE_collector;
			young |= what == RULE_young_collector;
		}
	}
	if (full)
		note(&c->full, fmax(since_s, 0), s->elapsed_s);
	if (full || young)
		note(&c->young, fmax(since_s, 0), s->elapsed_s);
	c->complete = all && c->named && s->runtime;
}

/* A count that the runtime keeps itself; at the first look it is of what was before. */
static void take_count(struct collections *c, struct collections_runs *r, uint64_t count,
		       double now_s)
{
	if (c->complete && count != r->counted)
		note(r, fmax(c->looked_s, 0), now_s);
	r->counted = count;
}

void collections_init(struct collections *c)
{
	*c = (struct collections){ .looked_s = -1 };
}

void collections_look(struct collections *c, const struct snapshot *s)
{
	const struct inner_collections *told = s->runtime ? &s->runtime->collections : NULL;

	if (s->elapsed_s <= c->looked_s)
		return;
	if (told && told->known) {
		take_count(c, &c->full, told->full, s->elapsed_s);
		take_count(c, &c->young, told->full + told->young, s->elapsed_s);
		c->complete = true;
	} else {
		look_at_sites(c, s);
	}
	c->looked_s = s->elapsed_s;
}

double collections_last(const struct collections_runs *r, double before_s)
{
	size_t kept = r->count < COLLECTIONS_MARKS ? r->count : COLLECTIONS_MARKS;

	for (size_t i = 1; i <= kept; i++) {
		const struct collections_mark *m = &r->mark[(r->count - i) % COLLECTIONS_MARKS];

		if (m->by_s <= before_s)
			return m->after_s;
	}
	return NAN;
}
