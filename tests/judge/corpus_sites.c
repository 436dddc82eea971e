/* What processes are made of: sites, their sources of things, and the load. */
#include "corpus_sites.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "corpus_source.h"

static struct source *add_source(struct corpus_process *p, enum source_kind kind, size_t site)
{
	struct source *s = &p->source[p->sources++];

	*s = (struct source){ .kind = kind, .site = site, .to_s = p->engine.end_s };
	return s;
}

/* Adds a source to a new heap site. */
static struct source *add(struct corpus_process *p, enum source_kind kind)
{
	int site = engine_add_site(&p->engine, MT_SITE_HEAP, rng_scale(&p->rng, 64, 20000));

	return site < 0 ? NULL : add_source(p, kind, (size_t)site);
}

static void add_cap(struct source *s, double cap)
{
	s->cap = (size_t)fmin(fmax(cap, 1), 100000);
	s->kept = calloc(s->cap, sizeof(*s->kept));
	if (!s->kept)
		s->cap = 0;
}

static void make_churn(struct rng *r, bool wide, struct source *s)
{
	s->kind = SOURCE_CHURN;
	s->rate = rng_scale(r, 0.5, 63);
	s->life = (enum life_kind)rng_below(r, 3);
	s->life_s = wide ? rng_scale(r, 0.05, 60) : rng_scale(r, 0.1, 20);
	if (wide && s->life_s > 10 && s->rate > 20)
		s->rate /= 4; /* no one holds thousands for minutes */
}

static void add_filling(struct corpus_process *p, struct source *s)
{
	struct rng *r = &p->rng;

	s->life_s = p->engine.end_s * rng_scale(r, 0.005, 0.15);
	s->rate = rng_scale(r, 30, 5000) / s->life_s;
	s->steady = rng_unit(r) < 0.5; /* then a logarithm, not an exponential */
}

static void add_pool(struct corpus_process *p, struct source *s)
{
	s->rate = rng_scale(&p->rng, 2, 60);
	s->life_s = rng_scale(&p->rng, 0.2, 4);
	add_cap(s, 4096);
}

static void add_cache(struct corpus_process *p, struct source *s, bool wide)
{
	double residence = rng_scale(&p->rng, 5, wide ? 600 : 120);

	s->rate = rng_scale(&p->rng, 0.5, 63);
	add_cap(s, s->rate * residence);
}

static void add_start(struct corpus_process *p, struct source *s, bool wide)
{
	bool late = wide && rng_unit(&p->rng) < 0.3; /* a plug-in, a second phase */

	s->rate = rng_scale(&p->rng, 5, 500);
	s->from_s = late ? rng_between(&p->rng, 0, p->engine.end_s * 0.8) : 0;
	s->to_s = s->from_s + rng_scale(&p->rng, 0.5, wide ? 30 : 10);
}

/* Descriptors instead of memory. */
static void make_descriptors(struct corpus_process *p, size_t site)
{
	struct engine_site *s = &p->engine.site[site];

	s->kind = rng_unit(&p->rng) < 0.5 ? MT_SITE_FD : MT_SITE_SOCKET;
	s->class = CLASS_file_handles;
	s->bytes = 0;
}

/* One leak-free site of the narrow variant, or one of the wide one that is like it. */
static int add_plain(struct corpus_process *p, bool wide)
{
	double u = rng_unit(&p->rng);
	struct source *s = add(p, SOURCE_CHURN);

	if (!s)
		return -ENOMEM;
	if (u < 0.55) {
		make_churn(&p->rng, wide, s);
		if (u < 0.05)
			make_descriptors(p, s->site);
		return 0;
	}
	s->kind = u < 0.67   ? SOURCE_START
		  : u < 0.82 ? SOURCE_FIFO
		  : u < 0.92 ? SOURCE_POOL
			     : SOURCE_FILLING;
	if (s->kind == SOURCE_START)
		add_start(p, s, wide);
	else if (s->kind == SOURCE_FIFO)
		add_cache(p, s, wide);
	else if (s->kind == SOURCE_POOL)
		add_pool(p, s);
	else
		add_filling(p, s);
	return 0;
}

