/*
 * The steps. Rates are CPU seconds per second; a share is a rate over the CPUs that the target
 * uses. Going down takes a look, going up takes time and room, so that a load at the edge of the
 * budget does not make the probes go in and out.
 */
#include "govern/governor.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "govern/spend.h"
#include "govern/windows.h"
#include "memtrace/weight.h"

#define RECENT_S 0.15	 /* a load that jumped is seen in this time */
#define EARLY_S 0.02	 /* how much the target runs is known by then */
#define EARLY_SHARE 0.33 /* of what a second may cost, gone by then or soon after */
#define GAP_STEP 2	 /* gaps widen and narrow by a factor of 4 */
#define GAP_FIRST 12u
#define GAP_LAST 22u
#define GAP_SAMPLE 16u /* of mode sample, until more is known */
#define CPUS_MAX 4096.0
#define OTHER_S 1.0    /* that the mean of what else is paid forgets after */
#define LEFT_LEAST 0.3 /* of the budget, whatever else is paid */

enum why_watch { WATCH_ASKED = 1, WATCH_CALM, WATCH_DECIDED, WATCH_BUDGET };

struct governor {
	struct governor_cfg cfg;
	struct governor_plan plan;
	struct spend spend;
	struct windows windows;
	uint64_t now_ns, changed_ns; /* of the last change of step or gap */
	uint64_t over_since_ns;	     /* 0: within the budget */
	uint64_t up_ns;		     /* of the last step up */
	uint64_t decided_since_ns, calm_since_ns;
	double up_wait_s;
	double cpus;	    /* that the target uses, or is taken to */
	double other_per_s; /* see governor_seen.other_s */
	double all_ratio;   /* what every allocation would cost, or the step that did not fit */
	enum why_watch why;
};

struct governor_rules governor_defaults(void)
{
	return (struct governor_rules){
		/* 5 % of it are half a percent of a core: nobody can tell, and most programs are
		 * then traced exactly */
		.least_cpu = 0.1,
		/* looks come late and rates are estimates */
		.margin = 0.9,
		/* a load that varies by half does not make it flap */
		.room = 0.6,
		.trap_share = 0.7,
		/* with what comes before, less than a second over the budget */
		.act_s = 0.4,
		.settle_s = 0.1,
		.up_wait_s = 3,
		.up_wait_max_s = 60,
		/* blocks that live for milliseconds are seen to die */
		.useful_s = 0.01,
		.shortest_s = 0.003,
		/* a leak must be seen some dozen times in a minute */
		.pause_max_s = 5,
		.window_max_s = 1,
		.retry_s = 30,
		.decided_s = 15,
		.calm_s = 60,
		.look_s = 0.05,
		/* what a window may overshoot by: a twentieth of 5 % of a busy core */
		.look_open_s = 0.002,
		/* of a budget of 1 % so much is gone in no time */
		.look_new_s = 0.01,
	};
}

static bool has_budget(const struct governor *g)
{
	return g->cfg.budget > 0;
}

/* CPU seconds per second that probes may cost. */
static double allowed(const struct governor *g)
{
	double budget = g->cfg.budget * g->cpus;

	return fmax(budget - g->other_per_s, budget * LEFT_LEAST);
}

static double since_s(const struct governor *g, uint64_t then_ns)
{
	return g->now_ns > then_ns ? (g->now_ns - then_ns) / 1e9 : 0;
}

/* --- steps ------------------------------------------------------------------------------------ */

static uint32_t narrowest_gap(const struct governor *g)
{
	if (g->cfg.gap_log2)
		return g->cfg.gap_log2;
	return g->cfg.sample || g->cfg.escalates ? GAP_FIRST : 0;
}

static uint32_t widest_gap(const struct governor *g)
{
	if (g->cfg.full)
		return 0;
	return narrowest_gap(g) > GAP_LAST ? narrowest_gap(g) : GAP_LAST;
}

