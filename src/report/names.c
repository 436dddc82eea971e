/* Name tables of the output contract. Numbers come from tables and records: any value may arrive.
 */
#include "report/names.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))
#define LOOK_UP(table, i) ((size_t)(i) < COUNT_OF(table) ? (table)[i] : NULL)

static const char *const class_names[CLASS_MAX] = {
#define CLASS(id, name, resident, summary) [id] = #name,
#include "memtrace/classes.def"
#undef CLASS
};

static const bool class_resident[CLASS_MAX] = {
#define CLASS(id, name, resident, summary) [id] = resident,
#include "memtrace/classes.def"
#undef CLASS
};

static const char *const module_kind_names[] = {
	[MODULE_OTHER] = "other",
	[MODULE_DATABASE] = "database",
	[MODULE_CRYPTO] = "crypto",
	[MODULE_NETWORK] = "network",
	[MODULE_COMPRESSION] = "compression",
	[MODULE_IMAGE] = "image",
};

static const char *const how_names[] = {
	[HOW_EXACT] = "exact",
	[HOW_ESTIMATE] = "estimate",
	[HOW_UNAVAILABLE] = "unavailable",
};

static const char *const verdict_names[] = {
	[VERDICT_INCONCLUSIVE] = "inconclusive",
	[VERDICT_NO_LEAK] = "no_leak",
	[VERDICT_LEAK] = "leak",
};

static const char *const pattern_names[] = {
	[PATTERN_STABLE] = "stable",	       [PATTERN_LINEAR] = "linear",
	[PATTERN_EXPONENTIAL] = "exponential", [PATTERN_SPIKE] = "spike",
	[PATTERN_SUSTAINED] = "sustained",     [PATTERN_OSCILLATING] = "oscillating",
};

static const char *const growth_verdict_names[] = {
	[GROWTH_TOO_SHORT] = "too_short",
	[GROWTH_NONE] = "none",
	[GROWTH_SUSPECT] = "suspect",
	[GROWTH_LEAK] = "leak",
};

static const char *const severity_names[] = {
	[SEVERITY_LOW] = "low",
	[SEVERITY_MEDIUM] = "medium",
	[SEVERITY_HIGH] = "high",
	[SEVERITY_CRITICAL] = "critical",
};

static const char *const leak_type_names[] = {
	[LEAK_UNKNOWN] = "unknown",
	[LEAK_NATIVE_MODULE] = "native_module",
	[LEAK_BUFFER] = "buffer_leak",
	[LEAK_CONNECTION_POOL] = "connection_pool",
	[LEAK_WEBSOCKET] = "websocket",
	[LEAK_SOCKET] = "socket",
	[LEAK_FILE_HANDLE] = "file_handle",
	[LEAK_CRYPTO_CONTEXT] = "crypto_context",
	[LEAK_THREAD] = "thread",
	[LEAK_MAPPING] = "mapping",
	[LEAK_HEAP] = "heap",
};

static const char *const site_kind_names[] = {
	[MT_SITE_HEAP] = "heap", [MT_SITE_MMAP] = "mmap",     [MT_SITE_BRK] = "brk",
	[MT_SITE_FD] = "fd",	 [MT_SITE_SOCKET] = "socket", [MT_SITE_THREAD] = "thread",
};

static const char *const frame_kind_names[] = {
	[FRAME_NATIVE] = "native",
	[FRAME_JIT] = "jit",
	[FRAME_INTERPRETED] = "interpreted",
	[FRAME_KERNEL] = "kernel",
};

struct stack_end_row {
	const char *name, *text;
	bool complete;
};

static const struct stack_end_row stack_ends[MT_END_MAX] = {
#define STACK_END(id, name, complete, text) [id] = { #name, text, complete },
#include "memtrace/stack_ends.def"
#undef STACK_END
};

static const char *const sysop_names[MT_SYS_MAX] = {
	[MT_SYS_MMAP] = "mmap",	      [MT_SYS_MUNMAP] = "munmap",
	[MT_SYS_MREMAP] = "mremap",   [MT_SYS_BRK] = "brk",
	[MT_SYS_OPEN] = "open",	      [MT_SYS_SOCKET] = "socket",
	[MT_SYS_ACCEPT] = "accept",   [MT_SYS_CONNECT] = "connect",
	[MT_SYS_CLOSE] = "close",     [MT_SYS_DUP] = "dup",
	[MT_SYS_PIPE] = "pipe",	      [MT_SYS_SOCKETPAIR] = "socketpair",
	[MT_SYS_RECVMSG] = "recvmsg", [MT_SYS_CLOSE_RANGE] = "close_range",
	[MT_SYS_FCNTL] = "fcntl",
};

