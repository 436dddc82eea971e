/*
 * evaluate [--seed N] [--size SHARE] [--data FOLDER] [--tolerance SHARE] [SECTION...]: scores
 * the judge on labelled series and prints tables in Markdown. Exit status 1: a bar was missed.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "score.h"

static const struct {
	const char *name, *title;
	int (*run)(const struct score_cfg *cfg);
} sections[] = {
	{ "windows", "Patterns of windows", score_windows },
	{ "streams", "Verdicts on running series", score_streams },
	{ "sites", "Verdicts on call sites", score_sites },
	{ "sampled", "Verdicts on sampled call sites", score_sampled },
	{ "heap", "Leaks through windows of probes", score_heap },
	{ "forecast", "Forecasts", score_forecast },
	{ "real", "Recorded series", score_real },
	{ "cost", "Cost of the judge", score_cost },
};

#define SECTIONS (sizeof(sections) / sizeof(*sections))

static int wanted(int argc, char **argv, const char *name)
{
	if (optind == argc)
		return 1;
	for (int i = optind; i < argc; i++)
		if (!strcmp(argv[i], name))
			return 1;
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "size", required_argument, NULL, 'n' },
		{ "data", required_argument, NULL, 'd' },
		{ "tolerance", required_argument, NULL, 't' },
		{},
	};
	struct score_cfg cfg = { .seed = 1, .size = 1, .data = "tests/golden", .out = stdout };
	int c, r, status = 0;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 's')
			cfg.seed = strtoull(optarg, NULL, 0);
		else if (c == 'n')
			cfg.size = strtod(optarg, NULL);
		else if (c == 'd')
			cfg.data = optarg;
		else if (c == 't')
			cfg.tolerance = strtod(optarg, NULL);
		else
			return 2;
	}
	for (size_t i = 0; i < SECTIONS; i++) {
		if (!wanted(argc, argv, sections[i].name))
			continue;
		printf("## %s (seed %llu)\n\n", sections[i].title, (unsigned long long)cfg.seed);
		r = sections[i].run(&cfg);
		printf("\n");
		fflush(stdout);
		if (r < 0) {
			fprintf(stderr, "%s: %s\n", sections[i].name, strerror(-r));
			return 1;
		}
		status |= r;
	}
	return status;
}
