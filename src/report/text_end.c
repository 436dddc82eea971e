/*
 * The end of a text report. A reader who sees only the last line has the answer; the leaks stand
 * above it, worst first, each with who, how fast, why we think so, and what to do.
 */
#include <ctype.h>
#include <math.h>
#include <string.h>

#include "base/num.h"
#include "report/names.h"
#include "report/text_blocks.h"

#define LEAK_FRAMES_SHOWN 16

static const char *reason_text(enum end_reason reason)
{
	switch (reason) {
	case END_DURATION: return "the time asked for is over";
	case END_SIGNAL: return "stopped by a signal";
	case END_TARGET_EXIT: return "the process ended";
	case END_ERROR: return "memtrace could not go on";
	default: return "reason not known";
	}
}

static void leak_figures(struct strbuf *b, const struct analysis *a, const struct finding *f)
{
	const char *pattern = names_pattern(f->pattern);
	auto_strbuf struct strbuf t = {};
	char text[NUM_TEXT_BYTES];

	text_add_held(&t, a, f);
	text_add_labelled(b, "holds", strbuf_text(&t));
	strbuf_clear(&t);
	text_add_pace(&t, a, f);
	if (pattern)
		strbuf_printf(&t, ", %s growth", pattern);
	if (isfinite(f->first_seen_s))
		strbuf_printf(&t, ", first seen %s after %s",
			      num_format_seconds(f->first_seen_s, text),
			      a->snap->pid ? "tracing began" : "its first point");
	text_add_labelled(b, "grows", strbuf_text(&t));
}

/* Several call paths are one leak: the largest of them besides the one that is shown whole. */
static void other_paths(struct strbuf *b, const struct analysis *a, const struct finding *f,
			const struct snap_site *shown)
{
	char bytes[NUM_TEXT_BYTES], count[NUM_TEXT_BYTES];
	size_t told = 1;

	for (size_t i = 0; i < f->path_count; i++) {
		const struct snap_site *site = rank_path_site(a, f, i);

		if (!site || site == shown)
			continue;
		strbuf_add(b, "  also through (");
		if (site->live_bytes)
			strbuf_printf(b, "%s in ", num_format_bytes(site->live_bytes, bytes));
		strbuf_printf(b, "%s %s), site %016llx:\n",
			      num_format_count(site->live_count, count), text_count_noun(site),
			      (unsigned long long)site->id);
		text_add_other_path(b, TEXT_LABEL, a->snap, &site->stack, &shown->stack);
		told++;
	}
	if (told < f->paths)
		strbuf_printf(b, "  and through %zu more call %s\n", f->paths - told,
			      f->paths - told == 1 ? "path" : "paths");
}

/* Other leaks that come with this one: parts of what is lost. */
static void other_parts(struct strbuf *b, const struct analysis *a, const struct finding *f)
{
	size_t told = 0;

	for (size_t i = 0; i < a->findings->count; i++) {
		const struct finding *part = &a->findings->list[i];
		auto_strbuf struct strbuf t = {};

		if (!f->leak_id || part->comes_with != f->leak_id)
			continue;
		text_add_held(&t, a, part);
		strbuf_add(&t, " by ");
		text_add_finding_name(&t, a, part, 76);
		text_add_labelled(b, told++ ? "" : "comes with", strbuf_text(&t));
	}
	if (told)
		text_add_labelled(
			b, "",
			"(at the same pace, as many or some for each, by the same caller: "
			"probably parts of one thing)");
}

static void leak_block(struct strbuf *b, const struct ink *ink, const struct analysis *a,
		       const struct finding *f, size_t number, size_t of)
{
	const struct snap_site *site = rank_finding_site(a, f);
	const char *class = names_class(f->class), *severity = names_severity(f->severity);
	const struct owner *owner = rank_owner(a, site);
	char share[TEXT_SHARE_BYTES];
	auto_strbuf struct strbuf t = {};
	size_t i;

	strbuf_printf(b, "\n%sLEAK %zu of %zu: ", ink->alarm, number, of);
	text_add_finding_name(b, a, f, 76);
	strbuf_printf(b, "%s\n", ink->off);
	strbuf_printf(&t, "%s, class %s, severity %s, %s sure", names_leak_type(f->type),
		      class ? class : "unexplained", severity ? severity : "not known",
		      text_format_share(f->confidence, share));
	text_add_labelled(b, "what", strbuf_text(&t));
	leak_figures(b, a, f);
	other_parts(b, a, f);
	for (i = 0; i < f->evidence_count && i < FINDING_EVIDENCE_MAX; i++)
		text_add_labelled(b, i ? "" : "evidence", f->evidence[i]);
	if (owner && owner->evidence) {
		strbuf_clear(&t);
		strbuf_printf(&t, "%s (%s sure)", owner->evidence,
			      text_format_share(owner->confidence, share));
		text_add_labelled(b, "how known", strbuf_text(&t));
	}
	if (f->recommendation)
		text_add_labelled(b, "what to do", f->recommendation);
	if (site) {
		strbuf_printf(b, "  asked for by (innermost first), site %016llx:\n",
			      (unsigned long long)site->id);
		text_add_stack(b, TEXT_LABEL, a->snap, &site->stack, LEAK_FRAMES_SHOWN);
		other_paths(b, a, f, site);
	}
}

static void leak_blocks(struct strbuf *b, const struct ink *ink, const struct sink_cfg *cfg,
			const struct analysis *a)
{
	struct leak_total total = text_leak_total(a->findings);
	size_t i, told = 0;

	for (i = 0; i < a->findings->count; i++)
		if (a->findings->list[i].active && !a->findings->list[i].comes_with &&
		    told < cfg->top)
			leak_block(b, ink, a, &a->findings->list[i], ++told, total.leaks);
	if (told < total.leaks)
		strbuf_printf(b, "\n%zu more leaks are not shown (--top, or --json for all)\n",
			      total.leaks - told);
}