static int add_sessions(struct corpus_process *p, struct source *s)
{
	s->rate = rng_scale(&p->rng, 0.02, 3); /* sessions begun per second */
	s->life = (enum life_kind)rng_below(&p->rng, 3);
	s->life_s = rng_scale(&p->rng, 10, 300);
	s->cap = (size_t)rng_scale(&p->rng, 1, 20); /* things of each, at each site */
	s->more_count = (size_t)rng_below(&p->rng, 3);
	for (size_t i = 0; i < s->more_count; i++) {
		int site = engine_add_site(&p->engine, MT_SITE_HEAP, rng_scale(&p->rng, 64, 20000));

		if (site < 0)
			return site;
		s->more[i] = (size_t)site;
	}
	/* Requests allocate by the same paths. */
	if (rng_unit(&p->rng) < 0.3) {
		struct source *beside = add_source(p, SOURCE_CHURN, s->site);

		beside->rate = rng_scale(&p->rng, 0.5, 20);
		beside->life_s = rng_scale(&p->rng, 0.05, 2);
	}
	return 0;
}

static int add_correlated(struct corpus_process *p)
{
	static const enum source_kind kinds[] = {
		SOURCE_EVICTING, SOURCE_SESSIONS, SOURCE_COLLECTED, SOURCE_EXPIRY,
		SOURCE_QUEUE,	 SOURCE_RELOADED, SOURCE_SHRINKING,
	};
	struct rng *r = &p->rng;
	struct source *s = add(p, kinds[rng_below(r, 7)]);

	if (!s)
		return -ENOMEM;
	s->rate = rng_scale(r, 0.5, 40);
	s->life_s = rng_scale(r, 0.1, 5);
	switch (s->kind) {
	case SOURCE_EVICTING: add_cache(p, s, true); break;
	case SOURCE_SESSIONS: return add_sessions(p, s);
	case SOURCE_COLLECTED:
		s->period_s = rng_scale(r, 2, 60);
		p->engine.site[s->site].class = CLASS_buffers;
		break;
	case SOURCE_EXPIRY: s->life_s = rng_scale(r, 5, 300); break;
	case SOURCE_QUEUE:
		s->life_s = rng_scale(r, 0.5, 1.1) / s->rate;
		s->period_s = rng_scale(r, 2, 120);
		break;
	case SOURCE_RELOADED:
		s->period_s = rng_scale(r, 30, 1200);
		add_cap(s, rng_scale(r, 10, 2000));
		break;
	default:
		s->rate = rng_scale(r, 200, 5000); /* within the first second */
		s->from_s = p->engine.end_s * rng_between(r, 0, 0.3);
		s->life_s = p->engine.end_s * rng_between(r, 0.3, 0.7);
		break;
	}
	return 0;
}

static void leak_from(struct corpus_process *p, size_t site, double onset_s, double usual_s)
{
	struct engine_site *s = &p->engine.site[site];

	s->leaks = true;
	s->onset_s = onset_s;
	s->usual_s = usual_s;
}

static int add_narrow_leak(struct corpus_process *p)
{
	struct rng *r = &p->rng;
	struct source *s = add(p, SOURCE_CHURN);

	if (!s)
		return -ENOMEM;
	make_churn(r, false, s);
	s->leak_share = rng_unit(r) < 0.3 ? 1 : pow(10, rng_between(r, -1.7, 0));
	leak_from(p, s->site, rng_between(r, 0, 0.3 * p->engine.end_s), s->life_s);
	return 0;
}

/* Several call paths of one owner; each leaks, or only the first. */
static int add_paths(struct corpus_process *p, struct source *first, double onset_s)
{
	struct rng *r = &p->rng;
	int paths = 1 + rng_below(r, 3);
	bool all = rng_unit(r) < 0.6;

	for (int i = 0; i < paths; i++) {
		struct source *s = add(p, SOURCE_CHURN);

		if (!s)
			return -ENOMEM;
		p->engine.site[s->site].owner = p->engine.site[first->site].owner;
		s->rate = first->rate * rng_scale(r, 0.3, 3);
		s->life = first->life;
		s->life_s = first->life_s;
		if (!all)
			continue;
		s->leak_share = first->leak_share;
		leak_from(p, s->site, onset_s, s->life_s);
	}
	return 0;
}

/* Most of what can go wrong: at a churn, in sessions, caches, collected heaps; early or late;
 * from one thing in a minute up. */
