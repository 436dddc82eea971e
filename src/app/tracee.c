/*
 * Attaching a process and reading it once per tick. The order of attaching matters: the kernel
 * side learns of the process first, then the mappings are read, so that nothing mapped in between
 * is missed; allocators are probed file by file.
 */
#include "app/tracee.h"

#include <errno.h>
#include <math.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "app/code_names.h"
#include "app/inventory.h"
#include "app/java.h"
#include "app/judging.h"
#include "app/memory.h"
#include "app/modules_scan.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mask.h"
#include "base/str.h"
#include "sys/procfs.h"

void tracee_unmeasured(struct tracee *t, const char *what, const char *why, ...)
{
	struct tracee_unmeasured *u = &t->unmeasured[t->unmeasured_count];
	va_list ap;

	if (t->unmeasured_count == TRACEE_UNMEASURED_MAX)
		return;
	u->what = what;
	va_start(ap, why);
	vsnprintf(u->why, sizeof(u->why), why, ap);
	va_end(ap);
	t->unmeasured_count++;
}

void tracee_free(struct tracee *t)
{
	if (!t)
		return;
	if (t->pid) /* else it was refused before anything was done */
		collector_remove_process(t->run->collector, t->pid);
	if (!t->ended && t->allocator_count) /* it went while it was attached */
		collector_purge(t->run->collector, t->asid);
	judging_clear(t);
	governor_free(t->governor);
	inner_free(t->inner);
	code_names_drop(t);
	close_fd(&t->vdso_fd);
	close_fd(&t->tls.fd);
	judge_free(t->judge);
	free(t->cmdline);
	free(t);
}

void tracee_freep(struct tracee **t)
{
	tracee_free(*t);
}

/* What only the executable itself tells: a 32-bit program, one in Go. */
static int look_at_exe(struct tracee *t, struct preflight_facts *facts)
{
	struct exe_facts exe;
	int r = modules_scan_exe(t->run->proc, facts->pid, &exe);

	if (r == 0) {
		facts->is_32bit = exe.is_32bit;
		facts->is_go = exe.is_go;
		facts->is_static = exe.is_static;
		if (exe.is_go)
			t->runtime = "go";
	}
	return r == -ENOMEM ? r : 0; /* a guess could cost the target its life */
}

static int preflight(struct tracee *t, uint32_t asked, struct err *err)
{
	struct preflight_facts facts = { .force = t->run->opts->force };
	int r = preflight_gather(t->run->proc, asked, &facts);

	if (!r && facts.exists)
		r = look_at_exe(t, &facts);
	if (r)
		return err_set(err, r, "cannot look at process %u (%s)", asked, strerror(-r));
	if (facts.seccomp_mode && facts.seccomp_mode != FACT_UNKNOWN)
		facts.return_probes_safe_under_seccomp =
			features_probe_seccomp(t->run->keeper, t->run->features);
	preflight_judge(&facts, &t->preflight);
	if (t->preflight.decision == PREFLIGHT_REFUSE)
		return err_set(err, t->preflight.error, "%s", t->preflight.text);
	t->pid = t->preflight.pid;
	t->start_ticks = facts.start_ticks;
	if (t->preflight.note[0])
		log_info("%s", t->preflight.note);
	if (t->preflight.decision == PREFLIGHT_LIMITED) {
		log_warn("process %u: %s", t->pid, t->preflight.text);
		tracee_unmeasured(t, "allocations", "%s", t->preflight.text);
	}
	return 0;
}

static bool wants_heap(const struct tracee *t)
{
	return t->run->opts->mode != MODE_WATCH && t->preflight.allocator_probes;
}

