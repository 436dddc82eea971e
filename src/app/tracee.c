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

#include "analyse/attrib.h"
#include "app/code_names.h"
#include "app/holding.h"
#include "app/java.h"
#include "app/memory.h"
#include "app/modules_scan.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mask.h"
#include "base/str.h"
#include "collect/fds.h"
#include "sys/fdtable.h"
#include "sys/maps.h"
#include "sys/procfs.h"
#include "sys/threads.h"

#define INVENTORY_SHARE 50	      /* an inventory may take 1/50 of a CPU between two */
#define SCAN_SHARE 20		      /* the same of a scan for new code, ... */
#define SCAN_WAIT_MAX_NS 800000000ull /* ... which new libraries do not wait longer for */
#define NAMES_PER_TICK 512
#define NAMES_BUDGET_NS 30000000
#define FINAL_BUDGET_NS 2000000000
#define THREAD_SP_MAX 1024 /* stacks looked up per inventory; each costs a file */

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

static void analysis_clear(struct tracee *t)
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

void tracee_free(struct tracee *t)
{
	if (!t)
		return;
	collector_remove_process(t->run->collector, t->pid);
	if (!t->ended && t->allocator_count) /* it went while it was attached */
		collector_purge(t->run->collector, t->asid);
	analysis_clear(t);
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
	return t->run->opts->mode != MODE_WATCH && t->preflight.allocator_probes &&
	       t->preflight.return_probes;
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
	if (!r && procfs_read_stat(t->run->proc, t->pid, &stat) == 0 && stat.zombie &&
	    stat.threads <= 1)
		r = -ESRCH; /* only its parent has not looked yet, and may never */
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

/* Once more, of the same moment as its pages are read. */
static void read_sizes(struct tracee *t)
{
	uint64_t now_ns = clock_monotonic_ns();
	struct proc_fact fact;

	if (procfs_read_fact(t->run->proc, t->pid, &fact) || fact.start_ticks != t->start_ticks)
		return;
	fact.cpu_ns = t->fact.cpu_ns;
	t->fact = fact;
	t->fact_ns = now_ns;
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

static void read_threads(struct tracee *t, uint64_t now_ns)
{
	struct thread_list list = { 0 };
	auto_free uint32_t *tid = NULL;
	auto_free uint64_t *sp = NULL;

	if (threads_list(t->run->proc, t->pid, THREADS_MAX, &list))
		return;
	tid = calloc(list.count + 1, sizeof(*tid));
	sp = calloc(list.count + 1, sizeof(*sp));
	if (tid && sp) {
		if (list.count <= THREAD_SP_MAX)
			threads_fill_stack_pointers(t->run->proc, t->pid, &list);
		for (size_t i = 0; i < list.count; i++) {
			tid[i] = list.thread[i].tid;
			sp[i] = list.thread[i].sp;
		}
		model_set_threads(t->run->model, t->pid, tid, list.count, now_ns);
		model_set_thread_stacks(t->run->model, t->pid, sp, list.count);
	}
	threads_done(&list);
}

static void read_fds(struct tracee *t)
{
	uint64_t now_ns = clock_monotonic_ns();
	auto_free struct fd_fact *facts = NULL;
	struct fd_table table = { 0 };
	size_t n = 0;
	int r = fds_read(t->run->collector, t->pid, &facts, &n);

	if (r == 0) {
		model_set_fds(t->run->model, t->pid, facts, n, now_ns);
		return;
	}
	if (fdtable_read(t->run->proc, t->pid, &table) == 0)
		model_set_fds(t->run->model, t->pid, table.fd, table.count, now_ns);
	fdtable_done(&table);
}

/* Before probes go in: a stack that meets a file without its table ends there. */
static void add_unwind_tables(struct tracee *t, const struct vma_table *maps, uint32_t text)
{
	struct unwind_process process = { .root = t->run->proc,
					  .pid = t->pid,
					  .text = text,
					  .vma = maps->vma,
					  .count = maps->count };
	struct unwind *u = collector_unwind(t->run->collector);
	struct unwind_stats before, stats;
	struct unwind_cost cost;
	int r;

	unwind_get_stats(u, &before);
	r = unwind_add_process(u, &process, &cost);
	unwind_get_stats(u, &stats);
	if (r)
		log_warn("process %u: out of memory, stacks will be incomplete", t->pid);
	else if (cost.build_ns)
		log_debug("process %u: unwind tables of %u files, %lu kB, built in %.1f ms; of all "
			  "%lu kB",
			  t->pid, cost.files, (unsigned long)(cost.bytes / 1024),
			  cost.build_ns / 1e6, (unsigned long)(stats.bytes / 1024));
	if (stats.refused > before.refused)
		tracee_unmeasured(t, "stacks",
				  "unwind tables take more than %lu MB: stacks end at some files",
				  (unsigned long)(UNWIND_BYTES_MAX >> 20));
}

/* Once more, ahead: events count as soon as the process is entered. */
static void prepare_unwind_tables(struct tracee *t)
{
	struct vma_table maps = { 0 };

	if (maps_read(t->run->proc, t->pid, &maps))
		return; /* the scan will tell */
	add_unwind_tables(t, &maps, UNWIND_NO_TEXT);
	maps_done(&maps);
}

void tracee_tell_code(struct tracee *t)
{
	struct collector_code code = { .plumbing = t->plumbing,
				       .plumbing_count = t->plumbing_count,
				       .bare = t->bare,
				       .probed = { t->probed[0], t->probed[1] } };

	collector_set_code(t->run->collector, t->pid, t->asid, &code);
}

/* Of what is mapped as code. */
static uint64_t hash_code(const struct vma_table *maps)
{
	uint64_t h = 1;

	for (size_t i = 0; i < maps->count; i++) {
		const struct vma *v = &maps->vma[i];

		if (!v->executable)
			continue;
		h = (h ^ v->start) * 0x9e3779b97f4a7c15u;
		h = (h ^ v->end ^ v->inode) * 0x9e3779b97f4a7c15u;
		h = (h ^ v->file_offset ^ h >> 32) * 0x9e3779b97f4a7c15u;
	}
	return h;
}

/*
 * Reads the map, dated by *ret_text. While system calls are not followed nobody notes that code
 * changes: the reading does, and is then made again under the number of that change.
 */
static int read_maps(struct tracee *t, struct vma_table *maps, uint32_t *ret_text)
{
	uint64_t before = t->code_hash;
	int r;

	t->text = collector_text(t->run->collector, t->pid);
	*ret_text = collector_next_text(t->run->collector); /* first: it dates the mappings */
	r = maps_read(t->run->proc, t->pid, maps);
	if (r)
		return r;
	t->code_hash = hash_code(maps);
	if (t->code_hash == before || collector_has_hooks(t->run->collector))
		return 0;
	collector_note_code(t->run->collector, t->pid);
	maps_done(maps);
	t->text = collector_text(t->run->collector, t->pid);
	*ret_text = collector_next_text(t->run->collector);
	return maps_read(t->run->proc, t->pid, maps);
}

/* Leaves the map to the caller, if it could be read. */
static int scan(struct tracee *t, struct vma_table *maps)
{
	uint64_t now_ns = clock_monotonic_ns(), wait_ns;
	uint32_t text;
	int r;

	t->maps_dirty = false;
	r = read_maps(t, maps, &text);
	if (r)
		return r;
	add_unwind_tables(t, maps, text);
	r = model_set_vmas(t->run->model, t->pid, maps->vma, maps->count, now_ns);
	if (!r)
		r = modules_scan(t);
	holding_settle(t);
	java_look(t, maps);
	wait_ns = (clock_monotonic_ns() - now_ns) * SCAN_SHARE;
	t->scan_due_ns = now_ns + (wait_ns < SCAN_WAIT_MAX_NS ? wait_ns : SCAN_WAIT_MAX_NS);
	return r;
}

int tracee_scan(struct tracee *t)
{
	auto_clean(maps_done) struct vma_table maps = { 0 };

	return scan(t, &maps);
}

/*
 * What is mapped, resident, open and running. Costs milliseconds per resident GB, and what reading
 * heaps and allocators takes. final: whatever it costs.
 */
static void inventory(struct tracee *t, bool final)
{
	auto_clean(maps_done) struct vma_table maps = { 0 };
	uint64_t start = clock_monotonic_ns(), cpu = clock_cpu_ns();

	scan(t, &maps);
	read_threads(t, start);
	read_sizes(t);
	memory_read(t, &maps, final);
	read_fds(t);
	cpu = clock_cpu_ns() - cpu;
	/* walks have their own pace */
	t->inventory_due_ns = start + (cpu - t->found.walk_cpu_ns) * INVENTORY_SHARE;
	log_debug("process %u: inventory in %.1f ms, %.1f ms of CPU", t->pid,
		  (clock_monotonic_ns() - start) / 1e6, cpu / 1e6);
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
		prepare_unwind_tables(t);
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
	inventory(t, false);
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
static void name_frames(struct tracee *t, uint64_t budget_ns, bool final)
{
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

static int take_snapshot(struct tracee *t, uint64_t now_ns, const struct snap_counters *counters,
			 struct snapshot **ret)
{
	int r = model_snapshot(t->run->model, t->pid, now_ns, counters, ret);

	if (r)
		return r;
	(*ret)->rules = t->run->rules;
	if (!give_up_mappings(t, *ret))
		return 0;
	snapshot_free(*ret);
	r = model_snapshot(t->run->model, t->pid, now_ns, counters, ret);
	if (!r)
		(*ret)->rules = t->run->rules;
	return r;
}

/* All of it or nothing: after a failure what was found before stands. */
static int analyse(struct tracee *t, uint64_t now_ns, const struct snap_counters *counters,
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
	analysis_clear(t);
	t->snap = snap;
	t->owners = steal(owners);
	t->told = told;
	told = (struct regrouped){ 0 };
	t->ledger = ledger;
	t->findings = findings;
	t->patterns = patterns;
	return 0;
}

static void look_for_growth(struct tracee *t)
{
	struct growing_cfg cfg = growing_defaults();
	struct analysis a;

	if (tracee_analysis(t, &a))
		t->growing = growing_add(&t->growing_past, &cfg, &a);
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
		return analyse(t, now_ns, counters, final);
	if (t->alive && (final || now_ns >= t->inventory_due_ns))
		inventory(t, final);
	else if (t->alive && now_ns >= t->scan_due_ns && model_wants_map(t->run->model, t->pid))
		tracee_scan(t);
	if (t->alive) {
		tell_fact(t);
		java_look(t, NULL);
	}
	code_names_update(t, now_ns);
	name_frames(t, final ? FINAL_BUDGET_NS : NAMES_BUDGET_NS, final);
	r = analyse(t, now_ns, counters, final);
	if (!r)
		look_for_growth(t);
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
