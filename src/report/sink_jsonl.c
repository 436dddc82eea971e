/*
 * One JSON object per line: the output contract. A leak is told again when something of it changes
 * that a reader would act on: words, or figures by more than a little; and at the end if it is not
 * as it was told. What was told last is remembered in a bounded table. Beyond its bound leaks are
 * told at every interval: repeated, never hidden. Patterns likewise.
 */
#include "report/sink.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analyse/analysis.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/str.h"
#include "report/report_json.h"

#define TOLD_MAX 1024
#define RATE_FACTOR 1.5 /* what grows at a rate that changed by this is told again ... */
#define SIZE_FACTOR 1.5 /* ... and a leak of a size that did ... */
#define SURER 0.1	/* ... or of which it is so much more or less sure */

/* A leak as it was told last. */
struct told {
	uint32_t pid;
	bool seen;		/* among the findings of this tick */
	uint64_t hash;		/* of the record without its header */
	uint64_t words;		/* the same without figures and what they are told in */
	struct finding finding; /* its figures; its texts are gone */
};

/* A pattern as it was told last. */
struct told_pattern {
	uint32_t pid;
	enum subject_kind kind;
	uint64_t id;
	enum pattern pattern;
	enum severity severity;
	enum growth_verdict verdict;
	double per_s;
};

struct jsonl {
	struct sink_cfg cfg;
	int error;	   /* first failed write */
	struct told *told; /* owned */
	size_t told_count;
	struct told_pattern *patterns; /* owned */
	size_t pattern_count;
};

static int jsonl_open(void *priv, const struct sink_cfg *cfg)
{
	struct jsonl *j = priv;

	j->cfg = *cfg;
	j->told = calloc(TOLD_MAX, sizeof(*j->told));
	j->patterns = calloc(TOLD_MAX, sizeof(*j->patterns));
	return j->told && j->patterns ? 0 : -ENOMEM;
}

static void jsonl_close(void *priv)
{
	struct jsonl *j = priv;

	free(j->told);
	j->told = NULL;
	free(j->patterns);
	j->patterns = NULL;
}

/* Writes header and body as one line. */
static int emit(struct jsonl *j, const char *type, const struct record_head *head, json_t *body)
{
	json_auto_t *line = NULL;
	int r;

	if (j->error)
		return j->error;
	r = report_json_head(type, j->cfg.host, head, &line);
	if (r < 0)
		return r;
	if (json_object_update(line, body))
		return -ENOMEM;
	r = json_write_line(j->cfg.out, line);
	if (r < 0 && r != -ENOMEM) /* nothing was written then */
		j->error = r;
	return r;
}

static int jsonl_start(void *priv, const struct record_head *head, const struct start_info *info)
{
	json_auto_t *body = NULL;
	int r;

	r = report_json_start(info, &body);
	return r < 0 ? r : emit(priv, "start", head, body);
}

static int tell_sites(struct jsonl *j, const struct record_head *head, const struct analysis *a)
{
	auto_free struct ranked_site *sites = NULL;
	size_t count, i;
	int r;

	r = rank_sites(a, j->cfg.top, &sites, &count);
	for (i = 0; i < count && r >= 0; i++) {
		json_auto_t *body = NULL;

		r = report_json_site(a, &sites[i], &body);
		if (r >= 0)
			r = emit(j, "site", head, body);
	}
	return r;
}

static struct told *find_told(struct jsonl *j, uint32_t pid, uint64_t leak_id)
{
	size_t i;

	for (i = 0; i < j->told_count; i++)
		if (j->told[i].pid == pid && j->told[i].finding.leak_id == leak_id)
			return &j->told[i];
	return NULL;
}

/* FNV-1a. */
static uint64_t hash_text(const struct strbuf *text)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (const char *p = strbuf_text(text); *p; p++)
		hash = (hash ^ (unsigned char)*p) * 0x100000001b3;
	return hash;
}

static int hash_body(const json_t *body, uint64_t *ret)
{
	auto_strbuf struct strbuf text = {};
	int r = json_add_text(&text, body, JSON_COMPACT);

	if (r < 0)
		return r;
	*ret = hash_text(&text);
	return 0;
}