/* As usual; an open window has a pace of its own. */
static void look_again(struct governor *g)
{
	const struct governor_rules *r = &g->cfg.rules;
	bool fresh = g->plan.step != GOVERN_WATCH && since_s(g, g->changed_ns) < r->settle_s;

	g->plan.look_ns = g->now_ns + (uint64_t)((fresh ? r->look_new_s : r->look_s) * 1e9);
}

static void change(struct governor *g, enum governor_step step, uint32_t gap_log2)
{
	if (g->plan.step == GOVERN_WINDOWS && step != GOVERN_WINDOWS)
		windows_leave(&g->windows);
	g->plan.step = step;
	g->plan.gap_log2 = gap_log2;
	g->changed_ns = g->now_ns;
	g->over_since_ns = 0;
	look_again(g);
}

/* Probes go in, and stay until the budget says otherwise. */
static void enter(struct governor *g)
{
	uint32_t gap = narrowest_gap(g);

	if (!g->cfg.gap_log2 && gap && gap < GAP_SAMPLE)
		gap = GAP_SAMPLE;
	g->calm_since_ns = g->decided_since_ns = 0;
	change(g, gap ? GOVERN_SAMPLE : GOVERN_FULL, gap);
}

/* A step up that is taken back soon was a mistake: the next one waits longer. */
static void note_down(struct governor *g)
{
	const struct governor_rules *r = &g->cfg.rules;

	if (g->up_ns && since_s(g, g->up_ns) < 2 * g->up_wait_s)
		g->up_wait_s = fmin(2 * g->up_wait_s, r->up_wait_max_s);
	else
		g->up_wait_s = r->up_wait_s;
}

static void enter_windows(struct governor *g, const struct spend_sum *rates)
{
	windows_enter(&g->windows, rates, g->now_ns);
	change(g, GOVERN_WINDOWS, g->cfg.full ? 0 : g->cfg.gap_log2);
}

static void watch(struct governor *g, enum why_watch why)
{
	g->why = why;
	g->calm_since_ns = g->decided_since_ns = 0;
	change(g, GOVERN_WATCH, 0);
}

/* --- probes are in ---------------------------------------------------------------------------- */

static uint32_t wider(const struct governor *g, double record, double left)
{
	uint32_t gap = g->plan.gap_log2;

	do {
		gap = gap ? gap + GAP_STEP : GAP_FIRST;
		record /= 1 << GAP_STEP;
	} while (record > left && gap < widest_gap(g));
	return gap < widest_gap(g) ? gap : widest_gap(g);
}

/* What is too much goes: the records by wider gaps while that helps, else the traps by windows. */
static void step_down(struct governor *g, const struct spend_sum *rates)
{
	double limit = allowed(g), trap, record;

	trap = rates->trap_s / rates->seconds;
	record = rates->record_s / rates->seconds;
	if (g->plan.step == GOVERN_FULL || g->all_ratio < (trap + record) / g->cpus)
		g->all_ratio = (trap + record) / g->cpus;
	note_down(g);
	if (g->plan.gap_log2 < widest_gap(g) && trap <= limit * g->cfg.rules.trap_share &&
	    since_s(g, g->over_since_ns) < g->cfg.rules.act_s) {
		uint64_t over = g->over_since_ns;

		change(g, GOVERN_SAMPLE, wider(g, record, limit * g->cfg.rules.margin - trap));
		g->over_since_ns = over;
		return;
	}
	enter_windows(g, rates);
}

