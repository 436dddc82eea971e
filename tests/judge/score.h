/* What evaluate prints: one function for each section, over corpora made from cfg->seed. */
#pragma once
#include <stdint.h>
#include <stdio.h>

struct score_cfg {
	uint64_t seed;	  /* of everything generated */
	double size;	  /* 1: the figures of the README; less: a quick look */
	const char *data; /* folder of the recorded series */
	double tolerance; /* by how much a bar may be missed, as a share: for fresh seeds */
	FILE *out;	  /* tables in Markdown */
};

/* 0; 1: a bar was missed (and the table says which); negative errno. */
int score_windows(const struct score_cfg *cfg);	 /* patterns of windows, beside two baselines */
int score_streams(const struct score_cfg *cfg);	 /* verdicts while a series is written */
int score_sites(const struct score_cfg *cfg);	 /* verdicts on call sites with lifetimes */
int score_sampled(const struct score_cfg *cfg);	 /* the same, blocks sampled and weighted */
int score_heap(const struct score_cfg *cfg);	 /* leaks through windows of probes */
int score_forecast(const struct score_cfg *cfg); /* errors and coverage of intervals */
int score_real(const struct score_cfg *cfg);	 /* recorded series */
int score_cost(const struct score_cfg *cfg);	 /* time and memory of the judge itself */
