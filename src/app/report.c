/* Reads the whole recording first, so that a wrong one leaves no empty files behind. */
#include "app/report.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "app/app.h"
#include "app/graphs.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/str.h"
#include "profile/recording.h"
#include "profile/render.h"
#include "report/text_recording.h"

static int open_input(const struct opts *opts, FILE **ret, struct err *err)
{
	FILE *f;

	if (!opts->file && isatty(STDIN_FILENO))
		return err_set(err, -EINVAL,
			       "nothing to read; give a recording, as in 'memtrace report "
			       "trace.jsonl', or pipe 'memtrace --json' into it");
	f = opts->file ? fopen(opts->file, "re") : fdopen(dup(STDIN_FILENO), "r");
	if (!f)
		return err_set(err, -EIO, "cannot read %s (%s)",
			       opts->file ? opts->file : "standard input", strerror(errno));
	*ret = f;
	return 0;
}

/* 0, or -ENODATA when the input tells of no process that is wanted. */
static int judge_input(const struct opts *opts, const struct recording *rec, const char *name,
		       struct err *err)
{
	if (rec->profile->process_count)
		return 0;
	if (opts->pid_count && rec->other_pids)
		return err_set(err, -ENODATA, "%s: no record of process %u in it", name,
			       opts->pids[0]);
	if (rec->lines == 0)
		return err_set(err, -ENODATA, "%s: the recording is empty", name);
	return err_set(err, -ENODATA,
		       "%s: not a recording of 'memtrace --json': none of %llu lines tells of a "
		       "process",
		       name, (unsigned long long)rec->lines);
}

/* What of the input could not be used, on standard error. */
static void tell_losses(const struct recording *rec, const char *name)
{
	if (rec->bad_lines)
		log_warn("%s: %llu of %llu lines could not be used; the first is line %llu (%s)",
			 name, (unsigned long long)rec->bad_lines, (unsigned long long)rec->lines,
			 (unsigned long long)rec->first_bad, rec->why_bad);
	if (rec->not_kept)
		log_warn("%s: %llu records are too many to keep and left out", name,
			 (unsigned long long)rec->not_kept);
}

static void tell_notes(const struct profile *p)
{
	auto_strbuf struct strbuf notes = {};
	char *line, *rest = NULL;

	if (render_notes(&notes, p) < 0 || !notes.len)
		return;
	for (line = strtok_r(notes.text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		log_info("%s", line);
}

static int write_graphs(const struct opts *opts, const struct recording *rec, struct err *err)
{
	auto_clean(graphs_close) struct graphs g = {};
	int r;

	r = graphs_open(&g, opts, err);
	if (r == 0)
		r = graphs_write(&g, rec->profile, err);
	if (r == 0)
		tell_notes(rec->profile);
	return r;
}

static int write_text(const struct recording *rec)
{
	auto_strbuf struct strbuf b = {};
	int r = text_recording(&b, rec);

	if (r < 0)
		return r;
	errno = 0;
	fputs(strbuf_text(&b), stdout);
	return fflush(stdout) || ferror(stdout) ? (errno ? -errno : -EIO) : 0;
}

static int report(const struct opts *opts, struct err *err)
{
	auto_clean(recording_freep) struct recording *rec = NULL;
	const struct recording_cfg cfg = { opts->pid_count ? opts->pids : NULL, opts->pid_count };
	const char *name = opts->file ? opts->file : "standard input";
	struct err why = {};
	auto_fclose FILE *f = NULL;
	int r;

	r = open_input(opts, &f, err);
	if (r < 0)
		return r;
	r = recording_read(f, &cfg, &rec, &why);
	if (r < 0)
		return err_set(err, r, "%s: %s", name, why.text[0] ? why.text : strerror(-r));
	r = judge_input(opts, rec, name, err);
	if (r < 0)
		return r;
	tell_losses(rec, name);
	if (opts->folded || opts->svg || opts->pprof)
		return write_graphs(opts, rec, err);
	r = write_text(rec);
	return r < 0 ? err_set(err, r, "cannot write to standard output (%s)", strerror(-r)) : 0;
}

int report_run(const struct opts *opts)
{
	struct err err = {};
	int r = report(opts, &err);

	if (r == 0)
		return EXIT_OK;
	log_error("%s", err.text[0] ? err.text : strerror(-r));
	return r == -EINVAL ? EXIT_USAGE : EXIT_FAILED;
}
