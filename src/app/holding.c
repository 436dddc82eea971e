#include "app/holding.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "app/serving.h"
#include "app/watching.h"
#include "base/clock.h"
#include "base/log.h"
#include "sys/cpuclock.h"
#include "sys/procfs.h"

/* Where calibration fails: what is usual, and a bit more. */
#define USUAL_TRAP_NS 1000
#define USUAL_PROGRAM_NS 400
#define USUAL_RETURN_NS 600
/* Stacks of programs are deeper than the one that was measured. */
#define LEAST_RECORD_NS 800 /* with the return */
/* Putting probes in and taking them out stops the target for about as long. */
#define ARM_NS 100000
#define LEAST_SECONDS 0.2 /* between two ticks: rates over less say nothing */
/* Growth that a verdict explains may vary by that much. */
#define SLACK_PACE 1.5
#define SLACK_SHARE 0.05
#define SLACK_BYTES 2097152.0
#define HURRY_NICE (-10)
#define BUSY_NS 20000000ull /* the next look is as soon as in a short window */

void holding_start(struct holding *h, const struct run *run, holding_told_fn told, void *ctx)
{
	struct err err = { 0 };
	int r;

	*h = (struct holding){ .run = run, .told = told, .ctx = ctx };
	setpriority(PRIO_PROCESS, keeper_pid(run->keeper), HURRY_NICE); /* it may not be allowed */
	r = calibrate(run->collector, &h->cost, &err);
	if (r)
		log_debug("calibration: %s (%s)", err.text, strerror(-r));
	log_debug("calibration: hit %.0f ns, return %.0f ns, record %.0f ns", h->cost.hit_ns,
		  h->cost.return_ns, h->cost.record_ns);
}

/* Never below the calibration. */
static struct governor_costs costs_of(const struct holding *h)
{
	double trap = h->run->features->entry_ns > 0 ? h->run->features->entry_ns : USUAL_TRAP_NS;

	double record = h->cost.record_ns >= 0 ? h->cost.record_ns : LEAST_RECORD_NS;

	if (record + h->cost.return_ns < LEAST_RECORD_NS)
		record = LEAST_RECORD_NS - h->cost.return_ns;
	return (struct governor_costs){
		.hit_ns = h->cost.hit_ns > 0 ? h->cost.hit_ns : trap + USUAL_PROGRAM_NS,
		.return_ns = h->cost.return_ns >= 0 ? h->cost.return_ns : USUAL_RETURN_NS,
		.record_ns = record,
		.arm_ns = ARM_NS,
	};
}

/* At the shell and in a test somebody waits: probes go in at once. A fleet has time. */
static bool is_fleet(const struct opts *o)
{
	return o->mode == MODE_AUTO && o->command == CLI_TRACE && o->json && o->duration_s == 0 &&
	       !o->fail_on_leak && !o->events;
}

static uint32_t log2_of(uint64_t bytes)
{
	uint32_t n = 0;

	while (bytes >>= 1)
		n++;
	return n;
}

int holding_add(const struct holding *h, struct tracee *t)
{
	const struct opts *o = h->run->opts;
	struct governor_cfg cfg = {
		/* a process that announces its samples has chosen itself what they cost */
		.budget = t->announces ? 0 : o->budget_pct / 100,
		.full = o->mode == MODE_FULL,
		.sample = o->mode == MODE_SAMPLE,
		.watch = o->mode == MODE_WATCH,
		.escalates = is_fleet(o) && !t->announces, /* those cost what they sample */
		.gap_log2 = o->sample_bytes ? log2_of(o->sample_bytes) : 0,
		.seed = t->begun_ns ^ (uint64_t)t->pid << 32,
		.costs = costs_of(h),
		.rules = governor_defaults(),
	};
	int r = governor_new(&cfg, clock_monotonic_ns(), &t->governor);

	t->held = (struct held){
		.in = true, .hits_per_s = NAN, .cost_per_s = NAN, .tick_ns = t->begun_ns
	};
	if (!r)
		holding_look(h, t);
	return r;
}

/* --- what was seen ---------------------------------------------------------------------------- */

static double cpu_since(struct tracee *t)
{
	struct procfs_stat stat;
	uint64_t cpu_ns, before = t->held.cpu_ns;

	if (cpuclock_read(t->pid, &cpu_ns)) {
		if (procfs_read_stat(t->run->proc, t->pid, &stat))
			return 0;
		cpu_ns = stat.cpu_ns;
	}
	t->held.cpu_ns = cpu_ns;
	return before && cpu_ns > before ? (cpu_ns - before) / 1e9 : 0;
}

