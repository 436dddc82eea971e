/*
 * The report for people: a header, a block at each interval, the verdict at the very end.
 * An interval in which little changed is one line. The stack of a site is printed when the site
 * first appears, and again when its names become known; memory for that is bounded.
 */
#include "report/sink.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analyse/analysis.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/num.h"
#include "report/names.h"
#include "report/report_json.h"
#include "report/text_blocks.h"

#define SHOWN_MAX 1024	       /* sites and processes remembered; beyond, stacks are repeated */
#define CHANGE_BYTES 1000000.0 /* external memory moved by this much, */
#define CHANGE_RATIO 0.05      /* and by this share: worth a whole block */

struct shown_site {
	uint32_t pid;
	uint64_t id;
	bool named; /* the asking frame had a symbol */
};

/* A process as its last whole block showed it. */
struct shown_process {
	uint32_t pid;
	double external_bytes;
	uint64_t state; /* see state_of() */
};

struct text {
	struct sink_cfg cfg;
	struct ink ink;
	int error;			 /* first failed write */
	struct shown_site *sites;	 /* owned */
	struct shown_process *processes; /* owned */
	size_t site_count, process_count;
};

static int text_open(void *priv, const struct sink_cfg *cfg)
{
	struct text *t = priv;

	t->cfg = *cfg;
	t->ink = text_ink(cfg->colour);
	t->sites = calloc(SHOWN_MAX, sizeof(*t->sites));
	t->processes = calloc(SHOWN_MAX, sizeof(*t->processes));
	return t->sites && t->processes ? 0 : -ENOMEM;
}

static void text_close(void *priv)
{
	struct text *t = priv;

	free(t->sites);
	free(t->processes);
	t->sites = NULL;
	t->processes = NULL;
}

static int flush(struct text *t, const struct strbuf *b)
{
	if (t->error)
		return t->error;
	if (b->error)
		return b->error;
	errno = 0;
	if (fwrite(strbuf_text(b), 1, b->len, t->cfg.out) != b->len || fflush(t->cfg.out))
		t->error = errno ? -errno : -EIO;
	return t->error;
}

static int text_start(void *priv, const struct record_head *head, const struct start_info *info)
{
	auto_strbuf struct strbuf b = {};
	struct text *t = priv;

	if (t->cfg.ledger)
		return 0;
	text_add_start(&b, &t->ink, &t->cfg, head, info);
	return flush(t, &b);
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
	return (hash ^ value) * 0x100000001b3;
}

/* Changes when findings, verdict or losses do, not when figures move. */
static uint64_t state_of(const struct analysis *a)
{
	const struct pattern_row *process = rank_process_pattern(a);
	uint64_t hash = mix(0xcbf29ce484222325, a->findings->verdict);
	struct loss losses[NAMES_LOSS_MAX];
	size_t i, n;

	for (i = 0; i < a->findings->count; i++) {
		hash = mix(hash, a->findings->list[i].leak_id);
		hash = mix(hash, a->findings->list[i].active);
	}
	hash = mix(hash, process ? process->opinion.verdict : GROWTH_TOO_SHORT);
	n = names_losses(&a->snap->counters, losses);
	for (i = 0; i < n; i++)
		hash = mix(hash, losses[i].count > 0);
	return hash;
}

static struct shown_process *find_process(struct text *t, uint32_t pid)
{
	size_t i;

	for (i = 0; i < t->process_count; i++)
		if (t->processes[i].pid == pid)
			return &t->processes[i];
	return NULL;
}

/* Whether a whole block is due; if so it is remembered as shown. */
static bool much_changed(struct text *t, const struct analysis *a)
{
	double external =
		a->ledger->external_bytes == FACT_UNKNOWN ? 0 : (double)a->ledger->external_bytes;
	struct shown_process *p = find_process(t, a->snap->pid);
	struct shown_process now = { a->snap->pid, external, state_of(a) };
	double moved;

	if (!p) {
		if (t->process_count < SHOWN_MAX)
			t->processes[t->process_count++] = now;
		return true;
	}
	moved = fabs(external - p->external_bytes);
	if (p->state == now.state &&
	    (moved < CHANGE_BYTES || moved < CHANGE_RATIO * p->external_bytes))
		return false;
	*p = now;
	return true;
}

/* Whether the stack of a site is new to the reader; if so it is remembered. */
static bool stack_is_new(struct text *t, const struct analysis *a, const struct snap_site *site)
{
	const struct snap_frame *f = rank_asking_frame(a, site);
	bool named = f && f->symbol;
	size_t i;

	for (i = 0; i < t->site_count; i++) {
		if (t->sites[i].pid != a->snap->pid || t->sites[i].id != site->id)
			continue;
		if (t->sites[i].named || !named)
			return false;
		t->sites[i].named = true;
		return true;
	}
	if (t->site_count < SHOWN_MAX)
		t->sites[t->site_count++] = (struct shown_site){ a->snap->pid, site->id, named };
	return true;
}

static int add_sites(struct text *t, struct strbuf *b, const struct analysis *a)
{
	auto_free struct ranked_site *sites = NULL;
	size_t count, i;
	int r;

	r = rank_sites(a, t->cfg.top, &sites, &count);
	if (r < 0)
		return r;
	if (count)
		text_add_site_heading(b, &t->ink);
	for (i = 0; i < count; i++)
		text_add_site(b, &t->ink, a, &sites[i],
			      stack_is_new(t, a, &a->snap->sites[sites[i].site]));
	return 0;
}

