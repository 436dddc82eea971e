/* A sorted array that is made anew each tick, since the groups come sorted as well. */
#include "analyse/recent.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double span_s[RECENT_SPANS] = { 16, 64, 256 };

void recent_done(struct recent *r)
{
	free(r->list);
	free(r->made);
	*r = (struct recent){};
}

void recent_begin(struct recent *r)
{
	r->cursor = r->made_count = 0;
}

void recent_end(struct recent *r)
{
	struct recent_group *list = r->list;
	size_t room = r->room;

	r->list = r->made;
	r->count = r->made_count;
	r->room = r->made_room;
	r->made = list;
	r->made_room = room;
	r->made_count = 0;
}

/* The group's place in this tick's array, with what was known of it; NULL at the limit. */
static int place(struct recent *r, uint64_t key, struct recent_group **ret)
{
	struct recent_group *g;

	*ret = NULL;
	if (r->made_count >= r->limit) {
		r->refused++;
		return 0;
	}
	if (r->made_count == r->made_room) {
		size_t room = r->made_room ? r->made_room * 2 : 64;
		struct recent_group *grown = reallocarray(r->made, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		r->made = grown;
		r->made_room = room;
	}
	while (r->cursor < r->count && r->list[r->cursor].key < key)
		r->cursor++;
	g = &r->made[r->made_count++];
	if (r->cursor < r->count && r->list[r->cursor].key == key)
		*g = r->list[r->cursor];
	else
		*g = (struct recent_group){ .key = key };
	*ret = g;
	return 0;
}

static void read_mark(const struct recent_mark *m, double now_s, double allocated,
		      const double *freed_by_age, struct survival_recent *ret)
{
	ret->span_s = now_s - (double)m->t_s;
	ret->before_s = (double)m->t_s;
	ret->born = fmax(allocated - (double)m->allocated, 0);
	for (int b = 0; b < MT_AGE_BUCKETS; b++) {
		ret->freed_before[b] = fmin((double)m->freed_by_age[b], freed_by_age[b]);
		ret->freed[b] = freed_by_age[b] - ret->freed_before[b];
	}
}

int recent_add(struct recent *r, uint64_t key, double now_s, double allocated,
	       const double *freed_by_age, struct survival_recent *ret, size_t *ret_count)
{
	struct recent_mark now = { .t_s = (float)now_s, .allocated = (float)allocated };
	struct recent_group *g;
	size_t n = 0;
	int res = place(r, key, &g);

	if (res < 0)
		return res;
	*ret_count = 0;
	if (!g || !(now_s > 0) || !isfinite(now_s))
		return 0;
	for (int b = 0; b < MT_AGE_BUCKETS; b++)
		now.freed_by_age[b] = (float)freed_by_age[b];
	for (int i = 0; i < RECENT_SPANS; i++) {
		if (!(g->next[i].t_s > 0))
			g->next[i] = now;
		if (now_s - (double)g->next[i].t_s >= span_s[i]) {
			g->mark[i] = g->next[i];
			g->next[i] = now;
		}
		if (g->mark[i].t_s > 0 && now_s > (double)g->mark[i].t_s)
			read_mark(&g->mark[i], now_s, allocated, freed_by_age, &ret[n++]);
	}
	*ret_count = n;
	return 0;
}
