/*
 * Where results go: one constant table of functions per output format, and what the app tells it.
 * A sink reads what it is given during the call and keeps copies of what it needs later; it never
 * closes the stream. One sink serves all traced processes of a run; `head` says which one it is.
 * Every function returns 0 or a negative errno (-EPIPE needs SIGPIPE to be ignored by the app);
 * after a failed write the stream may end within a line, and every later call returns that error.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct analysis;
struct event;
struct profile;
struct sink;

#define REPORT_SCHEMA 1 /* of every record, see schema.json */

struct sink_cfg {
	FILE *out;		 /* borrowed until the sink is freed */
	const char *host;	 /* borrowed: host name */
	bool colour;		 /* escape sequences are wanted */
	size_t top;		 /* sites told at each interval */
	bool judgement;		 /* patterns, leaks and the end are told, nothing else */
	bool ledger;		 /* sink_text: what the memory is, at the end, nothing else */
	size_t columns;		 /* width of a plot; 0: none is drawn */
	struct profile *profile; /* sink_profile only: what it fills; borrowed */
	struct sink *next;	 /* sink_profile only: the sink it stands before; borrowed */
};

/* What every record says of its process. Foreign text may hold any bytes: sinks clean it. */
struct record_head {
	uint64_t time_ns; /* CLOCK_REALTIME of the moment the record describes; 0: not known */
	double elapsed_s; /* since tracing of this process began */
	uint32_t pid;	  /* in the initial PID namespace; 0: a series, not a process */
	const char *comm; /* or the name of the series */
	const char *container_id; /* NULL when there is none */
	const char *cgroup;	  /* NULL when not known */
};

struct start_allocator {
	const char *name;   /* "glibc", "jemalloc", ... */
	const char *module; /* file name */
	uint32_t probes;    /* attached probe sites */
};

struct start_option {
	const char *name, *value;
};

struct start_unmeasured {
	const char *what, *why; /* "managed_heap", "the V8 heap cannot be read: ..." */
};

struct start_info {
	const char *version;	     /* of memtrace */
	const char *kernel;	     /* release */
	const char *mode;	     /* "watch", "sample", "full" or "auto": what was asked for */
	const char *exe;	     /* NULL when not readable */
	const char *cmdline;	     /* secrets masked already; NULL when not readable */
	double process_age_s;	     /* since it was started; 0: not known */
	const char *runtime_name;    /* "v8", "jvm", "cpython", "go" or "none" */
	const char *runtime_version; /* NULL when not known */
	const struct start_allocator *allocators;
	size_t allocator_count;
	const char *const *features_used; /* kernel features */
	size_t features_used_count;
	const char *const *features_missing;
	size_t features_missing_count;
	const struct start_option *options;
	size_t option_count;
	uint64_t limit_bytes;	/* FACT_UNKNOWN when there is none or it was not readable */
	const char *limit_kind; /* "cgroup", "rlimit" or "machine"; NULL together with the above */
	const struct start_unmeasured *unmeasured;
	size_t unmeasured_count;
};

/* What tracing costs now. NAN and FACT_UNKNOWN: not measured. */
struct overhead_info {
	double tracer_cpu_ratio; /* CPUs, so 0.01 is one percent of one CPU */
	uint64_t tracer_rss_bytes;
	double probe_hits_per_s;
	/* Share of the target's CPU time that the probes cost; it counts as a tenth of a CPU at
	 * least. */
	double target_cpu_ratio_est;
	const char *mode;	/* in force now: "watch", "sample" or "full" */
	const char *reason;	/* why this mode, one sentence; NULL when there is nothing to say */
	double probe_cpu_ratio; /* what the probes cost the target, in CPUs */
	double budget_ratio;	/* that must not be exceeded; NAN: no bound */
	uint64_t sample_bytes;	/* between samples, on average; 0: every block */
	double window_ratio;	/* share of the time that allocator probes are in */
};

/* One resource event with what the event itself does not know. */
struct event_info {
	const struct event *event;
	uint64_t site_id; /* 0 when not known */
};

enum process_event {
	PROCESS_FORK = 1,
	PROCESS_EXEC,
	PROCESS_EXIT,
	PROCESS_ATTACH,
	PROCESS_DETACH,
	PROCESS_SKIP,
};

struct process_info {
	enum process_event event;
	uint32_t parent_pid; /* 0 when not known */
	const char *reason;  /* NULL when there is nothing to say */
};

enum end_reason { END_DURATION = 1, END_SIGNAL, END_TARGET_EXIT, END_ERROR };

struct end_info {
	enum end_reason reason;
	const char *why; /* one sentence, needed for END_ERROR; NULL otherwise */
	double duration_s;
	const struct analysis *last; /* what was judged last; NULL when there was no tick */
	const struct overhead_info *overhead; /* over the whole run; NULL when not measured */
};

struct sink_ops {
	const char *name;
	size_t priv_size;
	int (*open)(void *priv, const struct sink_cfg *cfg);
	int (*start)(void *priv, const struct record_head *head, const struct start_info *info);
	int (*tick)(void *priv, const struct record_head *head, const struct analysis *analysis,
		    const struct overhead_info *overhead);
	int (*event)(void *priv, const struct record_head *head, const struct event_info *info);
	int (*process)(void *priv, const struct record_head *head, const struct process_info *info);
	int (*end)(void *priv, const struct record_head *head, const struct end_info *info);
	void (*close)(void *priv); /* also of a sink that was never opened, zeroed priv */
};

extern const struct sink_ops sink_jsonl; /* the contract: one JSON object per line */
extern const struct sink_ops sink_text;	 /* for people */

/*
 * Gathers call paths into a profile and hands every call on to the next sink, whose answers are
 * the caller's; only what the profile itself lacks memory for is answered by this one.
 */
extern const struct sink_ops sink_profile;

/* A sink with its private state, opened. */
struct sink {
	const struct sink_ops *ops;
	void *priv; /* owned */
};

int sink_new(const struct sink_ops *ops, const struct sink_cfg *cfg, struct sink **ret);
void sink_free(struct sink *s);
void sink_freep(struct sink **s);

/* The JSON Schema of all records, as `memtrace schema` prints it. Static text. */
const char *report_schema(void);
