/*
 * A tick is a sample with the sites that follow it. It is judged when a record of another kind
 * comes, or when nothing comes for a while: then more of its sites may follow.
 */
#include "app/analyzed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "app/replay_impl.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "report/names.h"

#define NAME_BYTES 256 /* longer names are cut */

struct analyzed {
	struct analyzed_cfg cfg;
	uint32_t pid;
	char comm[NAME_BYTES], host[NAME_BYTES], container[NAME_BYTES], cgroup[NAME_BYTES];
	struct replay *replay; /* owned */
	struct judge *judge;   /* owned */
	struct sink *sink;     /* owned */
	struct timeline clock;
	bool steady;		  /* the clock is elapsed_s */
	bool skipping;		  /* the last sample was left out, and so are its sites */
	unsigned int falls;	  /* samples in a row before the last time */
	uint64_t time_ns;	  /* of the last record that has one; 0: none yet */
	bool pending;		  /* a tick is not judged yet */
	bool executed;		  /* another program runs since the last sample */
	bool judged;		  /* what follows is there */
	struct findings findings; /* owned content */
	struct patterns patterns; /* owned content */
	enum end_reason reason;	  /* as recorded; 0: not ended */
};

static void copy_name(char ret[static NAME_BYTES], const json_t *record, const char *key)
{
	const char *text = replay_text_of(record, key);

	if (text && *text)
		snprintf(ret, NAME_BYTES, "%s", text);
}

static void take_names(struct analyzed *a, const json_t *record)
{
	uint64_t ns;

	copy_name(a->comm, record, "comm");
	copy_name(a->container, record, "container_id");
	copy_name(a->cgroup, record, "cgroup");
	if (clock_parse_utc(replay_text_of(record, "time"), &ns) == 0)
		a->time_ns = ns;
}

void analyzed_free(struct analyzed *a)
{
	if (!a)
		return;
	findings_done(&a->findings);
	patterns_done(&a->patterns);
	sink_free(a->sink);
	judge_free(a->judge);
	replay_free(a->replay);
	free(a);
}

static void analyzed_freep(struct analyzed **a)
{
	analyzed_free(*a);
}

int analyzed_new(const struct analyzed_cfg *cfg, uint32_t pid, const json_t *record,
		 struct analyzed **ret)
{
	auto_clean(analyzed_freep) struct analyzed *a = calloc(1, sizeof(*a));
	struct sink_cfg sink = cfg->sink;
	int r;

	if (!a)
		return -ENOMEM;
	a->cfg = *cfg;
	a->pid = pid;
	copy_name(a->host, record, "host");
	take_names(a, record);
	sink.host = a->host;
	r = sink_new(cfg->ops, &sink, &a->sink);
	if (r == 0)
		r = judge_new(&a->judge);
	if (r == 0)
		r = replay_new(cfg->store, pid, cfg->limit_bytes, &a->replay);
	if (r < 0)
		return r;
	*ret = steal(a);
	return 0;
}

bool analyzed_matches(const struct analyzed *a, uint32_t pid, const char *host)
{
	return a->pid == pid && (!host || !strncmp(a->host, host, NAME_BYTES - 1));
}

bool analyzed_ended(const struct analyzed *a)
{
	return a->reason != 0;
}

bool analyzed_is_anew(struct analyzed *a, const char *type, const json_t *record)
{
	double elapsed_s = replay_decimal(record, "elapsed_s");

	if (strcmp(type, "sample") != 0)
		return !strcmp(type, "start");
	if (a->steady && elapsed_s >= 0)
		a->falls = elapsed_s < a->clock.last ? a->falls + 1 : 0;
	return a->falls >= ANALYZED_FALLS;
}

static struct record_head head_of(const struct analyzed *a)
{
	return (struct record_head){
		.time_ns = a->time_ns,
		.elapsed_s = a->clock.begun ? a->clock.now_s : 0,
		.pid = a->pid,
		.comm = a->comm,
		.container_id = a->container[0] ? a->container : NULL,
		.cgroup = a->cgroup[0] ? a->cgroup : NULL,
	};
}

static struct analysis analysis_of(const struct analyzed *a, const struct replay_view *v)
{
	return (struct analysis){ .snap = &v->snap,
				  .owners = v->owners,
				  .ledger = &v->ledger,
				  .findings = &a->findings,
				  .patterns = &a->patterns };
}

