/*
 * An exact simulator of call sites for tests of the judge: things are born, live and die; once a
 * second it makes the snapshot that the model would make. Seeded; the truth is known per site.
 */
#pragma once
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "analyse/analysis.h"

#define SIM_SITES 16
#define SIM_SECONDS 601
#define SIM_FOREVER 1e9

struct sim_thing {
	double born, dies;
	double bytes;
};

struct sim_site {
	struct sim_thing *things; /* owned */
	size_t count, room;
	enum mt_site_kind kind;
	enum resource_class class;
	enum touched touched; /* not NONE: pages that it touched */
	bool managed;	      /* mapped for a runtime's heap */
	bool leaks, ages_unknown;
	double leak_from_s;
	double bytes; /* of a usual thing */
	double t[SIM_SECONDS], live[SIM_SECONDS], live_bytes[SIM_SECONDS];
	uint32_t owner; /* sites of one owner have the same number */
};

struct sim {
	uint64_t state;
	double end_s;
	struct sim_site site[SIM_SITES];
	size_t sites;
	double external[SIM_SECONDS], t[SIM_SECONDS];
	struct snap_site snap_site[SIM_SITES];
	struct snap_frame frame[SIM_SITES];
	struct snap_module module;
	struct owner owner[SIM_SITES];
	struct snapshot snap;
};

static inline double sim_random(struct sim *s) /* in (0, 1) */
{
	uint64_t z = s->state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return ((z ^ (z >> 31)) >> 11) * 0x1p-53 + 0x1p-54;
}

static inline double sim_between(struct sim *s, double low, double high)
{
	return low + (high - low) * sim_random(s);
}

static inline double sim_scale(struct sim *s, double low, double high) /* log-uniform */
{
	return low * pow(high / low, sim_random(s));
}

static inline double sim_exponential(struct sim *s, double mean)
{
	return -mean * log(sim_random(s));
}

static inline double sim_normal(struct sim *s)
{
	return sqrt(-2 * log(sim_random(s))) * cos(2 * M_PI * sim_random(s));
}

static inline struct sim_site *sim_add_site(struct sim *s, enum mt_site_kind kind, double bytes)
{
	struct sim_site *site = &s->site[s->sites];

	site->kind = kind;
	site->bytes = bytes;
	site->class = CLASS_application;
	site->owner = (uint32_t)s->sites++;
	return site;
}

static inline void sim_add(struct sim *s, struct sim_site *site, double born, double life)
{
	bool thing = site->kind == MT_SITE_FD || site->kind == MT_SITE_SOCKET ||
		     site->kind == MT_SITE_THREAD;

	if (born > s->end_s)
		return;
	if (site->count == site->room) {
		site->room = site->room ? site->room * 2 : 256;
		site->things = realloc(site->things, site->room * sizeof(*site->things));
		if (!site->things)
			abort();
	}
	site->things[site->count++] = (struct sim_thing){
		.born = born,
		.dies = born + life,
		.bytes = thing ? 0 : site->bytes * sim_between(s, 0.5, 1.5),
	};
}

enum sim_life { SIM_EXPONENTIAL, SIM_LOG_NORMAL, SIM_PARETO };

static inline double sim_life(struct sim *s, enum sim_life kind, double mean)
{
	switch (kind) {
	case SIM_LOG_NORMAL: return mean * exp(0.8 * sim_normal(s) - 0.32);
	case SIM_PARETO: return mean * 0.7 / 1.7 * pow(sim_random(s), -1 / 1.7);
	default: return sim_exponential(s, mean);
	}
}

/* Poisson births at a rate; a share of them is never freed. */
static inline void sim_churn(struct sim *s, struct sim_site *site, double from, double to,
			     double rate, enum sim_life kind, double mean_life, double leak_share)
{
	for (double t = from + sim_exponential(s, 1 / rate); t < to;
	     t += sim_exponential(s, 1 / rate)) {
		bool leaks = sim_random(s) < leak_share;

		sim_add(s, site, t, leaks ? SIM_FOREVER : sim_life(s, kind, mean_life));
	}
}

