/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Instructions between which no probe can sit belong to one region, in which every call is at the
 * same stage. Stages are given to regions so that the sites between them can be probed for the
 * least; a search with a bound, in the order in which a call meets the regions.
 */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "collect/probe_exit_impl.h"

#define STEPS_MAX 400000u

/* Whether a site can be used for this step, on one way only or on all that are open. */
static bool is_possible(const struct exit_site *s, enum mt_point point, bool conditional, int way)
{
	const bool result = conditional ? s->way_result[way] : s->whole;

	if (conditional && !s->branch)
		return false;
	switch (point) {
	case MT_POINT_WHOLE: return s->sized && result;
	case MT_POINT_SIZE: return s->sized;
	case MT_POINT_RESULT: return result;
	case MT_POINT_CALL: return s->call && !conditional;
	}
	return false;
}

static bool step_between(enum stage before, enum stage after, enum mt_point *ret)
{
	if (before == STAGE_NEW && after != STAGE_NEW)
		*ret = after == STAGE_DONE ? MT_POINT_WHOLE : MT_POINT_SIZE;
	else if (before == STAGE_SIZED && after == STAGE_DONE)
		*ret = MT_POINT_RESULT;
	else
		return false;
	return true;
}

bool exit_use_of(const struct exit_site *s, enum stage before, const enum stage after[FLOW_WAYS],
		 struct exit_use *ret)
{
	struct exit_use use = { .used = true, .cost = s->weight };
	unsigned changed = 0, same = 0;

	for (int w = 0; w < FLOW_WAYS; w++) {
		if (!s->open[w])
			continue;
		if (after[w] == before) {
			same++;
			continue;
		}
		if (changed && after[w] != after[use.way])
			return false;
		changed++;
		use.way = w;
	}
	*ret = (struct exit_use){ 0 };
	if (!changed)
		return true;
	if (!step_between(before, after[use.way], &use.point))
		return false;
	if (same || !is_possible(s, use.point, false, 0)) {
		use.conditional = changed == 1 && is_possible(s, use.point, true, use.way);
		if (!use.conditional) {
			if (same || use.point != MT_POINT_WHOLE || !s->call)
				return false;
			use.point = MT_POINT_CALL;
			use.cost = (uint32_t)((uint64_t)s->weight * EXIT_CALL_COST / 1000);
		}
	}
	*ret = use;
	return true;
}

struct search {
	struct exit_plan *plan;
	uint16_t *order; /* owned: regions as they are met */
	uint16_t *due;	 /* owned: of each site, the last position of its regions */
	uint8_t *stage;	 /* owned */
	uint8_t *best;	 /* borrowed: the plan's */
	uint32_t steps;
	bool found;
};

static void search_done(struct search *s)
{
	free(s->order);
	free(s->due);
	free(s->stage);
}

/* What the sites cost whose regions are now all decided, or EXIT_IMPOSSIBLE. */
static uint32_t cost_at(const struct search *s, uint16_t position)
{
	const struct exit_plan *p = s->plan;
	enum stage after[FLOW_WAYS];
	struct exit_use use;
	uint32_t cost = 0;

	for (size_t i = 0; i < p->sites; i++) {
		if (s->due[i] != position)
			continue;
		for (int w = 0; w < FLOW_WAYS; w++)
			after[w] = s->stage[p->site[i].after[w]];
		if (!exit_use_of(&p->site[i], s->stage[p->site[i].before], after, &use))
			return EXIT_IMPOSSIBLE;
		cost += use.cost * use.used;
	}
	return cost;
}

static void descend(struct search *s, uint16_t position, uint32_t cost)
{
	static const enum stage choice[] = { STAGE_DONE, STAGE_NEW, STAGE_SIZED };
	struct exit_plan *p = s->plan;
	uint16_t region;
	uint32_t more;

	if (cost >= p->cost || ++s->steps > STEPS_MAX)
		return;
	if (position == p->regions) {
		p->cost = cost;
		memcpy(s->best, s->stage, p->regions);
		s->found = true;
		return;
	}
	region = s->order[position];
	for (unsigned i = 0; i < STAGES; i++) {
		if ((region == p->first && choice[i] != STAGE_NEW) ||
		    (region == p->last && choice[i] != STAGE_DONE))
			continue;
		s->stage[region] = choice[i];
		more = cost_at(s, position);
		if (more != EXIT_IMPOSSIBLE)
			descend(s, position + 1, cost + more);
	}
}

/* Regions in the order of their first site behind the entry; what is not met comes last. */
static void put_in_order(struct search *s, uint16_t *place)
{
	const struct exit_plan *p = s->plan;
	uint16_t count = 0;

	memset(place, 0xff, p->regions * sizeof(*place));
	place[p->first] = count;
	s->order[count++] = p->first;
	for (uint16_t at = 0; at < count; at++) {
		for (size_t i = 0; i < p->sites; i++) {
			for (int w = 0; w < FLOW_WAYS; w++) {
				const uint16_t to = p->site[i].after[w];

				if (p->site[i].before != s->order[at] || !p->site[i].open[w] ||
				    place[to] != UINT16_MAX)
					continue;
				place[to] = count;
				s->order[count++] = to;
			}
		}
	}
	for (uint16_t r = 0; r < p->regions; r++) {
		if (place[r] != UINT16_MAX)
			continue;
		place[r] = count;
		s->order[count++] = r;
	}
}

bool exit_solve(struct exit_plan *p)
{
	auto_clean(search_done) struct search s = { .plan = p, .best = p->stage };
	auto_free uint16_t *place = calloc(p->regions, sizeof(*place));

	s.order = calloc(p->regions, sizeof(*s.order));
	s.due = calloc(p->sites + 1, sizeof(*s.due));
	s.stage = calloc(p->regions, 1);
	if (!place || !s.order || !s.due || !s.stage || p->first == p->last)
		return false;
	put_in_order(&s, place);
	for (size_t i = 0; i < p->sites; i++) {
		s.due[i] = place[p->site[i].before];
		for (int w = 0; w < FLOW_WAYS; w++)
			if (p->site[i].open[w] && place[p->site[i].after[w]] > s.due[i])
				s.due[i] = place[p->site[i].after[w]];
	}
	descend(&s, 0, 0);
	return s.found;
}
