#include "site_engine.h"

#include "model/site_estimate.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define NS_PER_S 1000000000ull
#define BASE_BYTES 20e6 /* code, stacks, what was there before */
#define RETURNED 0.5	/* of what is freed goes back to the system; the rest is slack */

int engine_init(struct engine *e, double end_s)
{
	*e = (struct engine){ .end_s = end_s, .things = 1, .room = 1024 };
	e->thing = calloc(e->room, sizeof(*e->thing));
	if (!e->thing || series_new(ENGINE_POINTS, &e->external) < 0) {
		engine_done(e);
		return -ENOMEM;
	}
	e->module = (struct snap_module){ .name = "server", .build_id = "ab12", .main_exe = true };
	return 0;
}

void engine_done(struct engine *e)
{
	for (size_t i = 0; i < e->sites; i++)
		series_free(e->site[i].model.series);
	series_free(e->external);
	free(e->thing);
	*e = (struct engine){};
}

int engine_add_site(struct engine *e, enum mt_site_kind kind, double bytes)
{
	struct engine_site *s = &e->site[e->sites];

	if (e->sites == ENGINE_SITES)
		return -ENOSPC;
	if (series_new(ENGINE_POINTS, &s->model.series) < 0)
		return -ENOMEM;
	s->kind = kind;
	s->bytes = bytes;
	s->class = CLASS_application;
	s->model.number = (uint32_t)e->sites + 1;
	s->owner = (uint32_t)e->sites;
	s->first_s = -1;
	return (int)e->sites++;
}

static void ring_add(__u64 *ring, uint32_t slots, uint64_t epoch, uint64_t weight)
{
	__u64 *slot = &ring[epoch % slots];

	*slot = (*slot >> 32 == epoch ? *slot : epoch << 32) + weight;
}

static void ring_remove(__u64 *ring, uint32_t slots, uint64_t epoch, uint64_t now, uint64_t weight)
{
	__u64 *slot = &ring[epoch % slots];

	if (now - epoch < slots - 1 && *slot >> 32 == epoch && (uint32_t)*slot >= weight)
		*slot -= weight;
}

static uint32_t tenths(double t_s)
{
	return (uint32_t)(t_s * 10);
}

void engine_count_birth(struct engine *e, size_t site, uint64_t held, uint32_t born_ds)
{
	struct mt_site *c = &e->site[site].counts;
	uint64_t second = born_ds / 10, weight = mt_held_weight(held);

	c->alloc_bytes += mt_held_size(held) * weight;
	c->alloc_count += weight;
	c->born_records++;
	c->born_var += mt_held_var(held);
	ring_add(c->fine, MT_FINE_SLOTS, second / MT_FINE_SECS, weight);
	ring_add(c->coarse, MT_COARSE_SLOTS, second / MT_COARSE_SECS, weight);
}

void engine_count_death(struct engine *e, size_t site, uint64_t held, uint32_t born_ds,
			uint32_t dies_ds)
{
	struct mt_site *c = &e->site[site].counts;
	uint32_t age_s = dies_ds > born_ds ? (dies_ds - born_ds) / 10 : 0;
	uint32_t born = born_ds / 10, now = dies_ds / 10;
	uint64_t weight = mt_held_weight(held);

	c->free_bytes += mt_held_size(held) * weight;
	c->free_count += weight;
	c->died_records++;
	c->died_var += mt_held_var(held);
	c->freed_by_age[age_bucket(age_s * NS_PER_S)] += weight;
	ring_remove(c->fine, MT_FINE_SLOTS, born / MT_FINE_SECS, now / MT_FINE_SECS, weight);
	ring_remove(c->coarse, MT_COARSE_SLOTS, born / MT_COARSE_SECS, now / MT_COARSE_SECS,
		    weight);
}

/* What one block is recorded as; 0: it is not. */
static uint64_t sampled(struct engine *e, double bytes)
{
	double chance, w;

	if (!(e->gap > 0) || !(bytes > 0))
		return mt_held((uint64_t)bytes, 1);
	chance = 1 - exp(-fmax(bytes, MT_LEAST_BYTES) / e->gap);
	if (rng_unit(&e->rng) >= chance)
		return 0;
	w = floor(1 / chance);
	return mt_held((uint64_t)bytes, (uint64_t)w + (rng_unit(&e->rng) < 1 / chance - w));
}

uint64_t engine_born(struct engine *e, size_t site, double born_s, double bytes)
{
	struct engine_site *s = &e->site[site];
	uint64_t held = sampled(e, bytes);

	if (!held)
		return 0;
	if (s->first_s < 0)
		s->first_s = born_s;
	s->last_s = born_s;
	engine_count_birth(e, site, held, tenths(born_s));
	return held;
}

void engine_died(struct engine *e, size_t site, double born_s, double dies_s, uint64_t held)
{
	if (held)
		engine_count_death(e, site, held, tenths(born_s), tenths(dies_s));
}

/* An unused thing; 0 when there is no memory. */
static uint32_t new_thing(struct engine *e)
{
	uint32_t i = e->spare;

	if (i) {
		e->spare = e->thing[i].next;
		return i;
	}
	if (e->things == e->room) {
		struct engine_thing *grown = reallocarray(e->thing, e->room * 2, sizeof(*e->thing));

		if (!grown)
			return 0;
		e->thing = grown;
		e->room *= 2;
	}
	return e->things++;
}

