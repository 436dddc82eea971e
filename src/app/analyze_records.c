/* From lines to processes: whose record is it, and did that process begin anew? */
#include "app/analyze_records.h"

#include <errno.h>
#include <string.h>

#include "analyse/fold.h"
#include "app/analyze_input.h"
#include "app/analyze_points.h"
#include "app/analyzed.h"
#include "app/output.h"
#include "app/replay_impl.h"
#include "base/cleanup.h"
#include "base/log.h"

#define LINE_MAX_BYTES ((size_t)4 << 20)
#define IDLE_MS 250 /* sites follow their sample at once */

/* A process whose records say other things than this program knows, until its next start. */
struct newer {
	uint32_t pid;
	uint64_t host; /* mixed; 0: any */
};

struct work {
	const struct opts *opts;
	struct analyzed_cfg cfg;
	struct replay_store store;
	struct analyzed *process[ANALYZE_PROCESSES_MAX]; /* owned, in the order of appearance */
	size_t count;
	struct newer newer[ANALYZE_PROCESSES_MAX]; /* the oldest gives way */
	size_t newer_count;
	struct points *points; /* owned: bare ones of this input; NULL: none yet */
	bool unsettled;	       /* something may have to be judged when nothing comes */
	bool leak;
	bool stopped;
	uint64_t told;	  /* processes and series */
	uint64_t unread;  /* records of a newer memtrace */
	uint64_t refused; /* records of processes beyond the table */
	uint64_t others;  /* records of processes that were not asked for */
};

static void work_done(struct work *w)
{
	for (size_t i = 0; i < w->count; i++)
		analyzed_free(w->process[i]);
	points_free(w->points);
	replay_store_done(&w->store);
}

static int end_one(struct work *w, size_t i, const char *why)
{
	struct analyzed *a = w->process[i];
	int r;

	memmove(&w->process[i], &w->process[i + 1], (w->count - i - 1) * sizeof(a));
	w->count--;
	w->told++;
	r = analyzed_end(a, w->stopped, why, &w->leak);
	analyzed_free(a);
	return r;
}

/* The process of a record, made when it is new. -ENOSPC: there is no room, counted. */
static int find_process(struct work *w, uint32_t pid, const char *type, const json_t *record,
			size_t *ret)
{
	const char *host = replay_text_of(record, "host");
	size_t i;
	int r;

	for (i = 0; i < w->count; i++)
		if (analyzed_matches(w->process[i], pid, host))
			break;
	if (i < w->count && analyzed_is_anew(w->process[i], type, record)) {
		r = end_one(w, i, "the process or its recording began anew");
		if (r < 0)
			return r;
		i = w->count;
	}
	if (i == w->count) {
		r = w->count < ANALYZE_PROCESSES_MAX
			    ? analyzed_new(&w->cfg, pid, record, &w->process[w->count])
			    : -ENOSPC;
		w->refused += r == -ENOSPC;
		if (r < 0)
			return r;
		w->count++;
	}
	*ret = i;
	return 0;
}

static bool is_used(const char *type)
{
	static const char *const types[] = { "start", "sample", "site", "process", "end" };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (!strcmp(types[i], type))
			return true;
	return false;
}

static bool wanted(const struct opts *o, uint64_t pid)
{
	for (size_t i = 0; i < o->pid_count; i++)
		if (o->pids[i] == pid)
			return true;
	return !o->pid_count;
}

static bool knows(const struct work *w, uint32_t pid, const json_t *record)
{
	for (size_t i = 0; i < w->count; i++)
		if (analyzed_matches(w->process[i], pid, replay_text_of(record, "host")))
			return true;
	return false;
}

static uint64_t mix_host(const char *host)
{
	uint64_t mixed = 1;

	for (; host && *host; host++)
		mixed = fold_mix(mixed, (unsigned char)*host);
	return host ? mixed : 0;
}

static bool is_newer(struct work *w, uint32_t pid, const json_t *record, bool forget)
{
	uint64_t host = mix_host(replay_text_of(record, "host"));

	for (size_t i = 0; i < w->newer_count; i++) {
		struct newer *n = &w->newer[i];

		if (n->pid != pid || (n->host && host && n->host != host))
			continue;
		if (forget)
			*n = w->newer[--w->newer_count];
		return true;
	}
	return false;
}

/* What was known of the process ended before this start. */
static int begin_newer(struct work *w, uint32_t pid, const json_t *record)
{
	const char *host = replay_text_of(record, "host");
	int r = 0;

	for (size_t i = 0; i < w->count; i++)
		if (analyzed_matches(w->process[i], pid, host)) {
			r = end_one(w, i, "the process or its recording began anew");
			break;
		}
	is_newer(w, pid, record, true);
	if (w->newer_count == ANALYZE_PROCESSES_MAX)
		memmove(w->newer, w->newer + 1, --w->newer_count * sizeof(w->newer[0]));
	w->newer[w->newer_count++] = (struct newer){ pid, mix_host(host) };
	return r;
}

/* Is it of a process that cannot be read? 1: counted. */
static int sort_out_newer(struct work *w, uint32_t pid, const char *type, const json_t *record,
			  const char **why)
{
	uint64_t schema = replay_number(record, "schema");
	bool start = !strcmp(type, "start");
	int r;

	if (start && schema != FACT_UNKNOWN && schema > REPORT_SCHEMA) {
		*why = "written by a newer memtrace, which says other things, as is what follows "
		       "of its process";
		r = begin_newer(w, pid, record);
		return r < 0 ? r : -EBADMSG;
	}
	if (!is_newer(w, pid, record, start) || start)
		return 0;
	w->unread++;
	return 1;
}