static int judge(struct analyzed *a, bool complete, bool final)
{
	auto_clean(replay_view_done) struct replay_view v = {};
	struct record_head head = head_of(a);
	struct findings findings = {};
	struct patterns patterns = {};
	struct analysis analysis;
	int r;

	r = replay_view(a->replay, complete, &v);
	v.input.final = final;
	if (r == 0)
		r = judge_tick(a->judge, &a->cfg.judge, &v.input, &findings, &patterns);
	if (r < 0)
		return r;
	findings_done(&a->findings);
	patterns_done(&a->patterns);
	a->findings = findings;
	a->patterns = patterns;
	a->judged = true;
	a->pending = false;
	memcpy(v.snap.comm, a->comm, sizeof(v.snap.comm) - 1);
	analysis = analysis_of(a, &v);
	return a->sink->ops->tick(a->sink->priv, &head, &analysis, NULL);
}

int analyzed_settle(struct analyzed *a)
{
	return a->pending ? judge(a, false, false) : 0;
}

/* elapsed_s is steady; where it is missing the wall clock stands in, which may be set. */
static bool time_of(struct analyzed *a, const json_t *record, double *ret)
{
	double elapsed_s = replay_decimal(record, "elapsed_s"), wall_s;
	uint64_t ns;
	bool taken;

	if (elapsed_s >= 0) {
		if (!a->steady && elapsed_s > a->clock.now_s && elapsed_s <= TIMELINE_MAX_S)
			a->clock = (struct timeline){}; /* the wall clock is not needed any more */
		taken = timeline_add(&a->clock, elapsed_s, 0, ret);
		a->steady |= taken;
		return taken;
	}
	if (a->steady || clock_parse_utc(replay_text_of(record, "time"), &ns) < 0)
		return false;
	wall_s = (double)(ns / 1000) / 1e6;
	return timeline_add(&a->clock, wall_s, wall_s, ret);
}

static int restart(struct analyzed *a)
{
	struct judge *fresh;
	int r = replay_executed(a->replay);

	if (r == 0)
		r = judge_new(&fresh);
	if (r < 0)
		return r;
	judge_free(a->judge);
	a->judge = fresh;
	a->executed = false;
	return 0;
}

static int take_sample(struct analyzed *a, const json_t *record, const char **why)
{
	double t_s;
	int r;

	a->skipping = !time_of(a, record, &t_s);
	if (a->skipping) {
		*why = "a sample without a time, or not later than the one before, or far ahead "
		       "of it";
		return -EBADMSG;
	}
	take_names(a, record);
	r = a->executed ? restart(a) : 0;
	if (r == 0)
		r = replay_sample(a->replay, record, t_s, why);
	a->pending = r == 0;
	return r;
}

static void take_end(struct analyzed *a, const json_t *record)
{
	const char *text = replay_text_of(record, "reason");

	take_names(a, record);
	a->reason = END_DURATION;
	for (int reason = END_DURATION; text && reason <= END_ERROR; reason++)
		if (!strcmp(names_end_reason(reason), text))
			a->reason = reason;
}

int analyzed_take(struct analyzed *a, const char *type, const json_t *record, const char **why)
{
	int r = 0;

	if (!strcmp(type, "site") && a->skipping) {
		*why = "of a sample that was left out";
		return -EBADMSG;
	}
	if (!strcmp(type, "site")) {
		r = replay_site(a->replay, record, why);
		a->pending |= r == 0;
		return r;
	}
	if (a->pending && strcmp(type, "end") != 0) /* the end judges once more */
		r = judge(a, true, false);
	if (r < 0)
		return r;
	if (!strcmp(type, "start"))
		return replay_start(a->replay, record, why);
	if (!strcmp(type, "sample"))
		return take_sample(a, record, why);
	if (!strcmp(type, "end"))
		take_end(a, record);
	if (!strcmp(type, "process") && replay_text_of(record, "event") &&
	    !strcmp(replay_text_of(record, "event"), "exec"))
		a->executed = true; /* until it is measured, the last word is on the first */
	return 0;
}

int analyzed_end(struct analyzed *a, bool stopped, const char *why, bool *ret_leak)
{
	auto_clean(replay_view_done) struct replay_view v = {};
	struct record_head head = head_of(a);
	struct end_info info = { .reason = stopped ? END_SIGNAL : END_DURATION, .why = why };
	struct analysis analysis;
	int r = a->pending || a->judged ? judge(a, a->reason != 0, true) : 0;

	if (r == 0 && a->judged)
		r = replay_view(a->replay, a->reason != 0, &v);
	if (r < 0 && r != -EAGAIN) /* another program was begun and never measured */
		return r;
	if (a->reason) {
		info.reason = a->reason;
		info.why = NULL;
	}
	info.duration_s = head.elapsed_s;
	if (a->judged && r == 0) {
		memcpy(v.snap.comm, a->comm, sizeof(v.snap.comm) - 1);
		analysis = analysis_of(a, &v);
		info.last = &analysis;
		*ret_leak |= a->findings.verdict == VERDICT_LEAK;
	}
	return a->sink->ops->end(a->sink->priv, &head, &info);
}