static bool is_figure(const char *key)
{
	static const char *const figures[] = { "size_bytes",	     "count",
					       "growth_bytes_per_s", "growth_count_per_s",
					       "confidence",	     "evidence",
					       "recommendation",     "paths",
					       "path_count" };

	for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++)
		if (strcmp(key, figures[i]) == 0)
			return true;
	return false;
}

static int hash_words(const json_t *body, uint64_t *ret)
{
	auto_strbuf struct strbuf text = {};
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)body, key, value)
	{
		int r = is_figure(key)
				? 0
				: json_add_text(&text, value, JSON_COMPACT | JSON_ENCODE_ANY);

		if (r < 0)
			return r;
	}
	*ret = hash_text(&text);
	return 0;
}

static bool differs(double was, double is, double factor)
{
	return is > factor * was || is * factor < was;
}

static bool is_worth_telling(const struct finding *was, const struct finding *is)
{
	return was->confirmed != is->confirmed || fabs(was->confidence - is->confidence) >= SURER ||
	       differs((double)was->size_bytes, (double)is->size_bytes, SIZE_FACTOR) ||
	       differs((double)was->count, (double)is->count, SIZE_FACTOR) ||
	       differs(was->growth_bytes_per_s, is->growth_bytes_per_s, RATE_FACTOR) ||
	       differs(was->growth_count_per_s, is->growth_count_per_s, RATE_FACTOR);
}

static void remember(struct jsonl *j, struct told *t, uint32_t pid, const struct finding *f,
		     const struct told *now)
{
	if (!t) {
		if (j->told_count == TOLD_MAX)
			return;
		t = &j->told[j->told_count++];
	}
	*t = *now;
	t->pid = pid;
	t->seen = true;
	t->finding = *f;
	memset(t->finding.evidence, 0, sizeof(t->finding.evidence));
	t->finding.evidence_count = 0;
	t->finding.recommendation = NULL;
}

/* exactly: if anything of it is not as it was told. */
static int tell_leak(struct jsonl *j, const struct record_head *head, const struct analysis *a,
		     const struct finding *f, bool exactly)
{
	struct told *t = find_told(j, head->pid, f->leak_id), now = {};
	json_auto_t *body = NULL;
	int r;

	r = report_json_leak(a, f, &body);
	if (r >= 0)
		r = hash_body(body, &now.hash);
	if (r >= 0)
		r = hash_words(body, &now.words);
	if (r < 0)
		return r;
	if (t && (t->hash == now.hash ||
		  (!exactly && t->words == now.words && !is_worth_telling(&t->finding, f)))) {
		t->seen = true;
		return 0;
	}
	r = emit(j, "leak", head, body);
	if (r >= 0)
		remember(j, t, head->pid, f, &now);
	return r;
}

/* A leak that the judge no longer mentions must not stay active for the reader. */
static int tell_vanished(struct jsonl *j, const struct record_head *head, struct told *t)
{
	char text[] = "no longer found by the judge";
	struct finding gone = t->finding;

	gone.active = false;
	gone.evidence[0] = text;
	gone.evidence_count = 1;
	return tell_leak(j, head, NULL, &gone, true);
}

static int tell_leaks(struct jsonl *j, const struct record_head *head, const struct analysis *a,
		      bool exactly)
{
	size_t i;
	int r = 0;

	for (i = 0; i < j->told_count; i++)
		j->told[i].seen = j->told[i].pid != head->pid;
	for (i = 0; i < a->findings->count && r >= 0; i++)
		r = tell_leak(j, head, a, &a->findings->list[i], exactly);
	for (i = 0; i < j->told_count && r >= 0; i++)
		if (!j->told[i].seen && j->told[i].finding.active)
			r = tell_vanished(j, head, &j->told[i]);
	return r;
}

static struct told_pattern *find_pattern(struct jsonl *j, const struct told_pattern *now)
{
	for (size_t i = 0; i < j->pattern_count; i++) {
		struct told_pattern *t = &j->patterns[i];

		if (t->pid == now->pid && t->kind == now->kind && t->id == now->id)
			return t;
	}
	return NULL;
}

/* The rate of what does not grow is noise. */
static bool says_the_same(const struct told_pattern *t, const struct told_pattern *now)
{
	return t->pattern == now->pattern && t->severity == now->severity &&
	       t->verdict == now->verdict &&
	       (!pattern_grows(now->pattern) ||
		(now->per_s <= RATE_FACTOR * t->per_s && now->per_s >= t->per_s / RATE_FACTOR));
}