/* Frees of the site happen in batches, as a collector does them; what is kept stays. */
static inline void sim_collect(struct sim *s, struct sim_site *site, double period)
{
	double phase = sim_between(s, 0, period);

	for (size_t i = 0; i < site->count; i++) {
		struct sim_thing *x = &site->things[i];

		if (x->dies < SIM_FOREVER)
			x->dies = phase + period * ceil((x->dies - phase) / period);
	}
}

static inline int sim_age_bucket(double age)
{
	int b = 0;

	while (b < MT_AGE_BUCKETS - 1 && age >= (1u << b))
		b++;
	return b;
}

static inline void sim_site_at(const struct sim *s, struct sim_site *site, double now, size_t tick,
			       struct snap_site *ret)
{
	double live_bytes = 0;

	for (size_t i = 0; i < site->count; i++) {
		const struct sim_thing *x = &site->things[i];

		if (x->born > now)
			continue;
		if (ret->allocated_count == 0 || x->born < ret->first_seen_s)
			ret->first_seen_s = x->born;
		if (x->born > ret->last_alloc_s)
			ret->last_alloc_s = x->born;
		ret->allocated_count++;
		ret->allocated_bytes += (uint64_t)x->bytes;
		if (x->dies <= now) {
			ret->freed_count++;
			ret->freed_bytes += (uint64_t)x->bytes;
			ret->freed_by_age[sim_age_bucket(x->dies - x->born)]++;
		} else {
			ret->live_count++;
			live_bytes += x->bytes;
			ret->live_by_age[sim_age_bucket(now - x->born)]++;
		}
	}
	ret->live_bytes = (uint64_t)live_bytes;
	site->t[tick] = now;
	site->live[tick] = (double)ret->live_count;
	site->live_bytes[tick] = live_bytes;
	ret->kind = site->kind;
	ret->touched = site->touched;
	ret->managed_bytes = site->managed ? ret->live_bytes : 0;
	ret->ages_known = !site->ages_unknown;
	ret->live_count_series = (struct snap_series){ site->t, site->live, tick + 1 };
	ret->live_bytes_series = (struct snap_series){ site->t, site->live_bytes, tick + 1 };
	(void)s;
}

/* The snapshot of second `tick`; ticks come in order from 0. */
static inline const struct snapshot *sim_tick(struct sim *s, size_t tick)
{
	double now = (double)tick, external = 20e6;

	s->module = (struct snap_module){ .name = "server", .build_id = "ab12", .main_exe = true };
	for (size_t i = 0; i < s->sites; i++) {
		struct snap_site *site = &s->snap_site[i];

		*site = (struct snap_site){ .id = 1000 + i, .site = (uint32_t)i + 1 };
		sim_site_at(s, &s->site[i], now, tick, site);
		external += (double)site->live_bytes;
		s->frame[i] = (struct snap_frame){ .offset = 0x1000 + s->site[i].owner * 16 };
		site->stack = (struct snap_stack){ &s->frame[i], 1, MT_END_start };
		s->owner[i] = (struct owner){ .class = s->site[i].class, .confidence = 1 };
	}
	s->t[tick] = now;
	s->external[tick] = external;
	s->snap = (struct snapshot){
		.pid = 1,
		.elapsed_s = now,
		.seq = tick,
		.alive = true,
		.residency_known = true,
		.heap_traced = true,
		.modules = &s->module,
		.module_count = 1,
		.sites = s->snap_site,
		.site_count = s->sites,
		.external_series = { s->t, s->external, tick + 1 },
	};
	return &s->snap;
}

static inline void sim_begin(struct sim *s, uint64_t seed, double end_s)
{
	memset(s, 0, sizeof(*s));
	s->state = seed * 0x2545f4914f6cdd1du + 1;
	s->end_s = end_s;
}

static inline void sim_done(struct sim *s)
{
	for (size_t i = 0; i < s->sites; i++)
		free(s->site[i].things);
}
