/*
 * The table of options and what can be said about a row without parsing anything. A new option is
 * a row here and a field of struct opts.
 */
#include "cli.h"

#include <stdio.h>

#define CMD(c) (1u << CLI_##c)
#define TRACING (CMD(TRACE) | CMD(RUN))
#define GRAPHS (TRACING | CMD(REPORT))
#define ANY (~0u)
#define AT(f) offsetof(struct opts, f)
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct cli_command_row command_table[] = {
	{ CLI_TRACE, "trace", "[trace] -p PID [options]", "trace running processes" },
	{ CLI_RUN, "run", "run [options] -- CMD...", "start a command and trace it" },
	{ CLI_REPORT, "report", "report [options] [FILE]",
	  "turn a recording of --json into text, a flame graph, pprof or folded stacks" },
	{ CLI_ANALYZE, "analyze", "analyze [options] [FILE...]",
	  "judge recordings of --json, or series of {\"t\", \"value\"}, without privileges" },
	{ CLI_DOCTOR, "doctor", "doctor [--json]", "say what this host can and cannot do" },
	{ CLI_SCHEMA, "schema", "schema", "print the JSON Schema of --json" },
	{ CLI_HELP, "help", "help [--man]", "print this help, or the man page" },
	{ CLI_VERSION, "version", "version", "print the version" },
};