/* The next narrower gap, when its cost fits. */
static void try_narrower(struct governor *g, const struct spend_sum *last)
{
	uint32_t gap = g->plan.gap_log2, least = narrowest_gap(g);
	double record, cost;

	if (gap <= least || last->seconds <= 0 || since_s(g, g->changed_ns) < g->up_wait_s)
		return;
	record = last->record_s / last->seconds;
	if (gap <= GAP_FIRST) { /* every block: of two hits one is an allocation */
		record = g->cfg.costs.hit_ns > 0
				 ? last->trap_s / last->seconds / 2 / g->cfg.costs.hit_ns *
					   g->cfg.costs.record_ns
				 : INFINITY;
		gap = 0;
	} else {
		record *= 1 << GAP_STEP;
		gap -= GAP_STEP;
	}
	cost = last->trap_s / last->seconds + record;
	if (has_budget(g) && !(cost <= allowed(g) * g->cfg.rules.room))
		return;
	g->up_ns = g->now_ns;
	gap = gap < least ? least : gap;
	change(g, gap ? GOVERN_SAMPLE : GOVERN_FULL, gap);
}

/* Traps, which gaps do not change, are judged at once when they took so much. */
static bool is_far_over(const struct spend_sum *recent, double since, double limit)
{
	return since >= EARLY_S && recent->trap_s > limit * EARLY_SHARE;
}

static void look_in(struct governor *g)
{
	const struct governor_rules *r = &g->cfg.rules;
	double limit = allowed(g) * r->margin, since = since_s(g, g->changed_ns);
	struct spend_sum last, recent;

	spend_get(&g->spend, 1, &last);
	if (!has_budget(g) || last.trap_s + last.record_s <= limit) {
		g->over_since_ns = 0;
		try_narrower(g, &last);
		return;
	}
	if (!g->over_since_ns)
		g->over_since_ns = g->now_ns;
	spend_get(&g->spend, fmin(since, RECENT_S), &recent);
	if (since < r->settle_s && !is_far_over(&recent, since, limit))
		return;
	if (since_s(g, g->over_since_ns) >= r->act_s)
		recent = last;
	if (recent.seconds > 0 && recent.trap_s + recent.record_s > limit * recent.seconds)
		step_down(g, &recent);
}

/* --- windows ---------------------------------------------------------------------------------- */

/* Out of windows again, when probes that are always in would fit with room to spare. */
static bool fits_without(const struct governor *g, bool all)
{
	const struct windows *w = &g->windows;
	double both = w->trap_rate + w->record_rate,
	       part = all || both <= 0 ? 1 : w->trap_rate / both;

	return since_s(g, g->changed_ns) >= g->up_wait_s &&
	       windows_last_rate(w) * part <= allowed(g) * g->cfg.rules.room;
}

static void look_windows(struct governor *g)
{
	bool all = fits_without(g, true);

	if (all || (!g->cfg.full && fits_without(g, false))) {
		g->up_ns = g->now_ns;
		if (all && !narrowest_gap(g))
			change(g, GOVERN_FULL, 0);
		else if (narrowest_gap(g) > GAP_SAMPLE)
			change(g, GOVERN_SAMPLE, narrowest_gap(g));
		else
			change(g, GOVERN_SAMPLE, GAP_SAMPLE);
		return;
	}
	if (g->windows.peak_rate > 0)
		g->all_ratio = g->windows.peak_rate / g->cpus;
	if (!windows_look(&g->windows, &g->spend, allowed(g) * g->cfg.rules.margin, g->now_ns,
			  &g->plan.look_ns))
		watch(g, WATCH_BUDGET);
}

/* --- watching --------------------------------------------------------------------------------- */

static void look_watch(struct governor *g, const struct governor_seen *seen)
{
	bool wanted = !g->cfg.escalates || (seen->grows && !seen->decided);

	if (g->why == WATCH_ASKED || !wanted)
		return;
	if (g->why == WATCH_BUDGET) {
		if (since_s(g, g->changed_ns) >= g->cfg.rules.retry_s)
			enter_windows(g, NULL);
		return;
	}
	enter(g);
}