static uint64_t pattern_id(const struct snapshot *snap, const struct pattern_row *row)
{
	switch (row->kind) {
	case SUBJECT_CLASS: return row->class;
	case SUBJECT_MODULE: return row->module;
	case SUBJECT_SITE: return row->site_id;
	default: return snap->pid;
	}
}

static int tell_pattern(struct jsonl *j, const struct record_head *head, const struct analysis *a,
			const struct pattern_row *row, bool always)
{
	const struct growth_opinion *o = &row->opinion;
	struct told_pattern now = {
		head->pid,     row->kind,  pattern_id(a->snap, row), o->shape.pattern,
		row->severity, o->verdict, o->shape.growth_per_s
	};
	struct told_pattern *t = find_pattern(j, &now);
	json_auto_t *body = NULL;
	int r;

	if (t && !always && says_the_same(t, &now))
		return 0;
	r = report_json_pattern(a, row, &body);
	if (r >= 0)
		r = emit(j, "pattern", head, body);
	if (r < 0)
		return r;
	if (!t && j->pattern_count < TOLD_MAX)
		t = &j->patterns[j->pattern_count++];
	if (t)
		*t = now;
	return 0;
}

static int tell_patterns(struct jsonl *j, const struct record_head *head, const struct analysis *a,
			 bool always)
{
	int r = 0;

	for (size_t i = 0; a->patterns && i < a->patterns->count && r >= 0; i++)
		r = tell_pattern(j, head, a, &a->patterns->list[i], always);
	return r;
}

static int tell_measured(struct jsonl *j, const struct record_head *head, const struct analysis *a,
			 const struct overhead_info *overhead)
{
	json_auto_t *body = NULL;
	int r;

	r = report_json_sample(a, overhead, &body);
	if (r >= 0)
		r = emit(j, "sample", head, body);
	return r < 0 ? r : tell_sites(j, head, a);
}

static int jsonl_tick(void *priv, const struct record_head *head, const struct analysis *a,
		      const struct overhead_info *overhead)
{
	struct jsonl *j = priv;
	int r = 0;

	if (!j->cfg.judgement)
		r = tell_measured(j, head, a, overhead);
	if (r >= 0)
		r = tell_patterns(j, head, a, false);
	return r < 0 ? r : tell_leaks(j, head, a, false);
}

static int jsonl_event(void *priv, const struct record_head *head, const struct event_info *info)
{
	json_auto_t *body = NULL;
	int r;

	r = report_json_event(info, &body);
	return r < 0 ? r : emit(priv, "event", head, body);
}

static int jsonl_process(void *priv, const struct record_head *head,
			 const struct process_info *info)
{
	json_auto_t *body = NULL;
	int r;

	r = report_json_process(info, &body);
	return r < 0 ? r : emit(priv, "process", head, body);
}

static void forget(struct jsonl *j, uint32_t pid)
{
	size_t i, kept = 0;

	for (i = 0; i < j->told_count; i++)
		if (j->told[i].pid != pid)
			j->told[kept++] = j->told[i];
	j->told_count = kept;
	for (i = 0, kept = 0; i < j->pattern_count; i++)
		if (j->patterns[i].pid != pid)
			j->patterns[kept++] = j->patterns[i];
	j->pattern_count = kept;
}

static int jsonl_end(void *priv, const struct record_head *head, const struct end_info *info)
{
	json_auto_t *body = NULL;
	struct jsonl *j = priv;
	int r;

	if (info->last) {
		r = tell_patterns(j, head, info->last, true);
		if (r >= 0)
			r = tell_leaks(j, head, info->last, true);
		if (r < 0)
			return r;
	}
	forget(j, head->pid);
	r = report_json_end(info, &body);
	return r < 0 ? r : emit(j, "end", head, body);
}

const struct sink_ops sink_jsonl = {
	.name = "jsonl",
	.priv_size = sizeof(struct jsonl),
	.open = jsonl_open,
	.start = jsonl_start,
	.tick = jsonl_tick,
	.event = jsonl_event,
	.process = jsonl_process,
	.end = jsonl_end,
	.close = jsonl_close,
};