/* Letters are for what is typed daily. Rows of a group stay together. */
static const struct opt opt_table[] = {
#define GROUP "What to trace"
	{ "pid", 'p', OPT_PIDS, 0, "PID", GROUP,
	  "trace this process, or report on or analyze this one only; may be repeated, up to 64 "
	  "times",
	  NULL, CMD(TRACE) | CMD(REPORT) | CMD(ANALYZE) },
	{ "follow", 0, OPT_FLAG, AT(follow), NULL, GROUP, "trace the children of the process too",
	  NULL, TRACING },
	{ "duration", 0, OPT_SECONDS, AT(duration_s), "SEC", GROUP,
	  "stop after this time; 0: when the process ends or on SIGINT", "0", TRACING, 0,
	  31536000 },
#undef GROUP
#define GROUP "How to measure"
	{ "mode", 0, OPT_MODE, AT(mode), "MODE", GROUP,
	  "watch: no allocator probes; sample: allocations picked at random, by size; full: every "
	  "allocation, while the budget lasts; auto: every allocation while it fits into the "
	  "budget, "
	  "else a sample, else probes now and then; a run without end that writes JSON lines "
	  "watches until something grows",
	  "auto", TRACING },
	{ "budget", 0, OPT_PERCENT, AT(budget_pct), "PERCENT", GROUP,
	  "bound on what tracing costs, in percent of the process's CPU time, which counts as a "
	  "tenth of a CPU at least; 0: no bound. Held by wider gaps between samples, then by "
	  "probes "
	  "that are in for a share of the time, then by none",
	  "5", TRACING, 0, 100 },
	{ "sample-bytes", 0, OPT_POW2SIZE, AT(sample_bytes), "N", GROUP,
	  "one sample for so many allocated bytes, on average; a power of two; otherwise the "
	  "budget "
	  "chooses",
	  NULL, TRACING, 0x1p10, 0x1p26 },
	{ "alloc", 0, OPT_ALLOCS, 0, "SPEC", GROUP,
	  "trace an allocator that memtrace does not know, such as "
	  "'libpool.so:pool_get(size=arg1):pool_put(ptr=arg1)'; may be repeated, up to 32 times",
	  NULL, TRACING },
	{ "preload", 0, OPT_FLAG, AT(preload), NULL, GROUP,
	  "load a library into the command that samples its allocations there, at a few "
	  "nanoseconds for one that is not sampled; its children inherit it",
	  NULL, CMD(RUN) },
	{ "explain-probes", 0, OPT_FLAG, AT(explain_probes), NULL, GROUP,
	  "list the allocator probes: where each one sits, why there, and what it costs", NULL,
	  TRACING },
	{ "debuginfod", 0, OPT_FLAG, AT(debuginfod), NULL, GROUP,
	  "ask the servers in DEBUGINFOD_URLS for debug files that this host does not have; "
	  "without "
	  "it nobody is asked",
	  NULL, TRACING },
	{ "no-sniff", 0, OPT_FLAG, AT(no_sniff), NULL, GROUP,
	  "do not look at what is said on sockets: databases are told by port and path alone, "
	  "websockets not at all",
	  NULL, TRACING },
	{ "force", 0, OPT_FLAG, AT(force), NULL, GROUP,
	  "trace although the checks before attaching advise against it", NULL, TRACING },
#undef GROUP
#define GROUP "What to report"
	{ "json", 0, OPT_FLAG, AT(json), NULL, GROUP,
	  "write JSON lines instead of text; 'memtrace schema' describes them", NULL,
	  TRACING | CMD(DOCTOR) | CMD(ANALYZE) },
	{ "output", 'o', OPT_TEXT, AT(output), "FILE", GROUP,
	  "write the report to FILE instead of standard output", NULL, TRACING },
	{ "interval", 0, OPT_SECONDS, AT(interval_s), "SEC", GROUP, "report this often", "5",
	  TRACING, 0.1, 86400 },
	{ "top", 0, OPT_NUMBER, AT(top), "N", GROUP, "call sites in each report", "10", TRACING, 0,
	  10000 },
	{ "fold", 0, OPT_FOLD, AT(fold), "BY", GROUP,
	  "owner: call sites that differ only above the function that owns the memory are one "
	  "site, "
	  "its stack ends there; none: every call path is a site",
	  "none", TRACING },
	{ "ledger", 0, OPT_FLAG, AT(ledger), NULL, GROUP,
	  "say what the memory is: one table that adds up to RSS and swap, and exit, after "
	  "--duration if that is given; --mode watch unless another one is",
	  NULL, CMD(TRACE) },
	{ "events", 0, OPT_FLAG, AT(events), NULL, GROUP,
	  "report every single allocation and resource event; expensive", NULL, TRACING },
	{ "severity", 0, OPT_TEXT, AT(severity), "TABLE", GROUP,
	  "from which size or growth per second a leak has which severity, never above how sure "
	  "it is; any of critical, high, medium",
	  "critical=100MB:1MB,high=50MB:.5MB,medium=20MB:.1MB", TRACING | CMD(ANALYZE) },
	{ "rules", 0, OPT_TEXT, AT(rules), "FILE", GROUP,
	  "rules that say what libraries and functions are for, tried before the built-in ones; "
	  "their form stands in the man page",
	  NULL, TRACING },
	{ "fail-on-leak", 0, OPT_FLAG, AT(fail_on_leak), NULL, GROUP,
	  "exit with status 3 when a leak was found", NULL, TRACING | CMD(ANALYZE) },
#undef GROUP
#define GROUP "Pictures and profiles (written at the end, or by 'memtrace report')"
	{ "svg", 0, OPT_TEXT, AT(svg), "FILE", GROUP,
	  "write a flame graph, one SVG file for any browser: the memory that is held, and what "
	  "grew",
	  NULL, GRAPHS },
	{ "pprof", 0, OPT_TEXT, AT(pprof), "FILE", GROUP, "write a profile for 'go tool pprof'",
	  NULL, GRAPHS },
	{ "folded", 0, OPT_TEXT, AT(folded), "FILE", GROUP,
	  "write folded stacks, one per line with its value, for flame graph tools", NULL, GRAPHS },
	{ "value", 0, OPT_VALUE, AT(value), "VALUE", GROUP,
	  "what --folded counts: live, growing or allocated bytes, or the count of live blocks",
	  "live", GRAPHS },
#undef GROUP
#define GROUP "What to judge (memtrace analyze)"
	{ "series", 0, OPT_FLAG, AT(series), NULL, GROUP,
	  "read one whole series per line, {\"id\", \"t\": [s...], \"value\": [bytes...], "
	  "\"events\": [{\"t\", \"kind\": \"restart\"}]}, and answer each with one pattern record; "
	  "its leak_probability is that the shape is one of growth, and --fail-on-leak counts "
	  "series "
	  "of 256 points or more",
	  NULL, CMD(ANALYZE) },
	{ "limit", 0, OPT_BYTES, AT(limit_bytes), "SIZE", GROUP,
	  "memory that there is, in place of a recorded limit: say when growth reaches it", NULL,
	  CMD(ANALYZE) },
#undef GROUP
#define GROUP "Limits"
	{ "live-max", 0, OPT_NUMBER, AT(live_max), "N", GROUP,
	  "live blocks recorded at most; what is over is counted as lost", "4194304", TRACING, 1024,
	  268435456 },
	{ "sites-max", 0, OPT_NUMBER, AT(sites_max), "N", GROUP,
	  "call sites recorded at most; what is over is counted as lost", "8192", TRACING, 16,
	  1048576 },
	{ "ring-bytes", 0, OPT_POW2SIZE, AT(ring_bytes), "SIZE", GROUP,
	  "buffer between kernel and memtrace; a power of two", "4M", TRACING, 0x1p16, 0x1p30 },
#undef GROUP
#define GROUP "Other"
	{ "verbose", 'v', OPT_REPEAT, AT(verbose), NULL, GROUP,
	  "say more on standard error; may be repeated", NULL, ANY },
	{ "quiet", 'q', OPT_FLAG, AT(quiet), NULL, GROUP,
	  "say nothing but errors on standard error", NULL, ANY },
	{ "help", 'h', OPT_HELP, 0, NULL, GROUP, "print this help", NULL, ANY },
	{ "version", 'V', OPT_VERSION, 0, NULL, GROUP, "print the version", NULL, ANY },
	{ "man", 0, OPT_FLAG, AT(man), NULL, GROUP, "print the man page (with 'memtrace help')",
	  NULL, CMD(HELP) },
#undef GROUP
};

