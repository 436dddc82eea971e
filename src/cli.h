/*
 * The command line: one table of options, from which parsing, help and the man page come
 * (cli_help.h). Nothing here prints or exits; what is wrong is one sentence in struct err.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

#define OPTS_PIDS_MAX 1024
#define OPTS_ALLOCS_MAX 32
#define OPTS_FILES_MAX 256

enum cli_command {
	CLI_NONE = 0,
	CLI_TRACE,   /* processes that run already */
	CLI_RUN,     /* a command that memtrace starts */
	CLI_REPORT,  /* a recording as pictures and profiles */
	CLI_ANALYZE, /* recordings and series, judged */
	CLI_DOCTOR,
	CLI_SCHEMA,
	CLI_HELP,
	CLI_VERSION,
	CLI_COMMANDS
};

enum trace_mode { MODE_AUTO = 1, MODE_WATCH, MODE_SAMPLE, MODE_FULL };
enum fold_by { FOLD_BY_NONE = 1, FOLD_BY_OWNER };

/* What the user asked for. Pointers are borrowed from argv or static; they live as long as it. */
struct opts {
	enum cli_command command;
	char *const *run_argv; /* CLI_RUN: the command and its arguments, ends in NULL */
	int run_argc;	       /* CLI_RUN: how many they are, 0 otherwise */

	uint32_t pids[OPTS_PIDS_MAX]; /* without repetitions, in the order given */
	size_t pid_count;
	bool follow;	   /* trace children too */
	double duration_s; /* 0: until stopped */

	enum trace_mode mode;
	double budget_pct;     /* of the target's CPU time; 0: no bound */
	uint64_t sample_bytes; /* mean gap between samples, a power of two; 0: not given */
	const char *allocs[OPTS_ALLOCS_MAX]; /* --alloc, not parsed here */
	size_t alloc_count;
	bool explain_probes;
	bool preload;	 /* CLI_RUN: the command samples by itself, by a library */
	bool debuginfod; /* ask servers for debug files */
	bool no_sniff;	 /* what is said on sockets is not looked at */
	bool force;	 /* trace although the checks before attaching advise against it */

	bool json;
	const char *output; /* NULL: standard output */
	double interval_s;
	uint32_t top;	      /* call sites in a report */
	enum fold_by fold;    /* what makes several call sites one */
	bool ledger;	      /* one table of what the memory is, at the end */
	bool events;	      /* report single events too */
	bool fail_on_leak;    /* exit status 3 when a leak was found */
	const char *severity; /* not parsed here: see severity_parse() */
	const char *rules;    /* a file; NULL: the built-in rules alone */

	const char *file;   /* CLI_REPORT: the recording; NULL: standard input */
	const char *folded; /* files to write; "-" is standard output, NULL: not asked for */
	const char *svg;
	const char *pprof;
	uint32_t value; /* of folded stacks: enum profile_value */

	const char *files[OPTS_FILES_MAX]; /* CLI_ANALYZE: what to read; none: standard input */
	size_t file_count;
	bool series;	      /* CLI_ANALYZE: one whole series per line */
	uint64_t limit_bytes; /* CLI_ANALYZE: memory that there is; 0: not given */

	uint32_t live_max;   /* live blocks recorded at most */
	uint32_t sites_max;  /* call sites recorded at most */
	uint64_t ring_bytes; /* a power of two */

	uint32_t verbose; /* how often -v was given */
	bool quiet;
	bool man; /* CLI_HELP: print the man page */

	uint64_t given; /* bit i: row i of the option table was on the command line */
};

enum opt_type {
	OPT_FLAG = 1, /* bool */
	OPT_REPEAT,   /* uint32_t, counts how often it was given */
	OPT_PIDS,     /* pids, pid_count */
	OPT_ALLOCS,   /* allocs, alloc_count */
	OPT_TEXT,     /* const char *, not empty */
	OPT_NUMBER,   /* uint32_t */
	OPT_POW2SIZE, /* uint64_t bytes, a power of two */
	OPT_BYTES,    /* uint64_t bytes, at least 1 */
	OPT_SECONDS,  /* double */
	OPT_PERCENT,  /* double */
	OPT_MODE,     /* enum trace_mode */
	OPT_FOLD,     /* enum fold_by */
	OPT_VALUE,    /* uint32_t, an enum profile_value */
	OPT_HELP,     /* turns the command into help */
	OPT_VERSION,
};

struct opt {
	const char *name;
	char letter; /* 0: none */
	enum opt_type type;
	size_t at;	   /* offset in struct opts; 0 for types that say it themselves */
	const char *arg;   /* name of the value in the help; NULL when there is none */
	const char *group; /* heading in the help; rows of a group are neighbours */
	const char *help;
	const char *preset; /* the default as the user would type it; NULL: none */
	uint32_t commands;  /* bit 1 << enum cli_command: which commands accept it */
	double min, max;    /* of the number types */
};

struct cli_command_row {
	enum cli_command command;
	const char *name;
	const char *synopsis; /* what follows "memtrace" */
	const char *help;
};

const struct opt *cli_options(size_t *ret_count);
const struct cli_command_row *cli_commands(size_t *ret_count);

/* "auto", "watch", "sample", "full". */
const char *cli_mode_name(enum trace_mode mode);

/* "none", "owner". */
const char *cli_fold_name(enum fold_by fold);

/* What values an option takes, as it stands in errors and in the man page; returns buf. */
const char *cli_accepted(const struct opt *row, char *buf, size_t size);

/* Sets every default. 0, or -EINVAL when a row of the table is wrong. */
int cli_defaults(struct opts *ret);

/* 0, or -EINVAL with *e filled. argv must outlive *ret, which is written only on success. */
int cli_parse(int argc, char *const argv[], struct opts *ret, struct err *e);

/* What no single option can tell: do the options fit each other? Called by cli_parse(). */
int cli_check(const struct opts *o, struct err *e);
