/* Parse, run, exit code. */
#include <signal.h>
#include <stdio.h>

#include "app/analyze.h"
#include "app/app.h"
#include "app/doctor.h"
#include "app/report.h"
#include "base/log.h"
#include "cli.h"
#include "cli_help.h"
#include "report/sink.h"
#include "version.h"

static int print_help(const struct opts *o)
{
	return o->man ? cli_print_man(stdout, MEMTRACE_VERSION) : cli_print_help(stdout);
}

static int flushed(int r)
{
	return r < 0 || fflush(stdout) ? EXIT_FAILED : EXIT_OK;
}

int main(int argc, char **argv)
{
	struct opts opts;
	struct err err = { 0 };

	signal(SIGPIPE, SIG_IGN);
	if (cli_parse(argc, argv, &opts, &err)) {
		log_error("%s", err.text);
		return EXIT_USAGE;
	}
	if (opts.quiet)
		log_set_level(LOG_LEVEL_ERROR);
	else if (opts.verbose)
		log_set_level(LOG_LEVEL_DEBUG);
	switch (opts.command) {
	case CLI_HELP: return flushed(print_help(&opts));
	case CLI_VERSION: return flushed(printf("memtrace %s\n", MEMTRACE_VERSION));
	case CLI_SCHEMA: return flushed(fputs(report_schema(), stdout));
	case CLI_DOCTOR: return doctor_run(opts.json);
	case CLI_REPORT: return report_run(&opts);
	case CLI_ANALYZE: return analyze_run(&opts);
	default: return app_run(&opts);
	}
}
