/*
 * What happens during a run: events of processes, and what is due: looks, ticks, reports. Events go
 * bytes -> event -> model; once per tick facts are read, a snapshot is judged, and at each interval
 * the sink is told.
 */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "app/app_impl.h"
#include "app/start_info.h"
#include "base/clock.h"
#include "base/log.h"
#include "decode/decode.h"
#include "sys/procfs.h"

#define POLL_NS 100000000ull	     /* how often the ring is looked at without being woken */
#define ACCOUNT_NS 1000000000ull     /* points of the series */
#define HOLD_OFF_MAX_NS 300000000ull /* no longer does a tick wait for a window */

static struct tracee *tracee_of(const struct app *a, uint32_t pid)
{
	for (size_t i = 0; i < a->tracee_count; i++)
		if (a->tracee[i]->pid == pid && !a->tracee[i]->ended)
			return a->tracee[i];
	return NULL;
}

/* A sink that cannot write ends the run; the first reason is what the user is told. */
static void check_output(struct app *a, int r)
{
	if (r >= 0 || a->output_error)
		return;
	a->output_error = r;
	loop_stop(a->loop);
}

static void tell_process(struct app *a, const struct tracee *t, enum process_event what,
			 const char *reason)
{
	struct process_info info = { .event = what, .parent_pid = t->parent_pid, .reason = reason };
	struct record_head head;

	tracee_head(t, clock_monotonic_ns(), clock_realtime_ns(), &head);
	check_output(a, a->output.sink->ops->process(a->output.sink->priv, &head, &info));
}

/* --- events --------------------------------------------------------------------------------- */

static void add_born(struct app *a, uint32_t pid, uint32_t parent, uint32_t asid)
{
	if (a->born_count == TRACEES_MAX) {
		log_warn("too many children at once, process %u is not followed", pid);
		return;
	}
	a->born[a->born_count].pid = pid;
	a->born[a->born_count].parent = parent;
	a->born[a->born_count++].asid = asid;
}

static void on_fork(struct app *a, const struct mt_ev_task *e)
{
	if (e->child_asid && !e->shares_mm && a->opts->follow)
		add_born(a, e->child_tgid, e->hdr.tgid, e->child_asid);
}

static void tell_event(struct app *a, const struct event *ev)
{
	struct tracee *t = tracee_of(a, ev->hdr.tgid);
	struct event_info info = { .event = ev };
	struct record_head head;

	if (!t || ev->kind == MT_KIND_site || ev->kind == MT_KIND_region ||
	    ev->kind == MT_KIND_code)
		return;
	tracee_head(t, clock_monotonic_ns(), clock_realtime_ns(), &head);
	check_output(a, a->output.sink->ops->event(a->output.sink->priv, &head, &info));
}

/*
 * A process that is not traced yet executes: it is attached under its new address space, whether
 * its fork is still waiting to be looked at or it shared its parent's memory until now (vfork).
 */
static void on_child_exec(struct app *a, const struct mt_ev_task *e)
{
	for (size_t i = 0; i < a->born_count; i++)
		if (a->born[i].pid == e->hdr.tgid) {
			collector_purge(a->collector, a->born[i].asid);
			a->born[i].asid = e->child_asid;
			return;
		}
	for (size_t i = 0; e->shares_mm && i < a->tracee_count; i++)
		if (a->tracee[i]->asid == e->asid && !a->tracee[i]->ended) {
			add_born(a, e->hdr.tgid, a->tracee[i]->pid, e->child_asid);
			return;
		}
}

