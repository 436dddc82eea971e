/*
 * What analysis says of one snapshot: owners of sites, the ledger, findings and the verdict.
 * Results of pure functions (attrib.h, ledger.h, judge.h) over a const snapshot; sinks print them.
 * Strings are owned by the analysis unless they say otherwise. NAN = not measured.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "growth/forecast.h"
#include "growth/growth.h"
#include "growth/pattern.h"
#include "model/snapshot.h"

struct rule;

enum resource_class {
	CLASS_NONE = 0,
#define CLASS(id, name, resident, summary) CLASS_##name = id,
#include "memtrace/classes.def"
#undef CLASS
	CLASS_MAX
};

enum module_kind { /* jsonl.md: database|crypto|network|compression|image|other */
		   MODULE_OTHER = 0,
		   MODULE_DATABASE,
		   MODULE_CRYPTO,
		   MODULE_NETWORK,
		   MODULE_COMPRESSION,
		   MODULE_IMAGE,
		   MODULE_KINDS,
};

/* Whether a garbage collector frees it, see collections.h. */
enum collected {
	COLLECTED_NOT = 0,
	COLLECTED_ANY,
	COLLECTED_LATE,	     /* by one of everything only */
	COLLECTED_WITH_HEAP, /* a managed heap's own books: with the pages that they are about */
};

/* Who asked for the memory of a site, and which class that makes it. Parallel to snapshot.sites. */
struct owner {
	enum resource_class class;
	uint32_t module; /* index into snapshot.modules, or SNAP_NO_MODULE */
	uint32_t frame;	 /* index into the site's stack: who asked, see service.h */
	enum module_kind kind;
	double confidence;	 /* 0 to 1 */
	const char *evidence;	 /* static text */
	uint32_t holder;	 /* as frame: first one that is not plumbing, in what holds it */
	const struct rule *rule; /* that says the kind, or the class; NULL: none */
	enum collected collected;
};

enum how_known { HOW_EXACT = 1, HOW_ESTIMATE, HOW_UNAVAILABLE };

struct class_row {
	uint64_t bytes;		   /* FACT_UNKNOWN when not measured */
	uint64_t count;		   /* FACT_UNKNOWN when it has none */
	double growth_bytes_per_s; /* NAN when not known */
	double confidence;
	enum how_known how;
	const char *why; /* HOW_UNAVAILABLE or HOW_ESTIMATE: static text; NULL otherwise */
	/* Half width of the 95 % interval, as far as samples make it; 0: none, NAN: not known. */
	double error_bytes;
};

/*
 * What belongs to one library, or to libraries that were linked into the program (module is the
 * program then). bytes: its share of the class; live_bytes: of its call sites' blocks.
 */
struct module_row {
	uint32_t module;       /* index into snapshot.modules */
	enum module_kind kind; /* that most of its live bytes are of */
	uint64_t bytes, count;
	uint64_t live_bytes;
	uint64_t allocated_count, freed_count; /* of traced heap sites, since tracing began */
	double confidence;
	/* Evidence, of its largest call site; strings are borrowed from the snapshot. */
	const struct rule *rule; /* NULL: none says anything */
	const char *function;	 /* NULL: it has no name */
	const char *why;	 /* NULL: it has no call site */
	uint32_t holder;	 /* index into snapshot.modules: the library that asked */
};

struct ledger {
	uint64_t external_bytes; /* rss + swap - managed heap */
	double coverage_ratio;	 /* explained part, 0 to 1; NAN when residency is not known */
	struct class_row rows[CLASS_MAX]; /* resident rows add up to external_bytes */
	struct module_row *modules;	  /* owned: native_modules split up, largest first */
	size_t module_count;
	uint64_t live_bytes, live_count; /* of traced heap sites; FACT_UNKNOWN: none traced */
	bool estimated;			 /* live figures and rates are made of samples */
	double live_error_bytes;	 /* the same of live_bytes */
	uint64_t slack_bytes;		 /* FACT_UNKNOWN when not measured */
	double alloc_per_s, free_per_s;
};