static int take_record(struct work *w, const char *type, const json_t *record, const char **why)
{
	uint64_t pid = replay_number(record, "pid");
	size_t i;
	int r;

	if (pid < 1 || pid > INT32_MAX) {
		*why = "a record without a pid";
		return -EBADMSG;
	}
	if (!wanted(w->opts, pid)) {
		w->others++;
		return 0;
	}
	r = sort_out_newer(w, (uint32_t)pid, type, record, why);
	if (r != 0)
		return r < 0 ? r : 0;
	/* what says nothing of memory makes no process known */
	if (strcmp(type, "start") && strcmp(type, "sample") && !knows(w, (uint32_t)pid, record))
		return 0;
	r = find_process(w, (uint32_t)pid, type, record, &i);
	if (r < 0)
		return r == -ENOSPC ? 0 : r;
	w->unsettled = true;
	r = analyzed_take(w->process[i], type, record, why);
	return r == 0 && analyzed_ended(w->process[i]) ? end_one(w, i, NULL) : r;
}

static int take_point(struct work *w, const char *name, const json_t *o, const char **why)
{
	struct points_cfg cfg = {
		.ops = w->cfg.ops,
		.sink = w->cfg.sink,
		.name = name,
		.severity = w->cfg.judge.severity,
		.limit_bytes = w->opts->limit_bytes,
	};
	int r = 0;

	if (!w->points)
		r = points_new(&cfg, &w->points);
	return r < 0 ? r : points_take(w->points, o, why);
}

static int take_line(struct work *w, struct analyze_input *in, const struct input_line *line)
{
	json_auto_t *o = NULL;
	const char *type, *why = "neither a record nor a point: no type, no value";
	int r = analyze_parse(in, line, &o);

	if (r < 0)
		return r == -EBADMSG ? 0 : r;
	type = replay_text_of(o, "type");
	if (type && is_used(type))
		r = take_record(w, type, o, &why);
	else if (!type)
		r = take_point(w, in->name, o, &why);
	if (r == -EBADMSG)
		analyze_refuse(in, line, why);
	return r == -EBADMSG ? 0 : r;
}

static int settle(struct work *w)
{
	int r = 0;

	for (size_t i = 0; i < w->count && r == 0; i++)
		r = analyzed_settle(w->process[i]);
	w->unsettled = false;
	return r;
}

static int end_points(struct work *w)
{
	int r;

	if (!w->points)
		return 0;
	w->told += points_told(w->points);
	r = points_end(w->points, w->stopped, &w->leak);
	points_free(w->points);
	w->points = NULL;
	return r;
}

static int read_input(struct work *w, const char *file, int signal_fd, struct err *err)
{
	auto_clean(analyze_close) struct analyze_input in = { .fd = -1 };
	struct input_line line;
	int r, n;

	r = analyze_open(file, LINE_MAX_BYTES, signal_fd, &in, err);
	while (r == 0) {
		in.idle_ms = w->unsettled ? IDLE_MS : -1;
		n = analyze_next(&in, &line, err);
		if (n > 0)
			r = take_line(w, &in, &line);
		else if (n == -EAGAIN)
			r = settle(w);
		else {
			w->stopped = in.stopped;
			r = n < 0 ? n : end_points(w);
			break;
		}
	}
	return r;
}

static int read_all(struct work *w, int signal_fd, struct err *err)
{
	size_t files = w->opts->file_count ? w->opts->file_count : 1;
	int r = 0;

	for (size_t i = 0; i < files && r == 0 && !w->stopped; i++)
		r = read_input(w, w->opts->file_count ? w->opts->files[i] : "-", signal_fd, err);
	while (w->count && r == 0)
		r = end_one(w, 0, "the input ended");
	return r;
}

static void tell_losses(const struct work *w)
{
	const struct replay_store *s = &w->store;

	if (w->unread)
		log_warn("%llu records of a newer memtrace were left out",
			 (unsigned long long)w->unread);
	if (w->refused)
		log_warn("%llu records of more than %d processes at once were left out",
			 (unsigned long long)w->refused, ANALYZE_PROCESSES_MAX);
	if (s->refused_sites)
		log_warn("%llu records of more than %d call sites were left out",
			 (unsigned long long)s->refused_sites, REPLAY_SITES_MAX);
	if (s->refused_texts || s->refused_frames || s->refused_modules)
		log_warn("%llu names, %llu modules and %llu stacks found no room",
			 (unsigned long long)s->refused_texts,
			 (unsigned long long)s->refused_modules,
			 (unsigned long long)s->refused_frames);
}

int analyze_records(const struct opts *opts, int signal_fd, FILE *out, bool *ret_leak,
		    struct err *err)
{
	auto_clean(work_done) struct work w = { .opts = opts };
	int r = 0;

	w.cfg = (struct analyzed_cfg){
		.ops = opts->json ? &sink_jsonl : &sink_text,
		.sink = { .out = out,
			  .colour = output_wants_colour(stdout),
			  .top = opts->top,
			  .judgement = true,
			  .columns = output_columns(stdout) },
		.judge = judge_defaults(),
		.store = &w.store,
		.limit_bytes = opts->limit_bytes,
	};
	replay_store_init(&w.store);
	if (opts->severity)
		r = severity_parse(opts->severity, &w.cfg.judge.severity, err);
	if (r < 0)
		return r;
	r = read_all(&w, signal_fd, err);
	tell_losses(&w);
	*ret_leak = w.leak;
	if (r == 0 && !w.told)
		return err_set(err, -ENODATA, "nothing to judge: no %s in the input",
			       w.others ? "record of that process" : "sample and no point");
	if (r < 0 && r != -ENOMEM)
		return err->text[0] ? r
				    : err_set(err, -EIO, "cannot write to standard output (%s)",
					      strerror(-r));
	return r;
}