/* Called for each record; the bytes are only valid during the call. */
int app_on_record(void *ctx, void *bytes, size_t len)
{
	struct app *a = ctx;
	struct tracee *t;
	struct event ev;

	if (decode_event(bytes, len, &ev)) {
		a->counters.bad_records++; /* counted, never fatal */
		return 0;
	}
	t = tracee_of(a, ev.hdr.tgid);
	model_apply(a->model, &ev);
	a->watching.events += ev.kind == MT_KIND_sys;
	if (ev.kind == MT_KIND_code)
		unwind_add_code(collector_unwind(a->collector), a->run.proc, &ev.code);
	if (ev.kind == MT_KIND_fork)
		on_fork(a, &ev.task);
	if (!t && ev.kind == MT_KIND_exec && a->opts->follow)
		on_child_exec(a, &ev.task);
	if (!t && ev.kind == MT_KIND_exit) { /* a child that was too quick to be attached */
		model_remove_process(a->model, ev.hdr.tgid);
		collector_purge(a->collector, ev.task.asid); /* common probes were in it */
	}
	if (t && ev.kind == MT_KIND_exec && !ev.task.child_asid) {
		log_warn("process %u is no longer followed: more than 65535 programs were executed",
			 t->pid);
		t->alive = false;
	} else if (t && ev.kind == MT_KIND_exec) {
		tracee_executed(t, ev.task.child_asid);
		tell_process(a, t, PROCESS_EXEC, NULL);
	}
	if (t && ev.kind == MT_KIND_exit)
		t->alive = false;
	if (t && ev.kind == MT_KIND_sys && ev.sys.op == MT_SYS_MMAP && (ev.sys.arg[2] & 4))
		t->maps_dirty = true; /* code was mapped: maybe an allocator with it */
	if (a->opts->events)
		tell_event(a, &ev);
	return 0;
}

/* --- reports -------------------------------------------------------------------------------- */

static void read_counters(struct app *a)
{
	collector_counters(a->collector, a->counters.v);
}

static void tell_tick(struct app *a, struct tracee *t, uint64_t now_ns)
{
	struct overhead_info overhead;
	struct analysis analysis;
	struct record_head head;

	if (!tracee_analysis(t, &analysis))
		return;
	t->told.snap.seq = t->seq++;
	tracee_head(t, now_ns, clock_realtime_ns(), &head);
	cost_info(&a->cost, t, false, now_ns, &overhead);
	check_output(a,
		     a->output.sink->ops->tick(a->output.sink->priv, &head, &analysis, &overhead));
}

void app_end_tracee(struct app *a, struct tracee *t, enum end_reason reason, const char *why)
{
	uint64_t now_ns = clock_monotonic_ns();
	struct overhead_info overhead;
	struct analysis analysis;
	struct record_head head;
	struct end_info info = { .reason = reason, .why = why };
	int r;

	if (t->ended)
		return;
	holding_tick(t, now_ns);
	r = tracee_tick(t, now_ns, &a->counters, true);
	if (r)
		log_debug("process %u: last tick: %s", t->pid, strerror(-r));
	if (!a->output_error)
		tell_tick(a, t, now_ns);
	tracee_head(t, now_ns, clock_realtime_ns(), &head);
	cost_info(&a->cost, t, true, now_ns, &overhead);
	info.duration_s = (now_ns - t->begun_ns) / 1e9;
	info.overhead = &overhead;
	if (tracee_analysis(t, &analysis)) {
		info.last = &analysis;
		a->leak_found |= analysis.findings->verdict == VERDICT_LEAK;
	}
	if (!a->output_error)
		check_output(a, a->output.sink->ops->end(a->output.sink->priv, &head, &info));
	t->ended = true;
	collector_remove_process(a->collector, t->pid);
	if (!a->finishing && (a->opts->follow || a->opts->pid_count > 1))
		collector_purge(a->collector, t->asid);
	a->alive_count--;
}

int app_add_tracee(struct app *a, uint32_t pid, uint32_t parent, uint32_t asid, struct err *err)
{
	struct record_head head;
	struct tracee *t;
	uint32_t tgid;
	int r;

	if (a->tracee_count == TRACEES_MAX)
		return err_set(err, -ENOSPC, "more than %d processes", TRACEES_MAX);
	if (procfs_tgid_of(a->run.proc, pid, &tgid) == 0 && tracee_of(a, tgid))
		return err_set(err, -EEXIST, "process %u is traced already", tgid);
	r = tracee_new(&a->run, pid, asid, &t, err);
	if (r)
		return r;
	t->parent_pid = parent;
	r = holding_add(&a->holding, t);
	if (r) {
		tracee_free(t);
		return err_set(err, r, "cannot trace process %u (%s)", pid, strerror(-r));
	}
	a->tracee[a->tracee_count++] = t;
	a->alive_count++;
	sniffing_add(&a->sniffing, t, clock_monotonic_ns());
	tracee_head(t, clock_monotonic_ns(), clock_realtime_ns(), &head);
	check_output(a, start_info_send(t, a->output.sink, &head));
	tell_process(a, t, PROCESS_ATTACH, NULL);
	return 0;
}