static void see_counts(struct tracee *t, struct governor_seen *seen)
{
	struct collector_counts now, *before = &t->held.counts;
	uint64_t calls;

	if (collector_counts(t->run->collector, t->asid, &now))
		return;
	if (t->held.asid != t->asid) { /* another program: it begins at 0 */
		t->held.asid = t->asid;
		*before = (struct collector_counts){ 0 };
	}
	seen->hits = now.hits - before->hits;
	seen->returns = now.returns - before->returns;
	seen->records = now.samples - before->samples;
	seen->work_s = (now.work_ns - before->work_ns) / 1e9;
	calls = now.calls - before->calls;
	seen->other_s = watching_calls_cost_s(calls);
	t->held.calls += calls;
	t->held.hits += seen->hits + seen->returns;
	*before = now;
}

static void see_armed(struct tracee *t, struct governor_seen *seen)
{
	struct collector_armed armed;

	if (collector_armed(t->run->collector, t->pid, &armed))
		return;
	if (armed.in_ns > t->held.in_ns)
		seen->in_s = (armed.in_ns - t->held.in_ns) / 1e9;
	t->held.in_ns = armed.in_ns;
}

/* --- what is done ----------------------------------------------------------------------------- */

void holding_give_up(const struct holding *h, struct tracee *t, const char *reason)
{
	collector_disarm(t->run->collector, t->pid);
	t->held.in = false;
	governor_free(t->governor);
	t->governor = NULL;
	tracee_step_down(t, reason);
	log_warn("process %u: %s; allocator probes are out, watching only", t->pid, reason);
	h->told(h->ctx, t, PROCESS_DETACH, reason);
}

static void take_out(struct tracee *t)
{
	collector_disarm(t->run->collector, t->pid);
	t->held.in = false;
	sweeping_note(t, false, t->held.weight_log2, clock_monotonic_ns());
}

static void put_in(const struct holding *h, struct tracee *t)
{
	struct err err = { 0 };
	int r = 0;

	/* stacks need to know of new code: at once, or when the memory map is read next */
	if (!watching_holds_back(t->run->watching, clock_monotonic_ns()))
		r = collector_set_hooks(t->run->collector, true);
	if (r)
		err_set(&err, r, "system calls cannot be followed any more");
	else
		r = collector_arm(t->run->collector, t->pid, &err);
	if (!r)
		sweeping_note(t, true, t->held.weight_log2, clock_monotonic_ns());
	if (!r || r == -ENOENT) /* no allocator was found, so far */
		t->held.in = true;
	else if (r != -ESRCH)
		holding_give_up(h, t, err.text);
}

static void apply(const struct holding *h, struct tracee *t, const struct governor_plan *p)
{
	struct held *held = &t->held;

	if (held->sampled_asid != t->asid || held->gap_log2 != p->gap_log2 ||
	    held->weight_log2 != p->weight_log2) {
		held->sampled_asid = t->asid;
		held->gap_log2 = p->gap_log2;
		held->weight_log2 = p->weight_log2;
		collector_set_sampling(t->run->collector, t->asid, p->gap_log2, p->weight_log2);
	}
	if (held->in && !p->probes_in) {
		take_out(t);
	} else if (!held->in && p->probes_in) {
		put_in(h, t);
	}
}

static const char *name_of(enum governor_step step)
{
	switch (step) {
	case GOVERN_FULL: return "full";
	case GOVERN_SAMPLE: return "sample";
	case GOVERN_WINDOWS: return "windows";
	case GOVERN_WATCH: return "watch";
	}
	return "";
}

/* A step to watching and back is told like a detachment: nothing of the heap is known meanwhile. */
static void tell_step(const struct holding *h, struct tracee *t, enum governor_step before)
{
	const struct governor_plan *p = governor_plan(t->governor);
	bool watched = before == GOVERN_WATCH, watches = p->step == GOVERN_WATCH;

	log_info("process %u: %s%s%s", t->pid, name_of(p->step), p->reason[0] ? ": " : "",
		 p->reason);
	tracee_tell_traced(t);
	if (t->heap_traced && watched != watches)
		h->told(h->ctx, t, watches ? PROCESS_DETACH : PROCESS_ATTACH, p->reason);
}

void holding_look(const struct holding *h, struct tracee *t)
{
	struct governor_seen seen = { .now_ns = clock_monotonic_ns() };
	const struct governor_plan *p;
	enum governor_step before;

	if (!t->governor || !t->alive)
		return;
	before = governor_plan(t->governor)->step;
	seen.target_cpu_s = cpu_since(t);
	t->held.cpu_s += seen.target_cpu_s;
	see_counts(t, &seen);
	see_armed(t, &seen);
	seen.other_s += seen.target_cpu_s * (watching_told_ratio(t->run) + t->run->serving->ratio);
	seen.grows = t->growing.grows;
	seen.decided = t->held.decided;
	p = governor_look(t->governor, &seen);
	t->held.cost_s = p->cost_s;
	t->held.cost_per_s = p->cost_per_s;
	apply(h, t, p);
	if (t->governor && (p->step != before || !t->held.looked))
		tell_step(h, t, before);
	t->held.looked = true;
}