static int add_wide_leak(struct corpus_process *p)
{
	static const enum source_kind kinds[] = {
		SOURCE_CHURN, SOURCE_CHURN,    SOURCE_CHURN,	 SOURCE_CHURN,
		SOURCE_FIFO,  SOURCE_SESSIONS, SOURCE_COLLECTED, SOURCE_EXPIRY,
	};
	struct rng *r = &p->rng;
	double onset_s = rng_unit(r) < 0.2 ? 0 : rng_between(r, 0, 0.6 * p->engine.end_s);
	struct source *s = add(p, kinds[rng_below(r, 8)]);
	double leaked_per_s = rng_scale(r, 0.02, 10), per_s;

	if (!s)
		return -ENOMEM;
	if (s->kind == SOURCE_CHURN)
		make_churn(r, true, s);
	s->rate = s->kind == SOURCE_SESSIONS ? rng_scale(r, 0.1, 3) : rng_scale(r, 0.5, 63);
	if (s->kind != SOURCE_CHURN)
		s->life_s = rng_scale(r, 5, 60);
	if (s->kind == SOURCE_SESSIONS)
		s->cap = (size_t)rng_scale(r, 1, 20);
	if (s->kind == SOURCE_FIFO)
		add_cap(s, s->rate * s->life_s);
	if (s->kind == SOURCE_COLLECTED) {
		p->engine.site[s->site].class = CLASS_buffers;
		s->period_s = rng_scale(r, 2, 60);
		s->life_s = rng_scale(r, 0.1, 5);
	}
	per_s = s->rate * (s->kind == SOURCE_SESSIONS ? (double)s->cap : 1);
	s->leak_share = rng_unit(r) < 0.2 ? 1 : fmin(leaked_per_s / per_s, 1);
	leak_from(p, s->site, onset_s, s->life_s);
	return s->kind == SOURCE_CHURN && rng_unit(r) < 0.3 ? add_paths(p, s, onset_s) : 0;
}

/* Day and night, bursts, a ramp, a step, pauses; 1 on average, more or less. */
static void make_load(struct corpus_process *p)
{
	struct rng *r = &p->rng;
	int kind = rng_below(r, 7);
	double period = rng_scale(r, 120, 2 * p->engine.end_s), depth = rng_between(r, 0.3, 0.9);
	double phase = rng_between(r, 0, 7), at = rng_between(r, 0, p->engine.end_s);
	double on_s = rng_scale(r, 3, 60), off_s = on_s * rng_between(r, 1, 5), until = 0;
	bool on = false;

	for (size_t i = 0; i <= ENGINE_SECONDS; i++) {
		double t = (double)i, load = 1;

		if (t >= until) {
			on = !on;
			until = t + rng_exponential(r, on ? on_s : off_s);
		}
		if (kind == 1)
			load = 1 + depth * sin(phase + 2 * M_PI * t / period);
		else if (kind == 2)
			load = on ? 2.5 : 0.3;
		else if (kind == 3)
			load = fmin(0.2 + 1.2 * t / fmin(period, 600), 1.4);
		else if (kind == 4)
			load = t < at ? 1 : 1 + depth;
		else if (kind == 5)
			load = t < at ? 1 : 1 - depth;
		else if (kind == 6)
			load = on ? 0 : 1.2;
		p->load[i] = (float)load;
	}
}

static int fill_process(struct corpus_process *p, bool wide)
{
	int sites = 6 + rng_below(&p->rng, 10), leaks = p->leaking ? 1 + rng_below(&p->rng, 2) : 0;
	int r = 0;

	make_load(p);
	for (int i = 0; i < sites - leaks && r == 0 && p->engine.sites < ENGINE_SITES - 10; i++)
		r = wide && rng_unit(&p->rng) < 0.45 ? add_correlated(p) : add_plain(p, wide);
	for (int i = 0; i < leaks && r == 0; i++)
		r = wide ? add_wide_leak(p) : add_narrow_leak(p);
	return r;
}

int corpus_process_new(uint64_t seed, uint64_t number, bool wide, bool leaking,
		       struct corpus_process **ret)
{
	auto_clean(corpus_process_freep) struct corpus_process *p = calloc(1, sizeof(*p));
	uint64_t family = seed * 4 + wide * 2 + leaking;
	int r;

	if (!p)
		return -ENOMEM;
	p->rng = rng_new(family, number);
	p->leaking = leaking;
	r = engine_init(&p->engine, leaking ? floor(rng_scale(&p->rng, 240, 5400))
					    : floor(rng_scale(&p->rng, 600, ENGINE_SECONDS)));
	if (r == 0)
		r = fill_process(p, wide);
	if (r < 0)
		return r;
	*ret = steal(p);
	return 0;
}

void corpus_process_free(struct corpus_process *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->sources; i++)
		free(p->source[i].kept);
	engine_done(&p->engine);
	free(p);
}

void corpus_process_freep(struct corpus_process **p)
{
	corpus_process_free(*p);
}

int corpus_process_play(struct corpus_process *p, double to_s)
{
	while ((double)p->engine.second < fmin(to_s, p->engine.end_s)) {
		for (size_t i = 0; i < p->sources; i++) {
			int r = source_play(p, &p->source[i]);

			if (r < 0)
				return r;
		}
		if (engine_close_second(&p->engine) < 0)
			return -ENOMEM;
	}
	return 0;
}
