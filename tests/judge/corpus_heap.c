/* Blocks at addresses, seen through windows. Time goes in ticks of 0.2 ms. */
#include "corpus_heap.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "heap_model.h"
#include "memtrace/weight.h"
#include "model/exposure.h"

#define TICKS_S 5000
#define CALENDAR (1u << 20) /* ticks: 210 s */
#define UNITS 16000000u
#define BLOCKS 1500000u
#define LEAK_BYTES_S 20000.

enum lives { EXPONENTIAL, FIXED, HEAVY, BURSTS, FOREVER };

struct heap_source {
	double share; /* of the program's rate; 1 and more: per second whatever that is */
	uint32_t least, most;
	double life_s;
	enum lives lives;
};

static const struct heap_source sources[] = {
	{ 0.4, 16, 200, 0.005, EXPONENTIAL },  { 0.3, 64, 64, 0.005, EXPONENTIAL },
	{ 0.2, 100, 600, 0.004, EXPONENTIAL }, { 0.09, 200, 1000, 0.01, EXPONENTIAL },
	{ 8e-3, 32, 500, 0.1, EXPONENTIAL },   { 1e-3, 32, 800, 1, EXPONENTIAL },
	{ 3e-4, 100, 1000, 3, EXPONENTIAL },   { 2e-4, 48, 400, 2, FIXED },
	{ 2e-5, 300, 900, 50, FIXED },	       { 4e-3, 64, 256, 0.5, BURSTS },
	{ 2e-3, 50, 700, 0.02, HEAVY },	       { 500, 400, 400, 0.01, EXPONENTIAL },
	{ 10, 720, 720, 1, EXPONENTIAL },      { 200, 3000, 9000, 0.05, EXPONENTIAL },
	{ 20, 5000, 20000, 2, EXPONENTIAL },
};

#define SOUND (sizeof(sources) / sizeof(sources[0]))

struct block {
	uint32_t at, next;
};

struct record { /* of the block that begins at a unit */
	uint64_t held;
	uint32_t site, born_ds;
};

struct corpus_heap {
	struct heap_plan plan;
	struct engine engine;
	struct rng rng;
	struct heap_source source[SOUND + 1];
	size_t count;
	struct heap_model *heap;	 /* owned, as are the following */
	struct record *record;		 /* by unit */
	struct block *block;		 /* [0] ends lists */
	uint32_t *due;			 /* blocks by the tick of their end */
	struct overlap_block *list;	 /* of one sweep */
	uint32_t blocks, spare, highest; /* highest unit ever used */
	uint64_t tick;
	bool in;
	double next_s, out_s, since_s; /* windows */
	uint32_t weight_log2;
};

static int add_source(struct corpus_heap *p, const struct heap_source *s)
{
	int site = engine_add_site(&p->engine, MT_SITE_HEAP, s->least);

	if (site < 0)
		return site;
	p->source[p->count++] = *s;
	if (s->lives == FOREVER) {
		p->engine.site[site].leaks = true;
		p->engine.site[site].onset_s = p->plan.leak_from;
	}
	return 0;
}

static int add_sources(struct corpus_heap *p)
{
	uint32_t bytes = p->plan.bytes;
	struct heap_source leak = { 0, bytes ? bytes : 100, bytes ? bytes : 1000, 0, FOREVER };
	int r = 0;

	leak.share = LEAK_BYTES_S * 2 / (leak.least + leak.most);
	for (size_t i = 0; i < SOUND && r == 0; i++)
		r = add_source(p, &sources[i]);
	return r == 0 && p->plan.leaks ? add_source(p, &leak) : r;
}

int corpus_heap_new(const struct heap_plan *plan, struct corpus_heap **ret)
{
	auto_clean(corpus_heap_freep) struct corpus_heap *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	p->plan = *plan;
	p->rng = rng_new(plan->seed, plan->number);
	r = engine_init(&p->engine, plan->end_s);
	if (r == 0)
		r = heap_model_new(UNITS, &p->heap);
	p->record = calloc(UNITS + 1, sizeof(*p->record));
	p->block = calloc(BLOCKS, sizeof(*p->block));
	p->list = calloc(BLOCKS, sizeof(*p->list));
	p->due = calloc(CALENDAR, sizeof(*p->due));
	if (r < 0 || !p->record || !p->block || !p->list || !p->due)
		return -ENOMEM;
	p->blocks = 1;
	p->next_s = plan->window_s < plan->period_s ? plan->period_s * 0.9 : 0;
	p->weight_log2 = (uint32_t)lround(log2(plan->period_s / plan->window_s));
	r = add_sources(p);
	if (r < 0)
		return r;
	*ret = steal(p);
	return 0;
}

void corpus_heap_freep(struct corpus_heap **p)
{
	if (!*p)
		return;
	engine_done(&(*p)->engine);
	heap_model_freep(&(*p)->heap);
	free((*p)->record);
	free((*p)->block);
	free((*p)->list);
	free((*p)->due);
	free(*p);
}

static uint32_t now_ds(const struct corpus_heap *p)
{
	return (uint32_t)(p->tick * 10 / TICKS_S);
}

static void record_end(struct corpus_heap *p, uint32_t at)
{
	struct record *r = &p->record[at];

	if (r->held)
		engine_count_death(&p->engine, r->site, r->held, r->born_ds, now_ds(p));
	r->held = 0;
}