/* Children that were forked meanwhile. One that is gone already is no error. */
static void attach_born(struct app *a)
{
	for (size_t i = 0; i < a->born_count; i++) {
		struct err err = { 0 };
		int r;

		r = app_add_tracee(a, a->born[i].pid, a->born[i].parent, a->born[i].asid, &err);
		if (!r)
			continue;
		if (r == -ESRCH)
			log_debug("child %u: %s", a->born[i].pid, err.text);
		else
			log_warn("child %u is not traced: %s", a->born[i].pid, err.text);
		collector_remove_process(a->collector, a->born[i].pid);
		collector_purge(a->collector, a->born[i].asid);
		model_remove_process(a->model, a->born[i].pid);
	}
	a->born_count = 0;
}

void app_on_held(void *ctx, struct tracee *t, enum process_event event, const char *reason)
{
	tell_process(ctx, t, event, reason);
}

void app_account(struct app *a, uint64_t now_ns)
{
	size_t n;
	const struct mt_site *sites = collector_sites(a->collector, &n);

	read_counters(a);
	model_account(a->model, sites, n, now_ns);
	a->account_due_ns = now_ns + ACCOUNT_NS;
}

void app_read_cost(struct app *a, uint64_t now_ns)
{
	struct symbolizer_stats names;

	symbolizer_get_stats(a->symbolizer, &names);
	cost_read(&a->cost, a->run.proc, now_ns, &names);
}

static void watch(struct app *a, uint64_t now_ns)
{
	struct watching_counts counts = {
		.syscalls = a->counters.v[MT_CNT_syscalls],
		.faults = a->counters.v[MT_CNT_faults],
	};

	watching_look(&a->watching, &a->run, a->tracee, a->tracee_count, &counts, now_ns);
}

/* The kernel shows a process by its main thread, and may take its probes out, too. */
static void check_main_thread(struct app *a, struct tracee *t)
{
	static const char why[] = "its main thread has ended: /proc shows its memory no more";

	if (!t->headless || t->stepped_down)
		return;
	if (t->heap_traced) {
		holding_give_up(&a->holding, t, why);
		return;
	}
	log_warn("process %u: %s", t->pid, why);
	tracee_step_down(t, why);
}

static void tick_all(struct app *a, uint64_t now_ns, bool report)
{
	app_read_cost(a, now_ns);
	for (size_t i = 0; i < a->tracee_count; i++) {
		struct tracee *t = a->tracee[i];

		if (t->ended || !t->alive)
			continue;
		holding_tick(t, now_ns);
		check_main_thread(a, t);
		if (tracee_tick(t, now_ns, &a->counters, false) == 0) {
			holding_judged(t, now_ns);
			if (report)
				tell_tick(a, t, now_ns);
		}
		if (t->heap_traced && !keeper_is_alive(a->keeper))
			holding_give_up(&a->holding, t,
					"the process that holds memtrace's probes was killed");
	}
	watch(a, now_ns);
	serving_look(&a->serving, &a->run, a->tracee, a->tracee_count,
		     a->counters.v[MT_CNT_contexts], now_ns);
}

/* Runs that follow children last long: nothing of a process is kept when it was reported. */
static void drop_ended(struct app *a)
{
	size_t kept = 0;

	for (size_t i = 0; i < a->tracee_count; i++) {
		if (!a->tracee[i]->ended) {
			a->tracee[kept++] = a->tracee[i];
			continue;
		}
		model_remove_process(a->model, a->tracee[i]->pid);
		tracee_free(a->tracee[i]);
	}
	a->tracee_count = kept;
}

static void end_the_gone(struct app *a)
{
	bool accounted = false;

	for (size_t i = 0; i < a->tracee_count; i++) {
		if (a->tracee[i]->alive || a->tracee[i]->ended)
			continue;
		if (!accounted) /* what it did since the last time is still in the kernel */
			app_account(a, clock_monotonic_ns());
		accounted = true;
		app_end_tracee(a, a->tracee[i], END_TARGET_EXIT, NULL);
	}
	drop_ended(a);
	if (a->alive_count == 0 && a->born_count == 0) {
		a->end_reason = END_TARGET_EXIT;
		loop_stop(a->loop);
	}
}

