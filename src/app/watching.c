/* See watching.h. */
#include "app/watching.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/tracee.h"
#include "base/log.h"

#define HOOKS_NS 190.0		/* added to each system call of the machine; measured on 6.18 */
#define EVENT_NS 2500.0		/* to one of a target that is told with its stack: nginx, 6.18 */
#define TARGET_RATIO_MAX 0.003	/* of the targets' CPU time, while nothing grows */
#define MACHINE_RATIO_MAX 0.01	/* of the machine's, in the mean, while something does, ... */
#define GROWING_RATIO_MAX 0.008 /* ... and of the targets': watching takes 1 % at most */
#define BUDGET_SHARE 0.5	/* of what a budget allows is theirs, in the mean */
#define BUDGET_WINDOW_SHARE 0.6 /* ... and at most in a window */
#define BUDGET_WINDOW_NS 10000000000ull
#define CPU_LEAST 0.01		 /* a target that idles is not held against them below that, ... */
#define BUSY_CPU_LEAST 0.1	 /* ... nor one that grows; as governor_cfg.least_cpu */
#define WINDOW_NS 30000000000ull /* long enough to name who maps and opens what grows, ... */
#define THINGS_WINDOW_NS 60000000000ull /* ... and to tell that it gathers: only they see that */
#define AGAIN_NS 10000000000ull		/* after a failure */
#define PAUSE_MAX_NS 110000000000ull
#define FIRST_LOOK_NS 300000000ull
#define FAULT_NS 80.0 /* added to each page fault of the machine; measured on 6.18 */
#define FAULTS_HOLD_NS 30000000000ull /* after the last tick in which something grew */

void watching_begin(struct watching *w, uint64_t now_ns)
{
	*w = (struct watching){ .in_ns = now_ns,
				.looked_ns = now_ns,
				.first_ns = now_ns + FIRST_LOOK_NS,
				.fault_ratio = NAN,
				.target_ratio = NAN,
				.growing_ratio = NAN,
				.machine_ratio = NAN,
				.cpus = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN) };
}

/* They are followed when something grows, and at first, so that what grows then is known from its
 * beginning: unless that costs more than nothing. */
static void look_at_faults(const struct watching *w, struct tracee *t, uint64_t now_ns)
{
	bool wanted;
	int r;

	if (!t->faults_until_ns || t->growing.grows)
		t->faults_until_ns = now_ns + FAULTS_HOLD_NS;
	t->faults_asked |= t->growing.grows;
	if (!t->faults_asked && w->fault_ratio > TARGET_RATIO_MAX)
		t->faults_until_ns = now_ns;
	wanted = now_ns < t->faults_until_ns && !tracee_is_traced(t) &&
		 t->run->features->has[FEATURE_page_faults];
	if (wanted == t->faults_in)
		return;
	r = collector_set_faults(t->run->collector, t->pid, wanted);
	if (r && r != -ESRCH)
		log_debug("process %u: page faults: %s", t->pid, strerror(-r));
	if (!r)
		log_debug("process %u: page faults are %s", t->pid,
			  wanted ? "followed" : "not followed any more");
	t->faults_in = wanted && !r;
	t->fault_skip = 0;
}

/* What the tracees are like, together; and what those with a budget did since the last look. */
struct look {
	bool traced, grows, things;
	uint64_t calls;
	double cpu_s;
};

/* What the hooks cost since the last look: every system call of the machine pays. */
static void measure_hooks(struct watching *w, double cpus, uint64_t calls, double seconds)
{
	double cost = calls / seconds * HOOKS_NS / 1e9;

	w->target_ratio = cost / fmax(cpus, CPU_LEAST);
	w->growing_ratio = cost / fmax(cpus, BUSY_CPU_LEAST);
	w->machine_ratio = cost / w->cpus;
}

/* The same of calls of the targets alone, which their budget pays. */
static void measure_own(struct watching *w, double cpus, const struct look *l, double seconds)
{
	double told = (w->events - w->looked_events) * EVENT_NS / 1e9;
	double cpu_s = fmax(l->cpu_s, fmax(cpus, BUSY_CPU_LEAST) * seconds);

	w->event_ratio = told / cpu_s;
	w->own_ratio = watching_calls_cost_s(l->calls) / cpu_s;
}

/* A counter that is not atomic can go back. */
static uint64_t rise(uint64_t now, uint64_t before)
{
	return now > before ? now - before : 0;
}

static void measure(struct watching *w, const struct run *run, double cpus,
		    const struct watching_counts *c, const struct look *l, uint64_t now_ns)
{
	double seconds = (now_ns - w->looked_ns) / 1e9;
	double faults = (double)(c->faults - w->looked.faults);

	if (seconds > 0) {
		w->fault_ratio = faults / seconds * FAULT_NS / 1e9 / fmax(cpus, BUSY_CPU_LEAST);
		if (collector_has_hooks(run->collector)) {
			measure_hooks(w, cpus, rise(c->syscalls, w->looked.syscalls), seconds);
			measure_own(w, cpus, l, seconds);
		}
	}
	w->looked_ns = now_ns;
	w->looked = *c;
	w->looked_events = w->events;
}

