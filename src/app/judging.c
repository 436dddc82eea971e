/* See judging.h. */
#include "app/judging.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analyse/attrib.h"
#include "app/code_names.h"
#include "app/modules_scan.h"
#include "app/tracee.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"

#define NAMES_PER_TICK 512
#define NAMES_BUDGET_NS 30000000
#define FINAL_BUDGET_NS 2000000000

void judging_clear(struct tracee *t)
{
	snapshot_free(t->snap);
	t->snap = NULL;
	free(t->owners);
	t->owners = NULL;
	regrouped_done(&t->told);
	ledger_done(&t->ledger);
	memset(&t->ledger, 0, sizeof(t->ledger));
	findings_done(&t->findings);
	patterns_done(&t->patterns);
}

/* Debug information that is there and cannot be used: why there are fewer names than expected. */
static void tell_refusals(struct tracee *t, const struct symbolizer_stats *s)
{
	const uint64_t refused = s->debug_refused + s->debug_mismatched + s->lines_refused;

	if (refused != t->debug_refused)
		log_info("debug files not used: %llu broken or too large, %llu of another build, "
			 "%llu without lines that can be read",
			 (unsigned long long)s->debug_refused,
			 (unsigned long long)s->debug_mismatched,
			 (unsigned long long)s->lines_refused);
	t->debug_refused = refused;
	if (s->fetch_unavailable && !t->fetch_told)
		log_warn("--debuginfod: libdebuginfod.so.1 is not installed");
	t->fetch_told |= s->fetch_unavailable;
}

/* Large programs have large symbol tables; the user sees that names are still to come. */
static void tell_progress(struct tracee *t)
{
	struct symbolizer_stats stats;

	symbolizer_get_stats(t->run->symbolizer, &stats);
	if (stats.files_pending && stats.files_pending != t->files_pending)
		log_info("loading symbols: %zu files to go", stats.files_pending);
	t->files_pending = stats.files_pending;
	tell_refusals(t, &stats);
}

/* Asks for names of frames. Returns how many were asked for, one time each. */
static int ask_names(struct tracee *t, struct frame_request *want)
{
	int n = model_unnamed(t->run->model, t->pid, want, NAMES_PER_TICK);

	for (int i = 0; i < n; i++)
		modules_scan_name(t, &want[i]);
	return n;
}

/*
 * Until the budget of this tick is spent. Lines come later, from a process of their own: they are
 * waited for at the end only.
 */
void judging_name(struct tracee *t, bool final)
{
	const uint64_t budget_ns = final ? FINAL_BUDGET_NS : NAMES_BUDGET_NS;
	auto_free struct frame_request *want = calloc(NAMES_PER_TICK, sizeof(*want));
	const uint64_t end_ns = clock_monotonic_ns() + budget_ns;
	uint64_t now_ns;
	int n;

	if (!want)
		return;
	symbolizer_start_tick(t->run->symbolizer, budget_ns);
	n = ask_names(t, want);
	while (final && n > 0 && (now_ns = clock_monotonic_ns()) < end_ns) {
		symbolizer_wait(t->run->symbolizer, end_ns - now_ns);
		n = ask_names(t, want);
	}
	tell_progress(t);
}

static struct judge_limits read_limits(const struct tracee *t)
{
	struct limits_cfg cfg = { .root = t->run->proc, .cgroup_root = t->run->cgroup_root };
	uint64_t used;

	if (t->limits.kind == LIMIT_NONE || t->limits.memory_bytes == FACT_UNKNOWN)
		return (struct judge_limits){ .bytes = NAN, .used_bytes = NAN };
	return (struct judge_limits){
		.bytes = (double)t->limits.memory_bytes,
		.kind = limits_kind_name(t->limits.kind),
		.used_bytes =
			limits_read_used(&cfg, t->pid, &t->limits, &used) ? NAN : (double)used,
	};
}

