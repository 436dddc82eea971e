/* Families of call sites, leak-free and leaking, drawn at random for tests of the judge. */
#pragma once
#include "site_sim.h"

enum clean_family {
	CLEAN_CHURN_EXPONENTIAL, /* lives from 0.1 s to 3 minutes */
	CLEAN_CHURN_LOG_NORMAL,
	CLEAN_CHURN_PARETO,
	CLEAN_INIT,
	CLEAN_FILLING, /* a cache that fills ever more slowly */
	CLEAN_COUPONS, /* a table of distinct keys: growth like log t up to a cap */
	CLEAN_FIFO,
	CLEAN_POOL,
	CLEAN_COLLECTED, /* buffers freed in batches */
	CLEAN_OSCILLATION,
	CLEAN_SPIKE,
	CLEAN_ONE_LARGE,
	CLEAN_STEPS,
	CLEAN_DESCRIPTORS,
	CLEAN_FILLING_CHURN, /* a cache that fills, and short-lived things beside */
	CLEAN_MIXED,	     /* most things die at once, some live for seconds */
	CLEAN_FAMILIES,
};

static inline double sim_bytes(struct sim *s)
{
	return sim_scale(s, 32, 20000);
}

static inline void clean_churn(struct sim *s, enum sim_life life)
{
	struct sim_site *site = sim_add_site(s, MT_SITE_HEAP, sim_bytes(s));

	sim_churn(s, site, 0, s->end_s, sim_scale(s, 0.5, 63), life,
		  life == SIM_EXPONENTIAL ? sim_scale(s, 0.1, 180) : sim_scale(s, 0.1, 20), 0);
}

static inline void clean_fill(struct sim *s, bool coupons)
{
	struct sim_site *site = sim_add_site(s, MT_SITE_HEAP, sim_bytes(s));
	double things = sim_scale(s, 30, 3000), tau = s->end_s * sim_scale(s, 0.05, 0.45);

	for (int i = 0; i < (int)things; i++) {
		double u = sim_random(s);

		/* Coupons: rate proportional to 1 / (1 + t), stopped by the cap. */
		sim_add(s, site, coupons ? expm1(u * log1p(s->end_s * 2)) : -tau * log(u),
			SIM_FOREVER);
	}
}

static inline void clean_fifo(struct sim *s)
{
	struct sim_site *site = sim_add_site(s, MT_SITE_HEAP, sim_bytes(s));
	double rate = sim_scale(s, 2, 63), full_s = s->end_s * sim_between(s, 0.05, 0.6);
	size_t cap = (size_t)(rate * full_s) + 1;

	sim_churn(s, site, 0, s->end_s, rate, SIM_EXPONENTIAL, 1, 1);
	for (size_t i = cap; i < site->count; i++)
		site->things[i - cap].dies = site->things[i].born;
}

static inline void clean_pool(struct sim *s)
{
	struct sim_site *site = sim_add_site(s, MT_SITE_HEAP, sim_scale(s, 200, 60000));
	double rate = sim_scale(s, 5, 60), hold = sim_scale(s, 0.2, 4), busy_until[4096];
	size_t size = 0;

	for (double t = 0; t < s->end_s; t += sim_exponential(s, 1 / rate)) {
		size_t i = 0;

		while (i < size && busy_until[i] > t)
			i++;
		if (i == size && size < 4096) {
			sim_add(s, site, t, SIM_FOREVER);
			size++;
		}
		if (i < 4096)
			busy_until[i] = t + sim_exponential(s, hold);
	}
}

static inline void clean_collected(struct sim *s)
{
	struct sim_site *site = sim_add_site(s, MT_SITE_HEAP, sim_scale(s, 1000, 65536));

	site->class = CLASS_buffers;
	sim_churn(s, site, 0, s->end_s, sim_scale(s, 2, 63), SIM_EXPONENTIAL, sim_scale(s, 0.05, 2),
		  0);
	sim_collect(s, site, sim_scale(s, 5, 30));
}

static inline void clean_oscillation(struct sim *s)
{
	struct sim_site *site = sim_add_site(s, MT_SITE_HEAP, sim_bytes(s));
	double rate = sim_scale(s, 5, 60), period = sim_scale(s, 8, fmax(s->end_s / 2, 9));
	double phase = sim_between(s, 0, 7), life = sim_scale(s, 0.2, period / 4);

	for (double t = 0; t < s->end_s; t += sim_exponential(s, 0.5 / rate))
		if (sim_random(s) < 0.5 + 0.5 * sin(phase + 2 * M_PI * t / period))
			sim_add(s, site, t, sim_exponential(s, life));
}

static inline void clean_bursts(struct sim *s, int bursts, bool kept)
{
	struct sim_site *site = sim_add_site(s, MT_SITE_HEAP, sim_bytes(s));

	for (int b = 0; b < bursts; b++) {
		double at = sim_between(s, 0, s->end_s * (kept ? 0.5 : 0.9));
		double life = kept ? SIM_FOREVER : sim_scale(s, 0.5, 60);
		int things = (int)sim_scale(s, 10, 2000);

		for (int i = 0; i < things; i++)
			sim_add(s, site, at + sim_between(s, 0, 1), life);
	}
}

static inline void clean_descriptors(struct sim *s)
{
	struct sim_site *site =
		sim_add_site(s, sim_random(s) < 0.5 ? MT_SITE_FD : MT_SITE_SOCKET, 0);

	site->class = CLASS_file_handles;
	site->ages_unknown = sim_random(s) < 0.5;
	sim_churn(s, site, 0, s->end_s, sim_scale(s, 0.5, 30), SIM_EXPONENTIAL,
		  sim_scale(s, 0.05, 60), 0);
}