enum verdict { VERDICT_INCONCLUSIVE = 0, VERDICT_NO_LEAK, VERDICT_LEAK };
enum severity { SEVERITY_LOW = 1, SEVERITY_MEDIUM, SEVERITY_HIGH, SEVERITY_CRITICAL };
enum leak_type {
	LEAK_UNKNOWN = 0,
	LEAK_NATIVE_MODULE,
	LEAK_BUFFER,
	LEAK_CONNECTION_POOL,
	LEAK_WEBSOCKET,
	LEAK_SOCKET,
	LEAK_FILE_HANDLE,
	LEAK_CRYPTO_CONTEXT,
	LEAK_THREAD,
	LEAK_MAPPING,
	LEAK_HEAP,
};

#define FINDING_EVIDENCE_MAX 7
#define FINDING_PEER_BYTES 160

#define FINDING_PATHS_MAX 4

/* One of the call paths by which a leak is asked for. */
struct finding_path {
	uint64_t site_id;
	size_t site; /* index into snapshot.sites; SIZE_MAX when it is not there any more */
};

/* One leak. leak_id is derived from the site id (or the class) and is stable over runs. */
/* Native memory of connections: what is known of how many. */
struct native_sum {
	uint64_t bytes;
	/* Connections: seen at all; since they were opened. */
	uint64_t measured, whole;
	double error_bytes; /* half width of the 95 % interval; 0: exact */
};

struct finding {
	uint64_t leak_id;
	uint64_t site_id; /* 0: no single site */
	size_t site;	  /* index into snapshot.sites; SIZE_MAX when site_id is 0 */
	struct finding_path path[FINDING_PATHS_MAX]; /* largest first; [0] is the site above */
	size_t path_count;
	size_t paths; /* call paths judged as one; more than path_count: the small ones are left out
		       */
	uint64_t comes_with; /* leak_id of the leak that this is a part of, see companions.h; 0:
				none */
	enum resource_class class;
	enum leak_type type;
	enum severity severity;
	enum pattern pattern;
	bool active;
	bool confirmed; /* its things outlive their like; else: a leak or an unbounded cache */
	uint64_t size_bytes, count;
	double growth_bytes_per_s, growth_count_per_s;
	double confidence;
	double first_seen_s;
	char peer[FINDING_PEER_BYTES]; /* of most of its open connections; "" when not known */
	struct native_sum native;      /* of its open connections */
	char *evidence[FINDING_EVIDENCE_MAX]; /* owned sentences with their figures */
	size_t evidence_count;
	char *recommendation; /* owned */
};

struct findings {
	struct finding *list; /* owned, worst first */
	size_t count;
	enum verdict verdict;
	double known_in_s; /* INCONCLUSIVE: when it will be known, seconds from now; NAN if never */
	const char *why;   /* one static sentence for the verdict */
};

enum subject_kind { SUBJECT_PROCESS = 1, SUBJECT_CLASS, SUBJECT_MODULE, SUBJECT_SITE };

/* How one subject grows. The process: external memory. */
struct pattern_row {
	enum subject_kind kind;
	enum resource_class class; /* SUBJECT_CLASS */
	uint32_t module;	   /* SUBJECT_MODULE: index into snapshot.modules */
	uint64_t site_id;	   /* SUBJECT_SITE */
	bool counted;		   /* figures are of things, not of bytes */
	struct growth_opinion opinion;
	enum severity severity;
	const char *limit_kind; /* static: "cgroup", "rlimit", "machine"; NULL without forecast */
	double limit_bytes;	/* of limit_kind; NAN without */
	struct forecast forecast;
	char *recommendation; /* owned; NULL where nothing grows */
};

struct patterns {
	struct pattern_row *list; /* owned: the process first, then by kind and growth */
	size_t count;
};

/* Releases what patterns own and empties them; zeroed patterns are fine. */
void patterns_done(struct patterns *p);

struct judge_limits;

/* Everything a sink needs about one process and tick. Borrowed pointers, valid during the call. */
struct analysis {
	const struct snapshot *snap;
	const struct owner *owners; /* snap->site_count of them */
	const struct ledger *ledger;
	const struct findings *findings;
	const struct patterns *patterns;   /* NULL: none were judged */
	const struct judge_limits *limits; /* see judge.h; NULL: not known */
};