/* Mode auto: a verdict that stood, or growth that ended, takes the probes out. */
static void tire(struct governor *g, const struct governor_seen *seen)
{
	if (!g->cfg.escalates || g->plan.step == GOVERN_WATCH)
		return;
	if (!seen->decided)
		g->decided_since_ns = 0;
	else if (!g->decided_since_ns)
		g->decided_since_ns = g->now_ns;
	if (seen->grows)
		g->calm_since_ns = 0;
	else if (!g->calm_since_ns)
		g->calm_since_ns = g->now_ns;
	if (g->decided_since_ns && since_s(g, g->decided_since_ns) >= g->cfg.rules.decided_s)
		watch(g, WATCH_DECIDED);
	else if (g->calm_since_ns && since_s(g, g->calm_since_ns) >= g->cfg.rules.calm_s)
		watch(g, WATCH_CALM);
}

/* --- what is told ------------------------------------------------------------------------------
 */

static void say_watch(const struct governor *g, char *text)
{
	const size_t size = GOVERNOR_REASON_BYTES;

	text[0] = 0;
	if (g->why == WATCH_CALM)
		snprintf(text, size, "nothing grows: allocators are not probed");
	else if (g->why == WATCH_DECIDED)
		snprintf(text, size, "a verdict stands: probes are out until something else grows");
	else if (g->why == WATCH_BUDGET)
		snprintf(
			text, size,
			"probes would cost %.0f %% of the target's CPU, and not even short windows "
			"fit into the budget of %g %%",
			g->all_ratio * 100, g->cfg.budget * 100);
}

static void say(const struct governor *g, char *text)
{
	const size_t size = GOVERNOR_REASON_BYTES;
	char over[96] = "";

	if (g->all_ratio > 0 && has_budget(g))
		snprintf(over, sizeof(over),
			 "every allocation would cost %.0f %% of the target's CPU, the budget is "
			 "%g %%: ",
			 g->all_ratio * 100, g->cfg.budget * 100);
	text[0] = 0;
	if (g->plan.step == GOVERN_WATCH)
		say_watch(g, text);
	else if (g->plan.step == GOVERN_WINDOWS)
		snprintf(text, size, "%sprobes are in for %.2g %% of the time", over,
			 g->plan.window_ratio * 100);
	else if (g->plan.step == GOVERN_SAMPLE && g->plan.gap_log2 == g->cfg.gap_log2)
		snprintf(text, size, "a sample every %llu kB, as asked for",
			 1ull << g->plan.gap_log2 >> 10);
	else if (g->plan.step == GOVERN_SAMPLE)
		snprintf(text, size, "%sa sample every %llu kB",
			 g->plan.gap_log2 > narrowest_gap(g) ? over : "",
			 1ull << g->plan.gap_log2 >> 10);
}

static void fill(struct governor *g)
{
	struct governor_plan *p = &g->plan;
	bool windows = p->step == GOVERN_WINDOWS;
	struct spend_sum sum;

	p->probes_in = windows ? g->windows.open : p->step != GOVERN_WATCH;
	p->weight_log2 = windows ? g->windows.weight_log2 : 0;
	p->cost_scale = g->windows.scale;
	p->window_variance = windows ? windows_variance(&g->windows) : 0;
	p->window_ratio = !windows ? p->probes_in : g->windows.share;
	spend_get(&g->spend, windows ? g->windows.horizon_s : 1, &sum);
	p->cost_ratio = p->cost_per_s = 0;
	if (sum.seconds > 0) {
		p->cost_per_s = (sum.trap_s + sum.record_s) / sum.seconds + g->other_per_s;
		p->cost_ratio =
			p->cost_per_s / fmax(sum.cpu_s / sum.seconds, g->cfg.rules.least_cpu);
	}
	p->cost_ratio = fmin(p->cost_ratio, 1);
	say(g, p->reason);
}

/* --- the look ----------------------------------------------------------------------------------
 */

static double seconds_of(uint64_t count, double ns)
{
	return ns > 0 ? count * ns / 1e9 : 0;
}

