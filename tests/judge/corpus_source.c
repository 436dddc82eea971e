/* One second of one source: each kind of cache, pool, queue or churn in a few lines. */
#include "corpus_source.h"

#include <math.h>

#define MAJOR_EVERY 8 /* collections */
#define PROMOTED 0.15 /* of what a collection finds: freed by the next major one */
#define LOG_NORMAL_SIGMA 0.8
#define PARETO 1.7

static double life_of(struct rng *r, enum life_kind kind, double mean_s)
{
	if (kind == LIFE_LOG_NORMAL)
		return mean_s * exp(LOG_NORMAL_SIGMA * rng_normal(r) -
				    LOG_NORMAL_SIGMA * LOG_NORMAL_SIGMA / 2);
	if (kind == LIFE_PARETO)
		return mean_s * (PARETO - 1) / PARETO * pow(rng_unit(r), -1 / PARETO);
	return rng_exponential(r, mean_s);
}

static double bytes_of(struct corpus_process *p, size_t site)
{
	return floor(p->engine.site[site].bytes * rng_between(&p->rng, 0.5, 1.5));
}

static bool leaks_now(struct corpus_process *p, const struct source *s, double t)
{
	const struct engine_site *site = &p->engine.site[s->site];

	return s->leak_share > 0 && t >= site->onset_s && rng_unit(&p->rng) < s->leak_share;
}

static int leak_one(struct corpus_process *p, const struct source *s, double t)
{
	struct engine_site *site = &p->engine.site[s->site];
	double bytes = bytes_of(p, s->site);
	uint64_t before = site->counts.born_records;
	int r = engine_add(&p->engine, s->site, t, ENGINE_FOREVER, bytes);

	if (site->counts.born_records == before)
		return r; /* not sampled: nobody can know of it */
	site->leaked++;
	site->leaked_bytes += bytes;
	return r;
}

static int live_and_die(struct corpus_process *p, size_t site, double t, double life_s)
{
	return engine_add(&p->engine, site, t, life_s, bytes_of(p, site));
}

/* A cache with a cap: the new one takes the place of the oldest, or of any. */
static void put_into_cache(struct corpus_process *p, struct source *s, double t)
{
	double bytes = bytes_of(p, s->site);
	struct kept *at;

	if (!s->cap)
		return;
	if (s->count < s->cap) {
		at = &s->kept[s->count++];
	} else {
		at = &s->kept[s->kind == SOURCE_FIFO ? s->head
						     : (size_t)rng_below(&p->rng, (int)s->cap)];
		s->head = (s->head + 1) % s->cap;
		engine_died(&p->engine, s->site, at->born_s, t, at->held);
	}
	*at = (struct kept){ t, engine_born(&p->engine, s->site, t, bytes), 0 };
}

/* Somebody needs one for a while: a free one, or one more. */
static void use_pool(struct corpus_process *p, struct source *s, double t)
{
	size_t i = 0;

	while (i < s->count && s->kept[i].until_s > t)
		i++;
	if (i == s->cap)
		return;
	if (i == s->count) {
		s->count++;
		engine_born(&p->engine, s->site, t, bytes_of(p, s->site));
	}
	s->kept[i].until_s = t + rng_exponential(&p->rng, s->life_s);
}

static int begin_session(struct corpus_process *p, struct source *s, double t)
{
	double life_s = life_of(&p->rng, s->life, s->life_s);
	int r = 0;

	for (size_t i = 0; i < s->cap && r == 0; i++)
		r = leaks_now(p, s, t) ? leak_one(p, s, t) : live_and_die(p, s->site, t, life_s);
	for (size_t k = 0; k < s->more_count; k++)
		for (size_t i = 0; i < s->cap && r == 0; i++)
			r = live_and_die(p, s->more[k], t, life_s);
	return r;
}