int engine_add(struct engine *e, size_t site, double born_s, double life_s, double bytes)
{
	double dies_s = born_s + fmax(life_s, 0);
	uint64_t held = engine_born(e, site, born_s, bytes);
	uint32_t i;

	if (!held || !(dies_s < e->end_s))
		return 0;
	i = new_thing(e);
	if (!i)
		return -ENOMEM;
	e->thing[i] = (struct engine_thing){
		.born_ds = tenths(born_s),
		.dies_ds = tenths(dies_s),
		.held = held,
		.site = (uint32_t)site,
		.next = e->due[(size_t)dies_s],
	};
	e->due[(size_t)dies_s] = i;
	return 0;
}

static int add_points(struct engine *e)
{
	uint64_t now_ns = (e->second + 1) * NS_PER_S;
	double live = 0;
	int r = 0;

	for (size_t i = 0; i < e->sites && r == 0; i++) {
		const struct mt_site *c = &e->site[i].counts;

		live += (double)(c->alloc_bytes - c->free_bytes);
		if (!c->alloc_count)
			continue;
		site_read_heap(&e->site[i].model, c, 0, now_ns - NS_PER_S / 10);
		r = series_add(e->site[i].model.series, now_ns, site_live_bytes(&e->site[i].model),
			       site_live_count(&e->site[i].model));
	}
	e->high_water = fmax(e->high_water, live);
	live = e->resident > 0 ? BASE_BYTES + e->resident
			       : BASE_BYTES + RETURNED * live + (1 - RETURNED) * e->high_water;
	return r ? r : series_add(e->external, now_ns, (uint64_t)live, 0);
}

int engine_close_second(struct engine *e)
{
	uint32_t next;
	int r;

	for (uint32_t i = e->due[e->second]; i; i = next) {
		const struct engine_thing *x = &e->thing[i];

		next = x->next;
		engine_count_death(e, x->site, x->held, x->born_ds, x->dies_ds);
		e->thing[i].next = e->spare;
		e->spare = i;
	}
	r = add_points(e);
	e->second++;
	return r;
}

static size_t copy_series(const struct series *s, double *t, double *bytes, double *count)
{
	const struct series_point *p = series_points(s);
	size_t n = series_count(s);

	for (size_t i = 0; i < n; i++) {
		t[i] = p[i].t_cs / 100.0;
		bytes[i] = (double)p[i].bytes;
		if (count)
			count[i] = p[i].count;
	}
	return n;
}

static void show_site(struct engine *e, size_t i, struct snap_site *ret)
{
	struct engine_site *s = &e->site[i];
	size_t n;

	site_read_heap(&s->model, &s->counts, 0, e->second * NS_PER_S - NS_PER_S / 10);
	n = copy_series(s->model.series, s->t, s->live_bytes, s->live);
	e->frame[i] = (struct snap_frame){ .offset = 0x1000 + s->owner * 16 };
	*ret = (struct snap_site){
		.id = 1000 + i,
		.id_final = true,
		.site = (uint32_t)i + 1,
		.kind = s->kind,
		.live_bytes = site_live_bytes(&s->model),
		.live_count = site_live_count(&s->model),
		.allocated_bytes = s->model.alloc_bytes,
		.allocated_count = s->model.alloc_count,
		.freed_bytes = s->model.free_bytes,
		.freed_count = s->model.free_count,
		.ages_known = true,
		.first_seen_s = s->first_s,
		.last_alloc_s = s->last_s,
		.live_bytes_series = { s->t, s->live_bytes, n },
		.live_count_series = { s->t, s->live, n },
		.stack = { &e->frame[i], 1, MT_END_start },
	};
	site_estimate(&s->model, e->unit, &(struct spread_windows){ 0 }, ret);
	for (size_t b = 0; b < MT_AGE_BUCKETS; b++) {
		ret->live_by_age[b] = s->model.live_by_age[b];
		ret->freed_by_age[b] = s->model.freed_by_age[b];
	}
}

const struct snapshot *engine_snapshot(struct engine *e)
{
	size_t shown = 0, n;

	e->unit = 0;
	for (size_t i = 0; i < e->sites; i++)
		e->unit = fmax(e->unit, site_estimate_unit(&e->site[i].model));
	for (size_t i = 0; i < e->sites; i++)
		if (e->site[i].first_s >= 0) {
			e->owners[shown] =
				(struct owner){ .class = e->site[i].class, .confidence = 1 };
			show_site(e, i, &e->snap_site[shown++]);
		}
	n = copy_series(e->external, e->external_t, e->external_v, NULL);
	e->snap = (struct snapshot){
		.pid = 1,
		.elapsed_s = (double)e->second,
		.seq = e->second,
		.alive = true,
		.residency_known = true,
		.heap_traced = true,
		.modules = &e->module,
		.module_count = 1,
		.sites = e->snap_site,
		.site_count = shown,
		.external_series = { e->external_t, e->external_v, n },
	};
	return &e->snap;
}