static void memory_line(struct strbuf *b, const struct analysis *a)
{
	char text[NUM_TEXT_BYTES], share[TEXT_SHARE_BYTES];
	const struct snap_series *s = &a->snap->external_series;
	auto_strbuf struct strbuf t = {};

	if (a->snap->pid)
		strbuf_printf(&t, "RSS %s, external ",
			      num_format_bytes(a->snap->proc.rss_bytes, text));
	strbuf_add(&t, num_format_bytes(a->ledger->external_bytes, text));
	if (s->count >= 2 && s->t_s[s->count - 1] > 0 && isfinite(s->value[s->count - 1]) &&
	    isfinite(s->value[0])) {
		double grown = s->value[s->count - 1] - s->value[0];

		strbuf_printf(&t, " (%s%s since %s began)", grown < 0 ? "-" : "+",
			      num_format_bytes((uint64_t)fmin(fabs(grown), 1e18), text),
			      a->snap->pid ? "tracing" : "the series");
	}
	if (isfinite(a->ledger->coverage_ratio))
		strbuf_printf(&t, ", %s of it explained",
			      text_format_share(a->ledger->coverage_ratio, share));
	text_add_labelled(b, "memory", strbuf_text(&t));
}

/* Adds words for a verdict after its name. */
static void verdict_reasons(struct strbuf *t, const struct analysis *a, const struct end_info *info)
{
	char text[NUM_TEXT_BYTES], rate[NUM_TEXT_BYTES];
	const struct findings *f = a ? a->findings : NULL;
	struct leak_total total;

	if (!f) {
		strbuf_printf(t, " Nothing was measured%s%s.", info->why ? ": " : "",
			      info->why ? info->why : "");
		return;
	}
	total = text_leak_total(f);
	if (f->verdict == VERDICT_LEAK && total.worst) {
		strbuf_printf(t, " %zu %s", total.leaks, total.leaks == 1 ? "leak" : "leaks");
		if (total.parts)
			strbuf_printf(t, " of %zu parts", total.leaks + total.parts);
		if (total.bytes)
			strbuf_printf(t, "%s%s, %s",
				      total.leaks + total.parts == 1 ? ", " : ", together ",
				      num_format_bytes(total.bytes, text),
				      num_format_rate(total.growth_bytes_per_s, rate));
		strbuf_add(t, total.leaks == 1 ? ": " : ". The worst: ");
		text_add_finding_name(t, a, total.worst, 80);
		strbuf_add(t, ".");
	}
	if (f->why && *f->why)
		strbuf_printf(t, " %c%s%s", toupper((unsigned char)f->why[0]), f->why + 1,
			      f->why[strlen(f->why) - 1] == '.' ? "" : ".");
	if (f->verdict == VERDICT_INCONCLUSIVE && isfinite(f->known_in_s) &&
	    info->reason != END_TARGET_EXIT)
		strbuf_printf(t, " Trace about %s longer to know.",
			      num_format_seconds(f->known_in_s, text));
}

/* "redis-server (pid 7)", or the name of a series. */
static void add_name(struct strbuf *b, const struct record_head *head)
{
	text_add_cut(b, head->comm, 32);
	if (head->pid)
		strbuf_printf(b, " (pid %u)", head->pid);
}

static void verdict_line(struct strbuf *b, const struct ink *ink, const struct record_head *head,
			 const struct end_info *info)
{
	const struct analysis *a = info->last;
	enum verdict verdict = a ? a->findings->verdict : VERDICT_INCONCLUSIVE;
	const char *word = verdict == VERDICT_LEAK	? "LEAK"
			   : verdict == VERDICT_NO_LEAK ? "NO LEAK"
							: "INCONCLUSIVE";
	const char *colour = verdict == VERDICT_LEAK	  ? ink->alarm
			     : verdict == VERDICT_NO_LEAK ? ink->good
							  : ink->doubt;
	auto_strbuf struct strbuf t = {};
	char text[NUM_TEXT_BYTES];

	strbuf_printf(&t, "VERDICT: %s in ", word);
	add_name(&t, head);
	strbuf_printf(&t, " in %s.", num_format_seconds(info->duration_s, text));
	verdict_reasons(&t, a, info);
	strbuf_printf(b, "\n%s", colour);
	text_add_wrapped(b, 9, strbuf_text(&t));
	strbuf_add(b, ink->off);
}

void text_add_end(struct strbuf *b, const struct ink *ink, const struct sink_cfg *cfg,
		  const struct record_head *head, const struct end_info *info)
{
	const struct analysis *a = info->last;
	auto_strbuf struct strbuf t = {};
	char text[NUM_TEXT_BYTES];

	strbuf_printf(b, "\n%s==== %s ", ink->bold,
		      cfg->judgement ? "analysis of" : "end of tracing");
	add_name(b, head);
	strbuf_printf(b, " ====%s\n", ink->off);
	if (a && cfg->judgement)
		text_add_curve(b, ink, cfg->columns, a);
	strbuf_add(&t, cfg->judgement && info->why ? info->why : reason_text(info->reason));
	strbuf_printf(&t, ", after %s", num_format_seconds(info->duration_s, text));
	if (info->why && !cfg->judgement)
		strbuf_printf(&t, ": %s", info->why);
	text_add_labelled(b, "ended", strbuf_text(&t));
	if (a) {
		memory_line(b, a);
		text_add_growth(b, a, true);
		text_add_losses(b, &a->snap->counters);
	}
	text_add_cost(b, info->overhead);
	if (a)
		leak_blocks(b, ink, cfg, a);
	verdict_line(b, ink, head, info);
}