static int collect_later(struct corpus_process *p, struct source *s, double t)
{
	double dies = t + rng_exponential(&p->rng, s->life_s);
	double found = ceil(dies / s->period_s) * s->period_s;

	if (rng_unit(&p->rng) < PROMOTED)
		found = ceil(found / (MAJOR_EVERY * s->period_s)) * MAJOR_EVERY * s->period_s;
	return live_and_die(p, s->site, t, found - t);
}

/* life_s: work for each. At full load it may be more than there is time for; what would have to
 * wait for longer than period_s is refused. */
static int put_into_queue(struct corpus_process *p, struct source *s, double t)
{
	if (s->busy - t > s->period_s)
		return 0;
	s->busy = fmax(s->busy, t) + rng_exponential(&p->rng, s->life_s);
	return live_and_die(p, s->site, t, s->busy - t);
}

static int come(struct corpus_process *p, struct source *s, double t)
{
	if (s->kind != SOURCE_SESSIONS && leaks_now(p, s, t))
		return leak_one(p, s, t);
	switch (s->kind) {
	case SOURCE_FIFO:
	case SOURCE_EVICTING: put_into_cache(p, s, t); return 0;
	case SOURCE_POOL: use_pool(p, s, t); return 0;
	case SOURCE_SESSIONS: return begin_session(p, s, t);
	case SOURCE_COLLECTED: return collect_later(p, s, t);
	case SOURCE_QUEUE: return put_into_queue(p, s, t);
	case SOURCE_EXPIRY: return live_and_die(p, s->site, t, s->life_s);
	case SOURCE_SHRINKING:
		return live_and_die(p, s->site, t, s->from_s + rng_unit(&p->rng) * s->life_s);
	case SOURCE_START:
	case SOURCE_FILLING: return live_and_die(p, s->site, t, ENGINE_FOREVER);
	default: return live_and_die(p, s->site, t, life_of(&p->rng, s->life, s->life_s));
	}
}

/* The new set is made, then the old one goes. */
static void reload(struct corpus_process *p, struct source *s, double t)
{
	size_t old = s->count, n = (size_t)((double)s->cap * rng_between(&p->rng, 0.8, 1));

	for (size_t i = 0; i < n; i++) {
		double bytes = bytes_of(p, s->site);

		if (i < old)
			engine_died(&p->engine, s->site, s->kept[i].born_s, t, s->kept[i].held);
		s->kept[i] = (struct kept){ t, engine_born(&p->engine, s->site, t, bytes), 0 };
	}
	for (size_t i = n; i < old; i++)
		engine_died(&p->engine, s->site, s->kept[i].born_s, t, s->kept[i].held);
	s->count = n;
	s->next_s = t + s->period_s * rng_between(&p->rng, 0.8, 1.2);
}

static double rate_at(const struct corpus_process *p, const struct source *s, double t)
{
	double load = p->load[(size_t)t];

	switch (s->kind) {
	case SOURCE_START: return t >= floor(s->from_s) && t < s->to_s ? s->rate : 0;
	case SOURCE_SHRINKING: return t < 1 ? s->rate : 0;
	case SOURCE_FILLING: /* steady: like log t, else like 1 - e^-t */
		if (s->steady)
			return t < 20 * s->life_s ? 0.3 * s->rate / (1 + t / s->life_s) : 0;
		return s->rate * exp(-t / s->life_s);
	default: return t >= s->from_s && t < s->to_s ? s->rate * load : 0;
	}
}

int source_play(struct corpus_process *p, struct source *s)
{
	double from = (double)p->engine.second, to = from + 1, rate = rate_at(p, s, from);

	if (s->kind == SOURCE_RELOADED) {
		if (s->next_s < to && s->cap)
			reload(p, s, from + 0.5);
		return 0;
	}
	if (!(rate > 0))
		return 0;
	for (double t = from + rng_exponential(&p->rng, 1 / rate); t < to;
	     t += rng_exponential(&p->rng, 1 / rate)) {
		int r = come(p, s, t);

		if (r < 0)
			return r;
	}
	return 0;
}