/* Counts that jumped beyond what any machine can do are cut to that. */
static void note(struct governor *g, const struct governor_seen *seen)
{
	const struct governor_costs *c = &g->cfg.costs;
	uint64_t before = g->now_ns, now = seen->now_ns > before ? seen->now_ns : before;
	double dt = (now - before) / 1e9, most = CPUS_MAX * (dt + 0.001);
	double trap = seconds_of(seen->hits, c->hit_ns) + seconds_of(seen->returns, c->return_ns);
	double record = seconds_of(seen->records, c->record_ns), horizon, calibrated;
	double cpu = seen->target_cpu_s > 0 ? seen->target_cpu_s : 0, other;
	struct spend_sum sum;

	g->now_ns = now;
	calibrated = fmin(trap + record, most);
	trap = fmin(trap * g->windows.scale, most);
	record = fmin(record * g->windows.scale, most);
	other = fmin(seen->other_s > 0 ? seen->other_s : 0, most);
	if (dt > 0)
		g->other_per_s += (other / dt - g->other_per_s) * fmin(dt / OTHER_S, 1);
	g->plan.cost_s += trap + record + other;
	spend_add(&g->spend, now, trap, record, fmin(cpu, most));
	if (g->plan.step == GOVERN_WINDOWS)
		windows_note(&g->windows,
			     &(struct windows_seen){ .seconds = dt,
						     .in_s = fmin(seen->in_s, dt),
						     .trap_s = trap,
						     .record_s = record,
						     .cpu_s = fmin(cpu, most),
						     .work_s = fmin(seen->work_s, most),
						     .records = (double)seen->records,
						     .calibrated_s = calibrated });
	horizon = g->plan.step == GOVERN_WINDOWS ? g->windows.horizon_s : 1;
	spend_get(&g->spend, horizon, &sum);
	g->cpus = g->cfg.rules.least_cpu;
	if (sum.seconds > 0)
		g->cpus = fmax(g->cpus, sum.cpu_s / sum.seconds);
}

/* What goes in is paid at once. */
static void pay_arming(struct governor *g, bool was_in)
{
	if (g->plan.probes_in && !was_in && g->cfg.costs.arm_ns > 0)
		spend_add(&g->spend, g->now_ns, g->cfg.costs.arm_ns / 1e9, 0, 0);
}

const struct governor_plan *governor_look(struct governor *g, const struct governor_seen *seen)
{
	bool was_in = g->plan.probes_in;

	note(g, seen);
	look_again(g);
	tire(g, seen);
	switch (g->plan.step) {
	case GOVERN_FULL:
	case GOVERN_SAMPLE: look_in(g); break;
	case GOVERN_WINDOWS: look_windows(g); break;
	case GOVERN_WATCH: look_watch(g, seen); break;
	}
	fill(g);
	pay_arming(g, was_in);
	return &g->plan;
}

const struct governor_plan *governor_plan(const struct governor *g)
{
	return &g->plan;
}

int governor_new(const struct governor_cfg *cfg, uint64_t now_ns, struct governor **ret)
{
	struct governor *g;

	if (!(cfg->budget >= 0 && cfg->budget <= 1) ||
	    (cfg->gap_log2 && (cfg->gap_log2 < MT_GAP_LOG2_MIN || cfg->gap_log2 > MT_GAP_LOG2_MAX)))
		return -EINVAL;
	g = calloc(1, sizeof(*g));
	if (!g)
		return -ENOMEM;
	g->cfg = *cfg;
	g->now_ns = now_ns;
	g->up_wait_s = cfg->rules.up_wait_s;
	g->cpus = cfg->rules.least_cpu;
	spend_init(&g->spend, now_ns);
	windows_init(&g->windows, &g->cfg);
	if (cfg->watch)
		watch(g, WATCH_ASKED);
	else if (cfg->escalates)
		watch(g, WATCH_CALM);
	else
		enter(g);
	fill(g);
	*ret = g;
	return 0;
}

void governor_free(struct governor *g)
{
	free(g);
}
