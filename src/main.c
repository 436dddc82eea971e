/* Parse, run, exit code. */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

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

/*
 * Descriptors 0 to 2 that are closed would be given to the next file or map that is opened, which
 * output would then go into. They are taken by something that fails in their direction.
 */
static bool take_standard_descriptors(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 &&
		    open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
			return false;
	return true;
}

int main(int argc, char **argv)
{
	struct opts opts;
	struct err err = { 0 };

	if (!take_standard_descriptors())
		return EXIT_FAILED;
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