static const char *const event_kind_names[MT_KIND_MAX] = {
#define KIND(id, name, summary) [id] = #name,
#include "memtrace/kinds.def"
#undef KIND
};

static const char *const process_event_names[] = {
	[PROCESS_FORK] = "fork",     [PROCESS_EXEC] = "exec",	  [PROCESS_EXIT] = "exit",
	[PROCESS_ATTACH] = "attach", [PROCESS_DETACH] = "detach", [PROCESS_SKIP] = "skip",
};

static const char *const end_reason_names[] = {
	[END_DURATION] = "duration",
	[END_SIGNAL] = "signal",
	[END_TARGET_EXIT] = "target_exit",
	[END_ERROR] = "error",
};

const char *names_class(enum resource_class class)
{
	return LOOK_UP(class_names, class);
}

bool names_class_resident(enum resource_class class)
{
	return (size_t) class < CLASS_MAX && class_resident[class];
}

const char *names_module_kind(enum module_kind kind)
{
	return LOOK_UP(module_kind_names, kind);
}

const char *names_how(enum how_known how)
{
	return LOOK_UP(how_names, how);
}

const char *names_native_how(enum native_how how)
{
	switch (how) {
	case NATIVE_WHOLE: return "whole";
	case NATIVE_PART: return "part";
	case NATIVE_UNKNOWN: break;
	}
	return NULL;
}

const char *names_known(const struct inner_known *known)
{
	return names_how(!known->how ? HOW_UNAVAILABLE : known->exact ? HOW_EXACT : HOW_ESTIMATE);
}

const char *names_verdict(enum verdict verdict)
{
	return LOOK_UP(verdict_names, verdict);
}

const char *names_pattern(enum pattern pattern)
{
	return LOOK_UP(pattern_names, pattern);
}

const char *names_growth_verdict(enum growth_verdict verdict)
{
	return LOOK_UP(growth_verdict_names, verdict);
}

const char *names_severity(enum severity severity)
{
	return LOOK_UP(severity_names, severity);
}

const char *names_leak_type(enum leak_type type)
{
	const char *name = LOOK_UP(leak_type_names, type);

	return name ? name : leak_type_names[LEAK_UNKNOWN];
}

const char *names_site_kind(enum mt_site_kind kind)
{
	return LOOK_UP(site_kind_names, kind);
}

const char *names_frame_kind(enum frame_kind kind)
{
	return LOOK_UP(frame_kind_names, kind);
}

static const struct stack_end_row *stack_end_row(enum mt_stack_end end)
{
	bool known = (size_t)end < MT_END_MAX && stack_ends[end].name;

	return &stack_ends[known ? end : MT_END_unknown];
}

const char *names_stack_end(enum mt_stack_end end)
{
	return stack_end_row(end)->name;
}

const char *names_stack_end_text(enum mt_stack_end end)
{
	return stack_end_row(end)->text;
}

bool names_stack_complete(enum mt_stack_end end)
{
	return stack_end_row(end)->complete;
}

const char *names_sysop(enum mt_sysop op)
{
	return LOOK_UP(sysop_names, op);
}

const char *names_event_kind(enum mt_kind kind)
{
	return LOOK_UP(event_kind_names, kind);
}

const char *names_process_event(enum process_event event)
{
	return LOOK_UP(process_event_names, event);
}

const char *names_end_reason(enum end_reason reason)
{
	return LOOK_UP(end_reason_names, reason);
}

size_t names_losses(const struct snap_counters *c, struct loss ret[static NAMES_LOSS_MAX])
{
	size_t n = 0;

#define COUNTER(name, lost, help) \
	if (lost)                 \
		ret[n++] = (struct loss){ #name, help, c->v[MT_CNT_##name] };
#include "memtrace/counters.def"
#undef COUNTER
	ret[n++] = (struct loss){ "bad_records", "records that could not be read", c->bad_records };
	ret[n++] = (struct loss){ "sites_refused", "call sites beyond the table of memtrace",
				  c->sites_refused };
	ret[n++] = (struct loss){ "ranges_refused", "mappings beyond the table of memtrace",
				  c->ranges_refused };
	ret[n++] = (struct loss){ "fds_refused", "descriptors beyond the table of memtrace",
				  c->fds_refused };
	ret[n++] = (struct loss){ "symbols_refused", "names beyond the memory budget for symbols",
				  c->symbols_refused };
	return n;
}