/* How often they cost, in a window, what they may in the mean while something grows. */
static double over_mean(const struct watching *w)
{
	return fmax(w->machine_ratio / MACHINE_RATIO_MAX, w->growing_ratio / GROWING_RATIO_MAX);
}

/* Without a budget nobody goes without them while allocators are probed. */
static double over_budget(const struct watching *w, const struct opts *o)
{
	if (o->mode == MODE_WATCH || o->mode == MODE_FULL || !(o->budget_pct > 0))
		return 0;
	return (w->event_ratio + w->own_ratio) / (o->budget_pct / 100 * BUDGET_SHARE);
}

/* A window is long enough to see who opens, unless nothing is left of the budget meanwhile. */
static bool is_over_budget(const struct watching *w, const struct opts *o, uint64_t now_ns)
{
	double over = over_budget(w, o);

	return over > 1 &&
	       (over > BUDGET_WINDOW_SHARE / BUDGET_SHARE || now_ns - w->in_ns >= BUDGET_WINDOW_NS);
}

static bool is_too_dear(const struct watching *w, const struct look *l, uint64_t now_ns)
{
	if (!l->grows)
		return w->target_ratio > TARGET_RATIO_MAX;
	return over_mean(w) > 1 && now_ns - w->in_ns >= (l->things ? THINGS_WINDOW_NS : WINDOW_NS);
}

static bool wants_hooks(const struct watching *w, const struct opts *o, const struct look *l,
			bool in, uint64_t now_ns)
{
	if (o->events)
		return true;
	if (in)
		return !is_over_budget(w, o, now_ns) && (l->traced || !is_too_dear(w, l, now_ns));
	return !watching_holds_back(w, now_ns) &&
	       (l->traced || (l->grows && now_ns >= w->pause_until_ns));
}

uint64_t watching_pause_ns(double over, uint64_t window_ns)
{
	double pause = (double)window_ns * (over - 1);

	return pause > 0 ? (uint64_t)fmin(pause, PAUSE_MAX_NS) : 0;
}

static void set_hooks(struct watching *w, const struct run *run, const struct look *l, bool in,
		      uint64_t now_ns)
{
	int r = collector_set_hooks(run->collector, in);

	if (r) {
		log_debug("system calls: %s", strerror(-r));
		w->not_before_ns = now_ns + AGAIN_NS;
		return;
	}
	log_debug("system calls are %s (they cost %.2f %% of the target's CPU)",
		  in ? "followed" : "not followed any more", w->target_ratio * 100);
	if (in) {
		w->in_ns = now_ns;
		if (over_budget(w, run->opts) > 1)
			w->first_ns = now_ns + FIRST_LOOK_NS; /* it was too dear before */
		return;
	}
	w->not_before_ns = now_ns + watching_pause_ns(over_budget(w, run->opts), now_ns - w->in_ns);
	w->pause_until_ns =
		now_ns + (l->grows ? watching_pause_ns(over_mean(w), now_ns - w->in_ns) : 0);
}

static void look_at(struct look *l, struct tracee *t)
{
	l->traced |= t->heap_traced ? tracee_is_traced(t) : t->heap_wanted;
	l->grows |= t->growing.grows;
	l->things |= t->growing.things_grow;
	l->calls += t->held.calls;
	l->cpu_s += t->held.cpu_s;
	t->held.calls = 0;
	t->held.cpu_s = 0;
}

void watching_look(struct watching *w, const struct run *run, struct tracee *const *tracee,
		   size_t count, const struct watching_counts *counts, uint64_t now_ns)
{
	bool in = collector_has_hooks(run->collector), wanted;
	struct look l = { .traced = false };

	for (size_t i = 0; i < count; i++) {
		if (tracee[i]->ended || !tracee[i]->alive)
			continue;
		look_at(&l, tracee[i]);
	}
	w->first_ns = 0;
	measure(w, run, tracees_cpus(tracee, count), counts, &l, now_ns);
	for (size_t i = 0; i < count; i++)
		if (!tracee[i]->ended && tracee[i]->alive)
			look_at_faults(w, tracee[i], now_ns);
	wanted = wants_hooks(w, run->opts, &l, in, now_ns);
	if (wanted != in)
		set_hooks(w, run, &l, wanted, now_ns);
}

bool watching_is_due(const struct watching *w, uint64_t now_ns)
{
	return w->first_ns != 0 && now_ns >= w->first_ns;
}

bool watching_holds_back(const struct watching *w, uint64_t now_ns)
{
	return now_ns < w->not_before_ns;
}

double watching_calls_cost_s(uint64_t calls)
{
	return (double)calls * HOOKS_NS / 1e9;
}

double watching_told_ratio(const struct run *run)
{
	return collector_has_hooks(run->collector) ? run->watching->event_ratio : 0;
}

const char *watching_reason(const struct run *run)
{
	return collector_has_hooks(run->collector)
		       ? NULL
		       : "system calls are not followed just now: who maps and opens is not seen";
}