static inline void clean_mixed(struct sim *s)
{
	struct sim_site *site = sim_add_site(s, MT_SITE_HEAP, sim_bytes(s));
	double rate = sim_scale(s, 2, 63), share = sim_between(s, 0.05, 0.3);

	sim_churn(s, site, 0, s->end_s, rate * (1 - share), SIM_EXPONENTIAL, sim_scale(s, 0.05, 1),
		  0);
	sim_churn(s, site, 0, s->end_s, rate * share, SIM_EXPONENTIAL,
		  sim_scale(s, 1, s->end_s / 8), 0);
}

static inline void sim_add_clean(struct sim *s, enum clean_family family)
{
	switch (family) {
	case CLEAN_CHURN_EXPONENTIAL: clean_churn(s, SIM_EXPONENTIAL); break;
	case CLEAN_CHURN_LOG_NORMAL: clean_churn(s, SIM_LOG_NORMAL); break;
	case CLEAN_CHURN_PARETO: clean_churn(s, SIM_PARETO); break;
	case CLEAN_FILLING: clean_fill(s, false); break;
	case CLEAN_COUPONS: clean_fill(s, true); break;
	case CLEAN_FIFO: clean_fifo(s); break;
	case CLEAN_POOL: clean_pool(s); break;
	case CLEAN_COLLECTED: clean_collected(s); break;
	case CLEAN_OSCILLATION: clean_oscillation(s); break;
	case CLEAN_SPIKE: clean_bursts(s, 1, false); break;
	case CLEAN_STEPS: clean_bursts(s, 3, true); break;
	case CLEAN_DESCRIPTORS: clean_descriptors(s); break;
	case CLEAN_FILLING_CHURN:
		clean_fill(s, sim_random(s) < 0.3);
		sim_churn(s, &s->site[s->sites - 1], 0, s->end_s, sim_scale(s, 0.5, 40),
			  SIM_EXPONENTIAL, sim_scale(s, 0.05, 1), 0);
		break;
	case CLEAN_MIXED: clean_mixed(s); break;
	case CLEAN_ONE_LARGE:
		sim_add(s, sim_add_site(s, MT_SITE_MMAP, 64e6), sim_between(s, 0, s->end_s),
			SIM_FOREVER);
		break;
	default: /* init only */
		sim_churn(s, sim_add_site(s, MT_SITE_HEAP, sim_bytes(s)), 0,
			  s->end_s * sim_between(s, 0.01, 0.15), sim_scale(s, 10, 500),
			  SIM_EXPONENTIAL, 1, 1);
		break;
	}
}

enum leak_family {
	LEAK_SOME,	   /* most die young, one a second or more does not */
	LEAK_ALL,	   /* nothing is ever freed */
	LEAK_KEPT_BUFFERS, /* collected in batches, some kept */
	LEAK_THINGS,	   /* descriptors, none closed */
	LEAK_PATHS,	   /* one owner, many call paths with few things each */
	LEAK_LARGE,	   /* a megabyte now and then */
	LEAK_FAMILIES,
};

/* The sites added have leaks set and leak_from_s, when it began. */
static inline void sim_add_leak(struct sim *s, enum leak_family family, double onset)
{
	size_t first = s->sites;
	double rate;

	switch (family) {
	case LEAK_SOME:
		rate = sim_scale(s, 2, 40);
		sim_add_site(s, MT_SITE_HEAP, sim_scale(s, 100, 20000));
		sim_churn(s, &s->site[first], 0, onset, rate, SIM_EXPONENTIAL, 0.4, 0);
		sim_churn(s, &s->site[first], onset, s->end_s, rate,
			  sim_random(s) < 0.5 ? SIM_EXPONENTIAL : SIM_PARETO, sim_scale(s, 0.05, 1),
			  sim_scale(s, fmin(1.2 / rate, 0.9), 0.9));
		break;
	case LEAK_KEPT_BUFFERS:
		sim_add_site(s, MT_SITE_HEAP, sim_scale(s, 1000, 65536));
		s->site[first].class = CLASS_buffers;
		sim_churn(s, &s->site[first], onset, s->end_s, sim_scale(s, 5, 40), SIM_EXPONENTIAL,
			  0.3, sim_between(s, 0.4, 1));
		sim_collect(s, &s->site[first], sim_scale(s, 1, 8));
		break;
	case LEAK_THINGS:
		sim_add_site(s, MT_SITE_FD, 0);
		s->site[first].class = CLASS_file_handles;
		s->site[first].ages_unknown = true;
		sim_churn(s, &s->site[first], onset, s->end_s, sim_scale(s, 1.5, 20),
			  SIM_EXPONENTIAL, 1, 1);
		break;
	case LEAK_PATHS:
		for (size_t i = 0; i < 8; i++) {
			sim_add_site(s, MT_SITE_HEAP, 400)->owner = 100;
			sim_churn(s, &s->site[first + i], onset, s->end_s, 0.4, SIM_EXPONENTIAL, 1,
				  1);
		}
		break;
	case LEAK_LARGE:
		sim_add_site(s, MT_SITE_MMAP, 1e6);
		sim_churn(s, &s->site[first], onset, s->end_s, sim_scale(s, 0.8, 4),
			  SIM_EXPONENTIAL, 1, 1);
		break;
	default:
		sim_add_site(s, MT_SITE_HEAP, sim_scale(s, 100, 20000));
		sim_churn(s, &s->site[first], onset, s->end_s, sim_scale(s, 2, 50), SIM_EXPONENTIAL,
			  1, 1);
		break;
	}
	for (size_t i = first; i < s->sites; i++) {
		s->site[i].leaks = true;
		s->site[i].leak_from_s = onset;
	}
}