static int judge(struct tracee *t, const struct regrouped *told, const struct ledger *ledger,
		 bool final, struct findings *findings, struct patterns *patterns)
{
	struct judge_input in;

	t->bound = read_limits(t);
	in = (struct judge_input){
		.snap = &told->snap,
		.owners = told->owners,
		.ledger = ledger,
		.limits = t->bound,
		.runtime = t->runtime,
		.final = final,
	};

	return judge_tick(t->judge, &t->run->judge_cfg, &in, findings, patterns);
}

/* Mappings that turn out, by names, to be a traced allocator's. True when there were some. */
static bool give_up_mappings(struct tracee *t, const struct snapshot *snap)
{
	bool some = false;

	for (size_t i = 0; snap->heap_traced && i < snap->site_count; i++)
		if (snap->sites[i].live_count && attrib_is_through_allocator(snap, &snap->sites[i]))
			some |= !model_set_in_allocator(t->run->model, t->pid, snap->sites[i].site);
	return some;
}

/* Blocks that came, and frees of whatever block; where all are recorded. */
static void add_turnover(const struct tracee *t, struct snapshot *snap)
{
	struct collector_counts counts;
	uint64_t born = 0;

	if (!tracee_is_traced(t) || t->announces || t->held.gap_log2 ||
	    collector_counts(t->run->collector, t->asid, &counts))
		return;
	for (size_t i = 0; i < snap->site_count; i++)
		if (snap->sites[i].kind == MT_SITE_HEAP && !snap->sites[i].touched)
			born += snap->sites[i].allocated_count;
	snap->turnover = (struct snap_turnover){ true, born, counts.frees };
}

static int take_snapshot(struct tracee *t, uint64_t now_ns, const struct snap_counters *counters,
			 struct snapshot **ret)
{
	int r = model_snapshot(t->run->model, t->pid, now_ns, counters, ret);

	if (r)
		return r;
	(*ret)->rules = t->run->rules;
	if (give_up_mappings(t, *ret)) {
		snapshot_free(*ret);
		r = model_snapshot(t->run->model, t->pid, now_ns, counters, ret);
		if (r)
			return r;
		(*ret)->rules = t->run->rules;
	}
	add_turnover(t, *ret);
	(*ret)->lived_s = tracee_lived_s(t);
	return 0;
}

/* All of it or nothing: after a failure what was found before stands. */
int judging_analyse(struct tracee *t, uint64_t now_ns, const struct snap_counters *counters,
		    bool final)
{
	enum fold_mode fold = t->run->opts->fold == FOLD_BY_OWNER ? FOLD_OWNER : FOLD_NONE;
	auto_clean(regrouped_done) struct regrouped told = { 0 };
	auto_free struct owner *owners = NULL;
	struct findings findings = { 0 };
	struct patterns patterns = { 0 };
	struct snap_counters sums = *counters;
	struct ledger ledger = { 0 };
	struct snapshot *snap;
	int r;

	sums.symbols_refused += code_names_refused(t);
	r = take_snapshot(t, now_ns, &sums, &snap);
	if (r)
		return r;
	owners = calloc(snap->site_count + 1, sizeof(*owners));
	r = owners ? attrib_find_owners(snap, owners) : -ENOMEM;
	if (!r)
		r = ledger_build(snap, owners, &t->ledger_state, &ledger);
	if (!r)
		r = regroup_sites(snap, owners, fold, &told);
	if (!r && t->judge)
		r = judge(t, &told, &ledger, final, &findings, &patterns);
	if (r) {
		ledger_done(&ledger);
		snapshot_free(snap);
		return r;
	}
	judging_clear(t);
	t->snap = snap;
	t->owners = steal(owners);
	t->told = told;
	told = (struct regrouped){ 0 };
	t->ledger = ledger;
	t->findings = findings;
	t->patterns = patterns;
	return 0;
}

void judging_look_for_growth(struct tracee *t)
{
	struct growing_cfg cfg = growing_defaults();
	struct analysis a;

	if (tracee_analysis(t, &a))
		t->growing = growing_add(&t->growing_past, &cfg, &a);
}
