/* Which form, which input, which exit status. */
#include "app/analyze.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "app/analyze_input.h"
#include "app/analyze_output.h"
#include "app/analyze_records.h"
#include "app/analyze_series.h"
#include "app/app.h"
#include "base/cleanup.h"
#include "base/log.h"

static int run_series(const struct opts *opts, int signal_fd, FILE *out, bool *ret_leak,
		      struct err *err)
{
	struct series_cfg cfg = { .severity = severity_defaults(),
				  .limit_bytes = opts->limit_bytes };
	auto_clean(analyze_close) struct analyze_input in = { .fd = -1 };
	struct series_told told;
	int r = opts->severity ? severity_parse(opts->severity, &cfg.severity, err) : 0;

	if (r == 0)
		r = analyze_open(opts->file_count ? opts->files[0] : "-", SERIES_LINE_MAX,
				 signal_fd, &in, err);
	if (r == 0)
		r = analyze_series(&in, out, &cfg, &told, err);
	if (r < 0)
		return r;
	if (!told.answers)
		return err_set(err, -ENODATA, "%s: no series in it", in.name);
	*ret_leak = told.leak;
	return 0;
}

/* Signals that end a run in order, as something to read. */
static int open_signals(int *ret)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret = fd;
	return 0;
}

int analyze_run(const struct opts *opts)
{
	auto_close int signal_fd = -1;
	auto_fclose FILE *out = NULL;
	struct analyze_output output = { .fd = STDOUT_FILENO };
	struct err err = {};
	bool leak = false;
	int r;

	r = open_signals(&signal_fd);
	output.signal_fd = signal_fd;
	if (r == 0)
		r = analyze_output_open(&output, &out);
	if (r == 0)
		r = opts->series ? run_series(opts, signal_fd, out, &leak, &err)
				 : analyze_records(opts, signal_fd, out, &leak, &err);
	if (r == 0)
		return leak && opts->fail_on_leak ? EXIT_LEAK : EXIT_OK;
	log_error("%s", err.text[0] ? err.text : strerror(-r));
	return r == -EINVAL ? EXIT_USAGE : EXIT_FAILED;
}
