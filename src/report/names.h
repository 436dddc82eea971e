/* Names of closed lists as the output contract spells them. Static text; NULL for unknown numbers.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "analyse/analysis.h"
#include "report/sink.h"

const char *names_class(enum resource_class class);
bool names_class_resident(enum resource_class class);
const char *names_module_kind(enum module_kind kind);
/* How a figure from inside a process came to be known: one of the same words. */
const char *names_known(const struct inner_known *known);
const char *names_how(enum how_known how);
const char *names_native_how(enum native_how how);
const char *names_verdict(enum verdict verdict);
const char *names_pattern(enum pattern pattern); /* NULL for PATTERN_NONE too */
const char *names_growth_verdict(enum growth_verdict verdict);
const char *names_severity(enum severity severity);
const char *names_leak_type(enum leak_type type); /* "unknown" rather than NULL */
const char *names_site_kind(enum mt_site_kind kind);
const char *names_frame_kind(enum frame_kind kind);
const char *names_stack_end(enum mt_stack_end end);	 /* for programs: "depth" */
const char *names_stack_end_text(enum mt_stack_end end); /* for people */
bool names_stack_complete(enum mt_stack_end end);
const char *names_sysop(enum mt_sysop op);
const char *names_event_kind(enum mt_kind kind);
const char *names_process_event(enum process_event event);
const char *names_end_reason(enum end_reason reason);

/* One way of losing something. */
struct loss {
	const char *name;
	const char *help; /* for people */
	uint64_t count;	  /* since tracing began */
};

#define NAMES_LOSS_MAX (MT_CNT_MAX + 8)

/* Every way of losing something, in a fixed order, also those that did not happen. */
size_t names_losses(const struct snap_counters *counters, struct loss ret[static NAMES_LOSS_MAX]);