/* A program with several names is called what it was started as, if that is a name of its file. */
static void name_exe(struct tracee *t)
{
	const char *slash = strrchr(t->exe, '/');
	char comm[32], path[PATH_MAX], self[64];
	struct stat exe, named;
	struct proc_fact fact;

	if (!slash || procfs_read_fact(t->run->proc, t->pid, &fact))
		return;
	snprintf(comm, sizeof(comm), "%s", fact.comm);
	snprintf(self, sizeof(self), "%s/%u/exe", t->run->proc, t->pid);
	if (snprintf(path, sizeof(path), "%s/%u/root%.*s/%s", t->run->proc, t->pid,
		     (int)(slash - t->exe), t->exe, comm) >= (int)sizeof(path))
		return;
	if (!strchr(comm, '/') && stat(self, &exe) == 0 && stat(path, &named) == 0 &&
	    exe.st_dev == named.st_dev && exe.st_ino == named.st_ino)
		model_set_exe_name(t->run->model, t->pid, comm);
}

static void read_identity(struct tracee *t)
{
	struct limits_cfg limits = { .root = t->run->proc, .cgroup_root = t->run->cgroup_root };
	auto_strbuf struct strbuf masked = { 0 };
	struct procfs_cmdline cmdline;
	bool deleted;

	if (procfs_read_exe(t->run->proc, t->pid, t->exe, sizeof(t->exe), &deleted) < 0)
		t->exe[0] = 0;
	if (procfs_read_cmdline(t->run->proc, t->pid, &cmdline) == 0 &&
	    mask_add_cmdline(&masked, cmdline.bytes, cmdline.len) == 0)
		strbuf_take(&masked, &t->cmdline);
	if (limits_read(&limits, t->pid, &t->limits))
		t->limits = (struct limits){ .memory_bytes = FACT_UNKNOWN };
	if (!t->exe[0])
		return;
	model_set_exe(t->run->model, t->pid, t->exe);
	name_exe(t);
}

/* Everything that is not asked of the kernel side: who it is and how much it holds. */
static int read_fact(struct tracee *t, uint64_t now_ns)
{
	struct procfs_stat stat;
	struct proc_fact fact;
	int r = procfs_read_fact(t->run->proc, t->pid, &fact);

	if (!r && fact.start_ticks != t->start_ticks)
		r = -ESRCH; /* the number is another process's now */
	if (!r && procfs_read_stat(t->run->proc, t->pid, &stat) == 0) {
		t->headless = stat.zombie && stat.threads > 1;
		if (stat.zombie && !t->headless)
			r = -ESRCH; /* only its parent has not looked yet, and may never */
	}
	if (r)
		return r;
	t->fact = fact;
	t->fact_ns = now_ns;
	memcpy(t->comm, fact.comm, sizeof(t->comm));
	if (t->cpu_before_at_ns && now_ns > t->cpu_before_at_ns)
		t->cpu_ratio =
			(double)(fact.cpu_ns - t->cpu_before_ns) / (now_ns - t->cpu_before_at_ns);
	if (!t->cpu_first_at_ns) {
		t->cpu_first_ns = fact.cpu_ns;
		t->cpu_first_at_ns = now_ns;
	}
	t->cpu_before_ns = fact.cpu_ns;
	t->cpu_before_at_ns = now_ns;
	return 0;
}

/* After the inventory, if there is one: external memory is without the heap that it found. */
static void tell_fact(struct tracee *t)
{
	model_set_proc(t->run->model, t->pid, &t->fact, t->fact_ns);
}

static int enter(struct tracee *t, uint32_t asid, struct err *err)
{
	struct proc_id id;
	int r;

	t->begun_ns = clock_monotonic_ns();
	if (asid) {
		t->asid = asid;
	} else {
		r = collector_add_process(t->run->collector, t->pid, &t->asid);
		if (r)
			return err_set(err, r, "cannot enter process %u (%s)", t->pid,
				       strerror(-r));
	}
	/* from here on its events count; is it still the process that was checked? */
	r = procfs_identify(t->run->proc, t->pid, &id);
	if (r || id.start_ticks != t->start_ticks)
		return err_set(err, -ESRCH, "process %u exited while memtrace attached", t->pid);
	r = model_add_process(t->run->model, t->pid, t->asid, t->start_ticks, t->begun_ns, "");
	if (r)
		return err_set(err, r, "cannot enter process %u (%s)", t->pid, strerror(-r));
	return 0;
}