static void scan_dirty(struct app *a)
{
	for (size_t i = 0; i < a->tracee_count; i++) {
		struct tracee *t = a->tracee[i];

		if (t->alive && collector_text(a->collector, t->pid) != t->text)
			t->maps_dirty = true;
		if (t->maps_dirty && t->alive && clock_monotonic_ns() >= t->scan_due_ns)
			tracee_scan(t);
	}
}

/* Looks at those whose time has come, and sets the timer for the next. */
int app_on_hold(void *ctx, uint64_t expirations)
{
	struct app *a = ctx;
	uint64_t now_ns = clock_monotonic_ns(), next_ns = now_ns + POLL_NS;
	bool open = false, windows = false;

	(void)expirations;
	for (size_t i = 0; i < a->tracee_count; i++) {
		struct tracee *t = a->tracee[i];

		if (t->ended)
			continue;
		if (holding_due_ns(t) <= now_ns)
			holding_look(&a->holding, t);
		open |= holding_is_busy(t, now_ns);
		windows |= holding_has_windows(t);
		if (holding_due_ns(t) < next_ns)
			next_ns = holding_due_ns(t);
	}
	holding_hurry(&a->holding, open);
	holding_pace(&a->holding, windows, open);
	now_ns = clock_monotonic_ns();
	return loop_set_timer(a->hold_timer, next_ns > now_ns ? next_ns - now_ns : 1, 0);
}

/* A short window is open somewhere: what takes time is put off to its end. */
static bool is_held_off(struct app *a, uint64_t now_ns)
{
	bool busy = false;

	for (size_t i = 0; i < a->tracee_count && !busy; i++)
		busy = !a->tracee[i]->ended && holding_is_busy(a->tracee[i], now_ns);
	if (!busy)
		a->held_off_ns = 0;
	else if (!a->held_off_ns)
		a->held_off_ns = now_ns;
	return busy && now_ns - a->held_off_ns < HOLD_OFF_MAX_NS;
}

/* Ten times a second: events, then whatever is due. */
int app_on_timer(void *ctx, uint64_t expirations)
{
	struct app *a = ctx;
	uint64_t now_ns;
	bool report, tick;

	(void)expirations;
	collector_poll(a->collector);
	collector_check_common(a->collector);
	attach_born(a);
	if (is_held_off(a, clock_monotonic_ns()))
		return 0;
	scan_dirty(a);
	for (size_t i = 0; i < a->tracee_count; i++)
		if (a->tracee[i]->alive && !a->tracee[i]->ended)
			sweeping_look(a->tracee[i], clock_monotonic_ns());
	now_ns = clock_monotonic_ns();
	sniffing_look(&a->sniffing, a->tracee, a->tracee_count, now_ns);
	if (watching_is_due(&a->watching, now_ns)) {
		read_counters(a);
		watch(a, now_ns);
	}
	report = now_ns >= a->report_due_ns;
	tick = report || now_ns >= a->tick_due_ns;
	if (tick || now_ns >= a->account_due_ns) /* a tick judges what is, not a second ago */
		app_account(a, now_ns);
	if (tick) {
		tick_all(a, now_ns, report);
		a->tick_due_ns = now_ns + a->tick_ns;
		if (report)
			a->report_due_ns += (uint64_t)(a->opts->interval_s * 1e9);
	}
	end_the_gone(a);
	return 0;
}

int app_on_ring(void *ctx, uint32_t events)
{
	struct app *a = ctx;

	(void)events;
	collector_poll(a->collector);
	return 0;
}

int app_on_signal(void *ctx, int signal)
{
	struct app *a = ctx;

	(void)signal;
	a->end_reason = END_SIGNAL;
	loop_stop(a->loop);
	return 0;
}

int app_on_duration(void *ctx, uint64_t expirations)
{
	struct app *a = ctx;

	(void)expirations;
	a->end_reason = END_DURATION;
	loop_stop(a->loop);
	return 0;
}
