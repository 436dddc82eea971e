/*
 * One traced process: attached, examined, read once per tick, judged. Knows the collector, the
 * model and /proc; what it finds is an analysis for the sinks. Speaks to the user where it must.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyse/analysis.h"
#include "analyse/growing.h"
#include "analyse/judge.h"
#include "analyse/ledger.h"
#include "analyse/regroup.h"
#include "app/inner.h"
#include "app/serving.h"
#include "app/sweeping.h"
#include "base/err.h"
#include "cli.h"
#include "collect/collector.h"
#include "collect/target.h"
#include "govern/governor.h"
#include "model/model.h"
#include "report/sink.h"
#include "runtime/hotspot.h"
#include "symbol/symbolizer.h"
#include "sys/limits.h"
#include "sys/preflight.h"

#define TRACEE_ALLOCATORS_MAX 16
#define TRACEE_UNMEASURED_MAX 16
#define TRACEE_TEXT_BYTES 160

/* What all tracees of a run share; borrowed by each. */
struct run {
	const struct opts *opts;
	struct features *features;
	struct keeper *keeper;
	struct collector *collector;
	struct model *model;
	struct symbolizer *symbolizer;
	const struct point_spec *specs;
	size_t spec_count;
	const struct watching *watching;
	const struct serving *serving;
	struct judge_cfg judge_cfg;
	const struct rules *rules; /* the user's; NULL: none */
	const char *proc;	   /* "/proc" */
	const char *cgroup_root;   /* "/sys/fs/cgroup" */
	uint64_t boot_ns;	   /* collector_cfg.boot_ns */
};

struct tracee_allocator {
	char name[32];
	char module[TRACEE_TEXT_BYTES];
	uint32_t probes;
};

struct tracee_unmeasured {
	const char *what; /* static */
	char why[TRACEE_TEXT_BYTES];
};

/* How far the governor's plan is done; see holding.h. */
struct held {
	bool looked;
	bool in;			/* probes were asked to be in */
	bool decided;			/* as of the last tick: a verdict stands */
	uint64_t leaks;			/* what was found until then, summed up, ... */
	size_t known_count;		/* ... and how many that are */
	double known_bytes, known_pace; /* growth that the verdict explains, from known_ns on */
	uint64_t known_ns;
	uint64_t cpu_ns; /* of the process, at the last look */
	uint64_t in_ns;	 /* that all probes were in, until then */
	uint32_t asid;	 /* whose counts these are */
	struct collector_counts counts;
	uint32_t sampled_asid, gap_log2, weight_log2;
	/* System calls, while followed, and CPU seconds that it used, since watching_look() took
	 * them. */
	uint64_t calls;
	double cpu_s;
	uint64_t hits;	   /* of all kinds, since the beginning ... */
	double cost_s;	   /* ... and what they cost, in CPU seconds */
	double hits_per_s; /* between the last two ticks; NAN before */
	double cost_per_s;
	uint64_t tick_ns, tick_hits;
	char reason[2 * GOVERNOR_REASON_BYTES]; /* of its mode, as of the last tick */
};

struct tracee {
	const struct run *run; /* borrowed */
	uint32_t pid, asid, parent_pid;
	uint32_t text; /* collector_text() of the memory map that was read last */
	uint64_t start_ticks, begun_ns, seq;
	bool alive, maps_dirty, ended;
	struct preflight preflight;
	bool heap_wanted;  /* allocator probes may go in */
	bool heap_traced;  /* at least one allocator is probed */
	bool announces;	   /* it announces its allocations, and that is what is probed */
	bool stepped_down; /* the probes were taken out for good */
	bool headless;	   /* its main thread has ended, others go on */
	char mode_reason[TRACEE_TEXT_BYTES];
	struct governor *governor; /* owned; NULL: nothing is held */
	struct held held;
	struct sweeping sweeping;
	struct served served;

	struct tracee_allocator allocator[TRACEE_ALLOCATORS_MAX];
	size_t allocator_count;
	struct tracee_unmeasured unmeasured[TRACEE_UNMEASURED_MAX];
	size_t unmeasured_count;
	uint64_t plumbing[MT_PLUMBING_RANGES][2];
	size_t plumbing_count;
	uint64_t bare[MT_BARE_RANGES][2]; /* generated code without frame pointers */
	uint64_t probed[2];		  /* of the program's own file, if it has allocators */
	struct {
		enum { JAVA_NONE, JAVA_STARTING, JAVA_KNOWN } state;
		struct hotspot tables;
		uint32_t tries, wait; /* looks until it is asked again */
	} java;

