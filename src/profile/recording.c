/*
 * Lines, records, processes. A process begins with its start record, or with the first record of
 * its pid when the recording lacks the beginning; a second start is another process.
 */
#include "profile/recording.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/input.h"
#include "base/num.h"
#include "profile/recording_site.h"

#define SCHEMA_KNOWN 1

struct reader {
	struct recording *rec;
	const struct recording_cfg *cfg;
	size_t len; /* of the line */
	struct err *e;
};

void recording_free(struct recording *r)
{
	size_t i;

	if (!r)
		return;
	for (i = 0; r->profile && i < r->profile->process_count && i < r->process_cap; i++) {
		json_decref(r->processes[i].start);
		json_decref(r->processes[i].sample);
		json_decref(r->processes[i].end);
		json_decref(r->processes[i].leaks);
	}
	free(r->processes);
	profile_free(r->profile);
	free(r);
}

void recording_freep(struct recording **r)
{
	recording_free(*r);
}

static void count_bad(struct recording *rec, const char *why)
{
	rec->bad_lines++;
	if (rec->first_bad)
		return;
	rec->first_bad = rec->lines;
	rec->why_bad = why;
}

static const char *text_of(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

static int make_room(struct recording *rec)
{
	size_t cap = rec->process_cap ? rec->process_cap * 2 : 8;
	struct recording_process *list;

	if (rec->profile->process_count < rec->process_cap)
		return 0;
	list = reallocarray(rec->processes, cap, sizeof(*list));
	if (!list)
		return -ENOMEM;
	memset(list + rec->process_cap, 0, (cap - rec->process_cap) * sizeof(*list));
	rec->processes = list;
	rec->process_cap = cap;
	return 0;
}

static int add_process(struct recording *rec, const json_t *o, uint32_t pid, size_t *ret)
{
	const json_t *options = json_object_get(o, "options");
	double elapsed_s = json_number_value(json_object_get(o, "elapsed_s"));
	json_auto_t *leaks = json_object();
	struct profile_process *t;
	uint64_t top;
	int r;

	r = leaks ? make_room(rec) : -ENOMEM;
	if (r == 0)
		r = profile_add_process(rec->profile, pid, text_of(o, "comm"), text_of(o, "exe"),
					ret);
	if (r < 0)
		return r;
	rec->processes[*ret].leaks = steal(leaks);
	t = &rec->profile->processes[*ret];
	if (text_of(options, "top") && !num_parse_u64(text_of(options, "top"), 0, INT32_MAX, &top))
		t->top = top;
	if (clock_parse_utc(text_of(o, "time"), &t->begun_ns) == 0 && elapsed_s > 0 &&
	    elapsed_s < 1e9 && t->begun_ns > (uint64_t)(elapsed_s * 1e9))
		t->begun_ns -= (uint64_t)(elapsed_s * 1e9);
	return 0;
}

/* The newest process of this pid. */
static bool find_process(const struct recording *rec, uint32_t pid, size_t *ret)
{
	size_t i;

	for (i = rec->profile->process_count; i-- > 0;)
		if (rec->profile->processes[i].pid == pid) {
			*ret = i;
			return true;
		}
	return false;
}

#define BYTES_KEY "_bytes" /* in a kept document: what it counts in kept_bytes */

static void give_back(struct recording *rec, const json_t *o)
{
	uint64_t bytes = o ? recording_number(o, BYTES_KEY) : 0;

	rec->kept_bytes -= bytes < rec->kept_bytes ? bytes : rec->kept_bytes;
}

/* May a line of len bytes be kept in place of `old` (may be NULL)? It is counted then. */
static bool may_keep(struct recording *rec, json_t *o, size_t len, const json_t *old)
{
	give_back(rec, old);
	if (len > RECORDING_KEPT_MAX - rec->kept_bytes ||
	    json_object_set_new(o, BYTES_KEY, json_integer((json_int_t)len))) {
		rec->not_kept++;
		return false;
	}
	rec->kept_bytes += len;
	return true;
}

static void keep(struct recording *rec, json_t *o, size_t len, json_t **slot)
{
	json_t *old = *slot;

	*slot = may_keep(rec, o, len, old) ? json_incref(o) : NULL;
	json_decref(old);
}

static int keep_leak(struct recording *rec, json_t *o, size_t len, json_t *leaks)
{
	const char *id = text_of(o, "leak_id");

	if (!id)
		return 0;
	if (may_keep(rec, o, len, json_object_get(leaks, id)))
		return json_object_set(leaks, id, o) ? -ENOMEM : 0;
	json_object_del(leaks, id);
	return 0;
}

static void take_sample(struct recording *rec, size_t process, json_t *o)
{
	const json_t *allocator = json_object_get(o, "allocator");
	double elapsed_s = json_number_value(json_object_get(o, "elapsed_s"));

	profile_tick(rec->profile, process, isfinite(elapsed_s) ? elapsed_s : 0,
		     recording_number(allocator, "live_bytes"),
		     recording_number(allocator, "live_count"));
}

static int take_record(struct reader *d, const char *type, size_t process, json_t *o)
{
	struct recording *rec = d->rec;
	struct recording_process *t = &rec->processes[process];
	const char *why = NULL;
	int r = 0;

	if (!strcmp(type, "start"))
		keep(rec, o, d->len, &t->start);
	else if (!strcmp(type, "sample")) {
		take_sample(rec, process, o);
		keep(rec, o, d->len, &t->sample);
	} else if (!strcmp(type, "leak"))
		r = keep_leak(rec, o, d->len, t->leaks);
	else if (!strcmp(type, "site"))
		r = recording_site(rec->profile, process, o, &why);
	else if (!strcmp(type, "end")) {
		rec->profile->processes[process].ended = true;
		keep(rec, o, d->len, &t->end);
	}
	if (r == -EBADMSG)
		count_bad(rec, why);
	return r == -EBADMSG || r == -ENOSPC ? 0 : r;
}

static bool wanted(const struct recording_cfg *cfg, uint64_t pid)
{
	size_t i;

	for (i = 0; cfg->pids && i < cfg->pid_count; i++)
		if (cfg->pids[i] == pid)
			return true;
	return !cfg->pids;
}

static bool is_told(const char *type)
{
	static const char *const types[] = { "start", "sample", "site", "leak", "end" };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (!strcmp(types[i], type))
			return true;
	return false;
}

static int take_object(struct reader *d, json_t *o)
{
	const char *type = text_of(o, "type");
	uint64_t pid = recording_number(o, "pid"), schema = recording_number(o, "schema");
	struct recording *rec = d->rec;
	size_t process;
	int r = 0;

	if (!type || pid < 1 || pid > INT32_MAX) {
		count_bad(rec, "no record of memtrace: type or pid is missing");
		return 0;
	}
	rec->records++;
	if (!strcmp(type, "start") && schema != PROFILE_UNKNOWN && schema > SCHEMA_KNOWN)
		return err_set(d->e, -EPROTO,
			       "line %llu: written by a newer memtrace (schema %llu, this one "
			       "knows %d)",
			       (unsigned long long)rec->lines, (unsigned long long)schema,
			       SCHEMA_KNOWN);
	if (!wanted(d->cfg, pid)) {
		rec->other_pids++;
		return 0;
	}
	if (!is_told(type))
		return 0;
	if (!strcmp(type, "start") || !find_process(rec, (uint32_t)pid, &process))
		r = add_process(rec, o, (uint32_t)pid, &process);
	if (r == -ENOSPC)
		return 0; /* counted */
	return r < 0 ? r : take_record(d, type, process, o);
}

static int take_line(struct reader *d, const struct input_line *line)
{
	json_auto_t *o = NULL;
	int r;

	d->rec->lines++;
	d->len = line->len;
	if (line->too_long) {
		count_bad(d->rec, "longer than 4 MiB");
		return 0;
	}
	if (line->len == 0)
		return 0;
	r = json_parse(line->bytes, line->len, &o);
	if (r == -ENOMEM)
		return r;
	if (!json_is_object(o)) {
		count_bad(d->rec, "no JSON object");
		return 0;
	}
	return take_object(d, o);
}

static int read_all(struct input *input, struct reader *d)
{
	struct input_line line;
	int r, done = 0;

	while (done == 0 && (r = input_next(input, &line)) > 0)
		done = take_line(d, &line);
	if (done == 0 && r < 0 && r != -ENOMEM)
		return err_set(d->e, -EIO, "cannot read (%s)", strerror(-r));
	return done ? done : r;
}

int recording_read(FILE *f, const struct recording_cfg *cfg, struct recording **ret, struct err *e)
{
	auto_clean(recording_freep) struct recording *rec = calloc(1, sizeof(*rec));
	auto_clean(input_freep) struct input *input = NULL;
	struct reader d = { .rec = rec, .cfg = cfg, .e = e };
	int r;

	if (!rec)
		return -ENOMEM;
	r = profile_new(&rec->profile);
	if (r == 0)
		r = input_new(RECORDING_LINE_MAX, input_read_file, f, &input);
	if (r == 0)
		r = read_all(input, &d);
	if (r < 0)
		return r;
	profile_settle(rec->profile);
	*ret = steal(rec);
	return 0;
}