const struct opt *cli_options(size_t *ret_count)
{
	*ret_count = COUNT(opt_table);
	return opt_table;
}

const struct cli_command_row *cli_commands(size_t *ret_count)
{
	*ret_count = COUNT(command_table);
	return command_table;
}

const char *cli_mode_name(enum trace_mode mode)
{
	switch (mode) {
	case MODE_AUTO: return "auto";
	case MODE_WATCH: return "watch";
	case MODE_SAMPLE: return "sample";
	case MODE_FULL: return "full";
	}
	return "unknown";
}

const char *cli_fold_name(enum fold_by fold)
{
	switch (fold) {
	case FOLD_BY_NONE: return "none";
	case FOLD_BY_OWNER: return "owner";
	}
	return "unknown";
}

const char *cli_accepted(const struct opt *row, char *buf, size_t size)
{
	switch (row->type) {
	case OPT_PIDS: snprintf(buf, size, "a process id from 1 to %d", INT32_MAX); break;
	case OPT_NUMBER:
		snprintf(buf, size, "a whole number from %.0f to %.0f", row->min, row->max);
		break;
	case OPT_POW2SIZE:
		snprintf(buf, size, "a power of two from %.0fK to %.0fM, such as %s",
			 row->min / 0x1p10, row->max / 0x1p20, row->preset ? row->preset : "64K");
		break;
	case OPT_BYTES:
		snprintf(buf, size, "a number of bytes, such as 512M, 2G or 1500000000");
		break;
	case OPT_SECONDS:
		snprintf(buf, size, "seconds from %g to %.0f, or a time such as 500ms, 10s or 5m",
			 row->min, row->max);
		break;
	case OPT_PERCENT:
		snprintf(buf, size, "a percentage from %g to %g, such as 5 or 2.5%%", row->min,
			 row->max);
		break;
	case OPT_MODE: snprintf(buf, size, "auto, watch, sample or full"); break;
	case OPT_FOLD: snprintf(buf, size, "none or owner"); break;
	case OPT_VALUE: snprintf(buf, size, "live, growing, allocated or count"); break;
	case OPT_ALLOCS: /* its form is checked elsewhere */
	case OPT_TEXT: snprintf(buf, size, "a %s", row->arg); break;
	default: snprintf(buf, size, "no value");
	}
	return buf;
}