	char comm[32];
	char exe[4096];
	char *cmdline;		  /* owned: masked */
	const char *runtime;	  /* static: "v8", "jvm", "cpython", "go", "none" */
	struct inner *inner;	  /* owned */
	struct inner_found found; /* as of the last inventory */
	struct limits limits;
	struct proc_fact fact;
	uint64_t fact_ns;			  /* when fact was read */
	uint64_t cpu_first_ns, cpu_first_at_ns;	  /* of the first tick */
	uint64_t cpu_before_ns, cpu_before_at_ns; /* of the last tick */
	double cpu_ratio;	   /* CPUs that the target uses; NAN when not known */
	size_t files_pending;	   /* symbol tables to be loaded, as last told */
	uint64_t debug_refused;	   /* debug files that could not be used, as last told */
	bool fetch_told;	   /* that nothing can be fetched */
	uint64_t inventory_due_ns; /* not before: keeps the inventory's cost small */
	unsigned int fault_skip;   /* collector_set_fault_skip(), as last set */
	uint64_t scan_due_ns;	   /* the same of a scan for new code */
	int vdso_fd;		   /* owned: a copy of its [vdso]; -1 before */
	struct {
		int fd; /* owned: the file that has SSL_write() and its like; -1: none */
		uint64_t offset[COLLECTOR_PLAIN_POINTS];
		size_t count;
	} tls;
	struct perfmap_file *perfmap; /* owned; NULL while there is no generated code */
	uint64_t perfmap_seen_ns;     /* the change of it that was last looked at */

	struct growing growing_past;
	struct growing_answer growing; /* as of the last tick */
	bool faults_in;		       /* the page-fault tier */
	bool faults_asked;	       /* something grew, they are not followed just in case */
	uint64_t faults_until_ns;
	uint64_t code_hash; /* of what was mapped as code, as last read */

	struct ledger_state ledger_state;
	struct judge *judge;	   /* owned */
	struct snapshot *snap;	   /* owned: of the last tick, NULL before */
	struct owner *owners;	   /* owned */
	struct regrouped told;	   /* owned content: its sites as they are judged and told */
	struct ledger ledger;	   /* owned content */
	struct findings findings;  /* owned content */
	struct patterns patterns;  /* owned content */
	struct judge_limits bound; /* of its memory, at the last tick */
};

/*
 * Checks a process and begins to trace it: probes in, first inventory taken. asid 0: a new one.
 * -ESRCH (no such process, or it exited meanwhile), -EPERM and others with *err filled.
 */
int tracee_new(const struct run *run, uint32_t pid, uint32_t asid, struct tracee **ret,
	       struct err *err);
void tracee_free(struct tracee *t);
void tracee_freep(struct tracee **t);

/* Reads the memory map again and probes allocators that came with new files. */
int tracee_scan(struct tracee *t);

/* Tells the kernel side of t->plumbing, t->bare and t->probed. */
void tracee_tell_code(struct tracee *t);

/* The process executed another program under a new address space id. */
void tracee_executed(struct tracee *t, uint32_t asid);

/* Facts, snapshot, ledger, judgement. final: everything is read whatever it costs. */
int tracee_tick(struct tracee *t, uint64_t now_ns, const struct snap_counters *counters,
		bool final);

/* The result of the last tick; *ret borrows from the tracee. False before the first tick. */
bool tracee_analysis(const struct tracee *t, struct analysis *ret);

/* Whether the live set is kept up: allocators are probed, now and then at least. */
bool tracee_is_traced(const struct tracee *t);
/* CPUs that those which live use together, as far as it is known. */
double tracees_cpus(struct tracee *const *tracee, size_t count);
/* Since the process was started; 0: not known. */
double tracee_lived_s(const struct tracee *t);
/* Tells the model of that. */
void tracee_tell_traced(const struct tracee *t);

/* Takes the allocator probes out for good, for a reason that the reports repeat. */
void tracee_step_down(struct tracee *t, const char *reason);

void tracee_head(const struct tracee *t, uint64_t now_ns, uint64_t realtime_ns,
		 struct record_head *ret);

/* Notes that something cannot be measured; `what` is static. The first 16 are kept. */
__attribute__((format(printf, 3, 4))) void tracee_unmeasured(struct tracee *t, const char *what,
							     const char *why, ...);