static void note_watch(struct tracee *t)
{
	tracee_unmeasured(t, "allocations", "mode watch: allocators are not probed");
	tracee_unmeasured(
		t, "mappings",
		"mode watch: system calls are followed for a while only, where that costs "
		"more than 0.3 %% of the target's CPU");
	if (!t->run->features->has[FEATURE_page_faults])
		tracee_unmeasured(
			t, "faults",
			"this kernel does not tell page faults: classes of memory have no "
			"code");
}

static void note_missing(struct tracee *t)
{
	memory_note_missing(t);
	if (!t->run->features->has[FEATURE_task_file_iter])
		tracee_unmeasured(t, "connections",
				  "this kernel has no descriptor iterator: peers and "
				  "socket memory are not known");
	if (t->run->opts->mode == MODE_WATCH)
		note_watch(t);
	else if (t->heap_wanted && !t->heap_traced)
		tracee_unmeasured(t, "allocations",
				  "no allocator was found in the process's files (static and "
				  "stripped?); --alloc can name one");
	code_names_check(t);
}

int tracee_new(const struct run *run, uint32_t pid, uint32_t asid, struct tracee **ret,
	       struct err *err)
{
	auto_clean(tracee_freep) struct tracee *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return -ENOMEM;
	t->run = run;
	t->cpu_ratio = NAN;
	t->alive = true;
	t->vdso_fd = -1;
	t->tls.fd = -1;
	t->runtime = "none";
	ledger_state_init(&t->ledger_state);
	r = judge_new(&t->judge);
	if (!r)
		r = preflight(t, pid, err);
	if (!r) {
		inventory_prepare(t);
		r = enter(t, asid, err);
	}
	if (r)
		return r;
	t->heap_wanted = wants_heap(t);
	read_identity(t);
	r = read_fact(t, t->begun_ns);
	if (!r)
		r = tracee_scan(t);
	if (r == -ESRCH)
		return err_set(err, r, "process %u exited while memtrace attached", t->pid);
	if (r)
		return err_set(err, r, "cannot read the memory map of process %u (%s)", t->pid,
			       strerror(-r));
	tracee_tell_traced(t);
	inventory_take(t, false);
	t->inventory_due_ns = 0; /* opening readers was dear, the next one is not */
	tell_fact(t);
	note_missing(t);
	*ret = steal(t);
	return 0;
}

/* A new program is a new case for the checks: it may be written in Go, or be a 32-bit one. */
static void judge_program(struct tracee *t)
{
	struct err err = { 0 };
	int r = preflight(t, t->pid, &err);

	if (r) {
		tracee_unmeasured(t, "allocations", "%s", err.text);
		log_warn("process %u executed another program: %s", t->pid, err.text);
	}
	t->heap_wanted = !r && !t->stepped_down && wants_heap(t);
}

void tracee_executed(struct tracee *t, uint32_t asid)
{
	struct proc_id id;

	collector_detach(t->run->collector, t->pid);
	collector_purge(t->run->collector, t->asid);
	sweeping_drop(t);
	t->served = (struct served){ 0 };
	t->runtime = "none";
	if (t->inner)
		inner_drop(t->inner);
	t->found = (struct inner_found){ .count = 0 };
	judge_program(t);
	t->asid = asid;
	t->allocator_count = 0;
	t->plumbing_count = 0;
	code_names_drop(t);
	close_fd(&t->tls.fd);
	memset(t->bare, 0, sizeof(t->bare));
	memset(t->probed, 0, sizeof(t->probed));
	memset(&t->java, 0, sizeof(t->java));
	t->heap_traced = t->announces = false;
	collector_set_faults(t->run->collector, t->pid, false);
	t->faults_in = false;
	t->faults_until_ns = 0;
	t->growing = (struct growing_answer){ .grows = false };
	memset(&t->growing_past, 0, sizeof(t->growing_past));
	t->maps_dirty = true;
	free(t->cmdline);
	t->cmdline = NULL;
	if (procfs_identify(t->run->proc, t->pid, &id) == 0)
		model_add_process(t->run->model, t->pid, asid, id.start_ticks, clock_monotonic_ns(),
				  "");
	read_identity(t);
	ledger_state_init(&t->ledger_state);
	judge_free(t->judge);
	t->judge = NULL;
	if (judge_new(&t->judge))
		log_warn("process %u: out of memory, going on without a verdict", t->pid);
}

