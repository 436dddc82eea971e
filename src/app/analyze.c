/* Which form, which input, which exit status. */
#include "app/analyze.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "app/analyze_series.h"
#include "app/app.h"
#include "base/cleanup.h"
#include "base/log.h"

/* A descriptor that the caller closes. name: "-" is standard input. */
static int open_input(const char *name, int *ret, struct err *err)
{
	int fd;

	if (!strcmp(name, "-") && isatty(STDIN_FILENO))
		return err_set(err, -EINVAL,
			       "nothing to read; give a recording, as in 'memtrace analyze "
			       "trace.jsonl', or pipe one in");
	fd = strcmp(name, "-") ? open(name, O_RDONLY | O_CLOEXEC)
			       : fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		return err_set(err, -EIO, "cannot read %s (%s)",
			       strcmp(name, "-") ? name : "standard input", strerror(errno));
	*ret = fd;
	return 0;
}

static int run_series(const struct opts *opts, bool *ret_leak, struct err *err)
{
	const char *file = opts->file_count ? opts->files[0] : "-";
	struct series_cfg cfg = { .name = strcmp(file, "-") ? file : "standard input",
				  .limit_bytes = opts->limit_bytes };
	auto_clean(input_freep) struct input *input = NULL;
	struct series_told told;
	auto_close int fd = -1;
	int r;

	r = open_input(file, &fd, err);
	if (r == 0)
		r = input_new(SERIES_LINE_MAX, input_read_fd, &fd, &input);
	if (r == 0)
		r = analyze_series(input, stdout, &cfg, &told, err);
	if (r < 0)
		return r;
	if (!told.answers)
		return err_set(err, -ENODATA, "%s: no series in it", cfg.name);
	*ret_leak = told.leak;
	return 0;
}

int analyze_run(const struct opts *opts)
{
	struct err err = {};
	bool leak = false;
	int r;

	r = opts->series ? run_series(opts, &leak, &err) : -EINVAL;
	if (r == 0)
		return leak && opts->fail_on_leak ? EXIT_LEAK : EXIT_OK;
	log_error("%s", err.text[0] ? err.text : strerror(-r));
	return r == -EINVAL ? EXIT_USAGE : EXIT_FAILED;
}