static void add_findings(struct text *t, struct strbuf *b, const struct analysis *a, bool active)
{
	size_t i, told = 0, count = 0;

	for (i = 0; i < a->findings->count; i++) {
		if (a->findings->list[i].active != active || a->findings->list[i].comes_with)
			continue;
		if (++count <= t->cfg.top) {
			text_add_finding_line(b, &t->ink, a, &a->findings->list[i]);
			told++;
		}
	}
	if (told < count)
		strbuf_printf(b, "%*s... %zu more\n", TEXT_LABEL, "", count - told);
}

/* The line that every interval has. */
static void add_summary(struct text *t, struct strbuf *b, const struct record_head *head,
			const struct analysis *a)
{
	double growth = rank_slope(&a->snap->external_series, NULL);
	struct leak_total total = text_leak_total(a->findings);
	char text[NUM_TEXT_BYTES];

	strbuf_printf(b, "%s[%s] ", t->ink.bold, num_format_seconds(head->elapsed_s, text));
	text_add_cut(b, head->comm, 16);
	strbuf_printf(b, " (%u)%s", head->pid, t->ink.off);
	strbuf_printf(b, "  RSS %s", num_format_bytes(a->snap->proc.rss_bytes, text));
	if (a->snap->proc.swap_bytes && a->snap->proc.swap_bytes != FACT_UNKNOWN)
		strbuf_printf(b, "  swap %s", num_format_bytes(a->snap->proc.swap_bytes, text));
	strbuf_printf(b, "  external %s", num_format_bytes(a->ledger->external_bytes, text));
	if (isfinite(growth))
		strbuf_printf(b, " %s", num_format_rate(growth, text));
	if (total.leaks)
		strbuf_printf(b, "  %s%zu %s%s", t->ink.alarm, total.leaks,
			      total.leaks == 1 ? "LEAK" : "LEAKS", t->ink.off);
	else
		strbuf_printf(b, "  %s",
			      a->findings->verdict == VERDICT_NO_LEAK ? "no leak so far"
								      : "inconclusive so far");
	strbuf_add(b, "\n");
}

static void forget(struct text *t, uint32_t pid)
{
	size_t i, kept = 0;

	for (i = 0; i < t->site_count; i++)
		if (t->sites[i].pid != pid)
			t->sites[kept++] = t->sites[i];
	t->site_count = kept;
	for (i = 0, kept = 0; i < t->process_count; i++)
		if (t->processes[i].pid != pid)
			t->processes[kept++] = t->processes[i];
	t->process_count = kept;
}

static int text_tick(void *priv, const struct record_head *head, const struct analysis *a,
		     const struct overhead_info *overhead)
{
	auto_strbuf struct strbuf b = {};
	struct text *t = priv;
	bool first = !find_process(t, a->snap->pid);
	int r;

	if (t->cfg.judgement || t->cfg.ledger)
		return 0; /* all of it at the end */
	if (!much_changed(t, a)) {
		add_summary(t, &b, head, a);
		return flush(t, &b);
	}
	add_summary(t, &b, head, a);
	text_add_classes(&b, &t->ink, a, first);
	text_add_growth(&b, a, false);
	r = add_sites(t, &b, a);
	add_findings(t, &b, a, true);
	add_findings(t, &b, a, false);
	if (a->findings->verdict == VERDICT_INCONCLUSIVE && a->findings->why)
		text_add_labelled(&b, "verdict", a->findings->why);
	text_add_cost(&b, overhead);
	text_add_losses(&b, &a->snap->counters);
	strbuf_add(&b, "\n");
	if (r == 0)
		r = flush(t, &b);
	if (r == -ENOMEM)
		forget(t, a->snap->pid); /* nothing of it was shown */
	return r;
}

/* Events are the same few fields as in JSON: who reads them wants them greppable. */
static int text_event(void *priv, const struct record_head *head, const struct event_info *info)
{
	auto_strbuf struct strbuf b = {};
	json_auto_t *body = NULL;
	int r;

	r = report_json_event(info, &body);
	if (r < 0)
		return r;
	strbuf_printf(&b, "[%.6f s] %u ", head->elapsed_s, head->pid);
	r = json_add_text(&b, body, 0);
	if (r < 0)
		return r;
	strbuf_add(&b, "\n");
	return flush(priv, &b);
}

static int text_process(void *priv, const struct record_head *head, const struct process_info *info)
{
	const char *what = names_process_event(info->event);
	auto_strbuf struct strbuf b = {}, line = {};
	char text[NUM_TEXT_BYTES];
	struct text *t = priv;

	if (t->cfg.ledger && info->event == PROCESS_ATTACH)
		return 0;
	strbuf_printf(&line, "[%s] ", num_format_seconds(head->elapsed_s, text));
	text_add_cut(&line, head->comm, 32);
	strbuf_printf(&line, " (%u): %s", head->pid, what ? what : "process event");
	if (info->parent_pid)
		strbuf_printf(&line, " of %u", info->parent_pid);
	if (info->reason)
		strbuf_printf(&line, ", %s", info->reason);
	text_add_wrapped(&b, 4, strbuf_text(&line));
	return flush(t, &b);
}

static int text_end(void *priv, const struct record_head *head, const struct end_info *info)
{
	auto_strbuf struct strbuf b = {};
	struct text *t = priv;

	if (t->cfg.ledger)
		text_add_ledger(&b, &t->ink, &t->cfg, head, info);
	else
		text_add_end(&b, &t->ink, &t->cfg, head, info);
	forget(t, head->pid);
	return flush(t, &b);
}

const struct sink_ops sink_text = {
	.name = "text",
	.priv_size = sizeof(struct text),
	.open = text_open,
	.start = text_start,
	.tick = text_tick,
	.event = text_event,
	.process = text_process,
	.end = text_end,
	.close = text_close,
};