static void note_reason(struct tracee *t)
{
	const char *planned = t->governor ? governor_plan(t->governor)->reason : "";
	const char *unseen = watching_reason(t->run);

	snprintf(t->held.reason, sizeof(t->held.reason), "%s%s%s", planned,
		 planned[0] && unseen ? "; " : "", unseen ? unseen : "");
}

void holding_tick(struct tracee *t, uint64_t now_ns)
{
	double seconds = (now_ns - t->held.tick_ns) / 1e9;

	note_reason(t);
	if (now_ns <= t->held.tick_ns || seconds < LEAST_SECONDS)
		return;
	t->held.hits_per_s = (t->held.hits - t->held.tick_hits) / seconds;
	t->held.tick_hits = t->held.hits;
	t->held.tick_ns = now_ns;
}

/* Active leaks: their sum, so that another one makes another, and how fast they grow. */
struct active {
	uint64_t sum;
	size_t count;
	double pace;
};

static struct active active_of(const struct findings *f)
{
	struct active a = { 0 };

	for (size_t i = 0; i < f->count; i++) {
		if (!f->list[i].active)
			continue;
		a.sum += f->list[i].leak_id | 1;
		a.count++;
		a.pace += fmax(f->list[i].growth_bytes_per_s, 0);
	}
	return a;
}

/* While probes are out: growth that the verdict does not explain is something new. */
static bool is_explained(const struct held *held, double bytes, uint64_t now_ns)
{
	double seconds = (now_ns - held->known_ns) / 1e9;
	double slack = fmax(held->known_bytes * SLACK_SHARE, SLACK_BYTES);

	return bytes <= held->known_bytes + held->known_pace * seconds * SLACK_PACE + slack;
}

void holding_judged(struct tracee *t, uint64_t now_ns)
{
	struct held *held = &t->held;
	struct active leaks;
	struct analysis a;

	if (!t->governor || !tracee_analysis(t, &a) || a.ledger->external_bytes == FACT_UNKNOWN)
		return;
	leaks = active_of(a.findings);
	if (!tracee_is_traced(t)) { /* one that does not stand any more was decided too early */
		held->decided = held->decided && leaks.count >= held->known_count &&
				is_explained(held, (double)a.ledger->external_bytes, now_ns);
		return;
	}
	held->decided = leaks.count && leaks.sum == held->leaks;
	held->leaks = leaks.sum;
	held->known_count = leaks.count;
	held->known_bytes = (double)a.ledger->external_bytes;
	held->known_pace = leaks.pace;
	held->known_ns = now_ns;
}

uint64_t holding_due_ns(const struct tracee *t)
{
	return t->governor && t->alive ? governor_plan(t->governor)->look_ns : UINT64_MAX;
}

/*
 * On a busy machine a look that waits for its turn lets a window cost more than it may. Only while
 * one is open: what memtrace does at other times can wait like everybody else's work.
 */
void holding_hurry(struct holding *h, bool open)
{
	if (open == h->hurries)
		return;
	h->hurries = open;
	if (open)
		h->usual_nice = getpriority(PRIO_PROCESS, 0);
	if (setpriority(PRIO_PROCESS, 0, open ? HURRY_NICE : h->usual_nice))
		log_debug("cannot hurry (%s)", strerror(errno));
}

bool holding_is_busy(const struct tracee *t, uint64_t now_ns)
{
	const struct governor_plan *p = t->governor ? governor_plan(t->governor) : NULL;

	return p && t->alive && p->step == GOVERN_WINDOWS && p->probes_in &&
	       p->look_ns < now_ns + BUSY_NS;
}

bool holding_has_windows(const struct tracee *t)
{
	return t->governor && t->alive && governor_plan(t->governor)->step == GOVERN_WINDOWS;
}

void holding_pace(const struct holding *h, bool windows, bool open)
{
	int r = collector_set_work(h->run->collector, open	? WORK_FAST
						      : windows ? WORK_SLOW
								: WORK_OFF);

	if (r)
		log_debug("work is not sampled (%s)", strerror(-r));
}

void holding_rest(struct holding *h)
{
	holding_hurry(h, false);
	holding_pace(h, false, false);
}

void holding_pause(struct tracee *t)
{
	if (!t->governor || governor_plan(t->governor)->step != GOVERN_WINDOWS || !t->held.in)
		return;
	take_out(t);
}

void holding_settle(struct tracee *t)
{
	if (t->governor && !t->held.in)
		collector_disarm(t->run->collector, t->pid);
}
