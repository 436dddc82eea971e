/* See watching.h. */
#include "app/watching.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/tracee.h"
#include "base/log.h"

#define HOOKS_NS 190.0		 /* added to each system call of the machine; measured on 6.18 */
#define EVENT_NS 2500.0		 /* to one of a target that is told with its stack: nginx, 6.18 */
#define TARGET_RATIO_MAX 0.003	 /* of the targets' CPU time, while nothing grows */
#define MACHINE_RATIO_MAX 0.01	 /* of the machine's, in the mean, while something does */
#define BUDGET_SHARE 0.5	 /* of what a budget allows is theirs, in the mean */
#define CPU_LEAST 0.01		 /* a target that idles is not held against them below that, ... */
#define BUDGET_CPU_LEAST 0.1	 /* ... nor of a budget; as governor_cfg.least_cpu */
#define WINDOW_NS 10000000000ull /* long enough to see who maps and opens what grows, ... */
#define THINGS_WINDOW_NS 60000000000ull /* ... and to tell that it gathers: only they see that */
#define PAUSE_MAX_NS 110000000000ull
#define FAULTS_HOLD_NS 30000000000ull /* after the last tick in which something grew */

void watching_begin(struct watching *w, uint64_t now_ns)
{
	*w = (struct watching){ .in_ns = now_ns,
				.looked_ns = now_ns,
				.target_ratio = NAN,
				.machine_ratio = NAN,
				.cpus = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN) };
}

static void look_at_faults(struct tracee *t, uint64_t now_ns)
{
	bool wanted;
	int r;

	if (!t->faults_until_ns || t->growing.grows)
		t->faults_until_ns = now_ns + FAULTS_HOLD_NS;
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

/* What the hooks cost since the last look: every system call of the machine pays. */
static void measure(struct watching *w, double cpus, uint64_t calls, uint64_t now_ns)
{
	double seconds = (now_ns - w->looked_ns) / 1e9;
	double cost = (calls - w->looked_calls) / seconds * HOOKS_NS / 1e9;
	double told = (w->events - w->looked_events) / seconds * EVENT_NS / 1e9;

	if (seconds > 0) {
		w->target_ratio = cost / fmax(cpus, CPU_LEAST);
		w->machine_ratio = cost / w->cpus;
		w->event_ratio = told / fmax(cpus, BUDGET_CPU_LEAST);
	}
	w->looked_ns = now_ns;
	w->looked_calls = calls;
	w->looked_events = w->events;
}

static bool is_too_dear(const struct watching *w, bool grows)
{
	return grows ? w->machine_ratio > MACHINE_RATIO_MAX : w->target_ratio > TARGET_RATIO_MAX;
}

/* Without a budget nobody goes without them while allocators are probed. */
static double over_budget(const struct watching *w, const struct opts *o)
{
	if (o->mode == MODE_WATCH || o->mode == MODE_FULL || !(o->budget_pct > 0))
		return 0;
	return w->event_ratio / (o->budget_pct / 100 * BUDGET_SHARE);
}

/* How long they are in at least. */
static uint64_t window_of(bool grows, bool things)
{
	if (things)
		return THINGS_WINDOW_NS;
	return grows ? WINDOW_NS : 0;
}

/* How long they stay out after a window, so that both together cost what they may. */
static uint64_t pause_of(const struct watching *w, const struct opts *o, uint64_t window_ns)
{
	double over = fmax(w->machine_ratio / MACHINE_RATIO_MAX, over_budget(w, o));
	double pause = (double)window_ns * (over - 1);

	return pause > 0 ? (uint64_t)fmin(pause, PAUSE_MAX_NS) : 0;
}

static void set_hooks(struct watching *w, const struct run *run, bool in, uint64_t now_ns)
{
	int r = collector_set_hooks(run->collector, in);

	if (r) {
		log_debug("system calls: %s", strerror(-r));
		w->not_before_ns = now_ns + WINDOW_NS;
		return;
	}
	log_debug("system calls are %s (they cost %.2f %% of the target's CPU)",
		  in ? "followed" : "not followed any more", w->target_ratio * 100);
	if (in)
		w->in_ns = w->looked_ns = now_ns;
	else
		w->not_before_ns = now_ns + pause_of(w, run->opts, now_ns - w->in_ns);
}

void watching_look(struct watching *w, const struct run *run, struct tracee *const *tracee,
		   size_t count, uint64_t calls, uint64_t now_ns)
{
	bool in = collector_has_hooks(run->collector), needed = run->opts->events, traced = false;
	bool grows = false, things = false;
	double cpus = 0;

	for (size_t i = 0; i < count; i++) {
		struct tracee *t = tracee[i];

		if (t->ended || !t->alive)
			continue;
		look_at_faults(t, now_ns);
		traced |= t->heap_traced ? tracee_is_traced(t) : t->heap_wanted;
		grows |= t->growing.grows;
		things |= t->growing.things_grow;
		cpus += isnan(t->cpu_ratio) ? 0 : t->cpu_ratio;
	}
	if (in)
		measure(w, cpus, calls, now_ns);
	if (traced)
		needed |= in ? !(over_budget(w, run->opts) > 1) : !watching_holds_back(w, now_ns);
	if (needed && !in)
		set_hooks(w, run, true, now_ns);
	else if (!needed && in &&
		 (over_budget(w, run->opts) > 1 ||
		  (is_too_dear(w, grows) && now_ns - w->in_ns >= window_of(grows, things))))
		set_hooks(w, run, false, now_ns);
	else if (!needed && !in && grows && !watching_holds_back(w, now_ns))
		set_hooks(w, run, true, now_ns);
}

bool watching_holds_back(const struct watching *w, uint64_t now_ns)
{
	return now_ns < w->not_before_ns;
}

const char *watching_reason(const struct run *run)
{
	return collector_has_hooks(run->collector)
		       ? NULL
		       : "system calls are not followed just now: who maps and opens is not seen";
}