/* What the tracer does when probes have gone out. */
static int sweep(struct corpus_heap *p)
{
	struct site *site[ENGINE_SITES];
	size_t n = 0;

	for (uint32_t u = 1; u <= p->highest && n < BLOCKS; u++)
		if (p->record[u].held)
			p->list[n++] =
				(struct overlap_block){ (uint64_t)u * HEAP_UNIT, p->record[u].held,
							p->record[u].site + 1, p->record[u].born_ds,
							false };
	overlap_find(p->list, n, 0);
	for (size_t i = 0; i < n; i++)
		if (p->list[i].dead)
			record_end(p, (uint32_t)(p->list[i].addr / HEAP_UNIT));
	for (size_t i = 0; i < p->engine.sites; i++)
		site[i] = &p->engine.site[i].model;
	return exposure_settle(site, p->engine.sites, p->list, n,
			       &(struct exposure_window){ (uint32_t)(p->since_s * 10), now_ds(p),
							  p->weight_log2, p->plan.period_s,
							  false });
}

static int look_at_window(struct corpus_heap *p, double now_s)
{
	if (!p->in && now_s >= p->next_s) {
		p->in = true;
		p->since_s = now_s;
		p->out_s =
			p->plan.window_s < p->plan.period_s ? now_s + p->plan.window_s : INFINITY;
		p->next_s += p->plan.period_s;
	} else if (p->in && now_s >= p->out_s) {
		p->in = false;
		return sweep(p);
	}
	return 0;
}

static int poisson(struct rng *r, double mean)
{
	double limit = exp(-mean), product = rng_unit(r);
	int n = 0;

	if (mean > 50)
		return (int)fmax(mean + sqrt(mean) * rng_normal(r) + 0.5, 0);
	for (; product > limit; n++)
		product *= rng_unit(r);
	return n;
}

static double life_of(struct rng *r, const struct heap_source *s)
{
	switch (s->lives) {
	case FIXED: return s->life_s;
	case HEAVY: return s->life_s * 0.4 / 1.4 * pow(rng_unit(r), -1 / 1.4);
	default: return rng_exponential(r, s->life_s);
	}
}

static int come(struct corpus_heap *p, size_t site)
{
	const struct heap_source *s = &p->source[site];
	uint32_t bytes = s->least + (uint32_t)(rng_unit(&p->rng) * (s->most - s->least + 1));
	uint32_t at = heap_model_take(p->heap, bytes), i = p->spare;
	double ticks = s->lives == FOREVER ? CALENDAR : life_of(&p->rng, s) * TICKS_S;

	if (!at || (!i && p->blocks == BLOCKS))
		return -ENOMEM;
	p->highest = at > p->highest ? at : p->highest;
	if (ticks < CALENDAR - 1) {
		uint32_t *due = &p->due[(p->tick + (uint64_t)ceil(fmax(ticks, 1))) % CALENDAR];

		if (i)
			p->spare = p->block[i].next;
		else
			i = p->blocks++;
		p->block[i] = (struct block){ at, *due };
		*due = i;
	}
	if (!p->in)
		return 0;
	record_end(p, at);
	p->record[at] = (struct record){ mt_held(bytes, 1ull << p->weight_log2), (uint32_t)site,
					 now_ds(p) };
	if (p->engine.site[site].first_s < 0)
		p->engine.site[site].first_s = (double)p->tick / TICKS_S;
	p->engine.site[site].last_s = (double)p->tick / TICKS_S;
	engine_count_birth(&p->engine, site, p->record[at].held, now_ds(p));
	return 0;
}

static void let_die(struct corpus_heap *p)
{
	uint32_t *due = &p->due[p->tick % CALENDAR], next;

	for (uint32_t i = *due; i; i = next) {
		next = p->block[i].next;
		if (p->in)
			record_end(p, p->block[i].at);
		heap_model_give(p->heap, p->block[i].at);
		p->block[i].next = p->spare;
		p->spare = i;
	}
	*due = 0;
}

static double rate_of(const struct corpus_heap *p, const struct heap_source *s, double now_s)
{
	double rate = s->share < 1 ? s->share * p->plan.rate : s->share;

	if (s->lives == FOREVER)
		return now_s >= p->plan.leak_from ? rate : 0;
	return s->lives == BURSTS && fmod(now_s, 10) > 0.5 ? 0 : rate;
}

int corpus_heap_play(struct corpus_heap *p, double to_s)
{
	int r = 0;

	while (r == 0 && (double)p->engine.second < fmin(to_s, p->engine.end_s)) {
		for (int k = 0; k < TICKS_S && r == 0; k++, p->tick++) {
			double now_s = (double)p->tick / TICKS_S;

			r = look_at_window(p, now_s);
			let_die(p);
			for (size_t i = 0; i < p->count && r == 0; i++) {
				double mean = rate_of(p, &p->source[i], now_s) / TICKS_S;
				int n = mean > 0 ? poisson(&p->rng, mean) : 0;

				while (n-- > 0 && r == 0)
					r = come(p, i);
			}
		}
		p->engine.resident = (double)p->highest * HEAP_UNIT;
		if (r == 0)
			r = engine_close_second(&p->engine);
	}
	return r;
}

struct engine *corpus_heap_engine(struct corpus_heap *p)
{
	return &p->engine;
}

bool corpus_heap_fills(const struct corpus_heap *p, size_t site)
{
	return p->source[site].life_s >= 50;
}