/* Nothing but what memory is was asked for, and that was read a moment ago. */
static bool is_one_look(const struct tracee *t)
{
	return t->run->opts->ledger && !(t->run->opts->duration_s > 0) && !t->snap;
}

int tracee_tick(struct tracee *t, uint64_t now_ns, const struct snap_counters *counters, bool final)
{
	int r;

	if (t->alive && read_fact(t, now_ns) == -ESRCH) {
		t->alive = false;
		model_set_exited(t->run->model, t->pid);
	}
	if (t->alive && final && is_one_look(t))
		return judging_analyse(t, now_ns, counters, final);
	if (t->alive && (final || now_ns >= t->inventory_due_ns))
		inventory_take(t, final);
	else if (t->alive && now_ns >= t->scan_due_ns && model_wants_map(t->run->model, t->pid))
		tracee_scan(t);
	if (t->alive) {
		tell_fact(t);
		java_look(t, NULL);
	}
	code_names_update(t, now_ns);
	judging_name(t, final);
	r = judging_analyse(t, now_ns, counters, final);
	if (!r)
		judging_look_for_growth(t);
	return r;
}

bool tracee_analysis(const struct tracee *t, struct analysis *ret)
{
	if (!t->snap || !t->owners)
		return false;
	*ret = (struct analysis){ .snap = &t->told.snap,
				  .owners = t->told.owners,
				  .ledger = &t->ledger,
				  .findings = &t->findings,
				  .patterns = &t->patterns,
				  .limits = &t->bound };
	return true;
}

double tracees_cpus(struct tracee *const *tracee, size_t count)
{
	double cpus = 0;

	for (size_t i = 0; i < count; i++)
		if (!tracee[i]->ended && tracee[i]->alive && !isnan(tracee[i]->cpu_ratio))
			cpus += tracee[i]->cpu_ratio;
	return cpus;
}

double tracee_lived_s(const struct tracee *t)
{
	double hertz = (double)sysconf(_SC_CLK_TCK);
	double now_s = (double)clock_boottime_ns() / 1e9;

	return hertz > 0 && t->start_ticks ? fmax(now_s - (double)t->start_ticks / hertz, 0) : 0;
}

bool tracee_is_traced(const struct tracee *t)
{
	return t->heap_traced && (!t->governor || governor_plan(t->governor)->step != GOVERN_WATCH);
}

void tracee_tell_traced(const struct tracee *t)
{
	model_set_heap_traced(t->run->model, t->pid, tracee_is_traced(t));
}

void tracee_step_down(struct tracee *t, const char *reason)
{
	collector_detach(t->run->collector, t->pid);
	t->heap_traced = false;
	t->heap_wanted = false;
	t->stepped_down = true;
	snprintf(t->mode_reason, sizeof(t->mode_reason), "%s", reason);
	model_set_heap_traced(t->run->model, t->pid, false);
}

void tracee_head(const struct tracee *t, uint64_t now_ns, uint64_t realtime_ns,
		 struct record_head *ret)
{
	*ret = (struct record_head){
		.time_ns = realtime_ns,
		.elapsed_s = (now_ns - t->begun_ns) / 1e9,
		.pid = t->pid,
		.comm = t->comm,
		.container_id = t->limits.container_id[0] ? t->limits.container_id : NULL,
		.cgroup = t->limits.cgroup[0] ? t->limits.cgroup : NULL,
	};
}
