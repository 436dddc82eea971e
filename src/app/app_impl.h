/* What the parts of app.c share: the run, and what its loop calls. */
#pragma once
#include "analyse/judge.h"
#include "app/app.h"
#include "app/cost.h"
#include "app/holding.h"
#include "app/launch.h"
#include "app/output.h"
#include "app/serving.h"
#include "app/sniffing.h"
#include "app/tracee.h"
#include "app/watching.h"
#include "base/loop.h"

#define TRACEES_MAX 1024 /* the kernel side has room for twice as many: MT_PROCS_MAX */

enum stage { STAGE_OPTIONS, STAGE_HOST, STAGE_PROCESSES };

struct app {
	const struct opts *opts; /* borrowed */
	enum stage stage;	 /* how far the start has come */
	struct features features;
	struct keeper *keeper;	       /* owned */
	struct collector *collector;   /* owned */
	struct model *model;	       /* owned */
	struct symbolizer *symbolizer; /* owned */
	struct loop *loop;	       /* owned */
	struct output output;
	struct point_spec *specs; /* owned */
	struct run run;
	struct launch launch;
	struct cost cost;
	struct watching watching;
	struct sniffing sniffing;
	struct serving serving;
	struct holding holding;
	struct loop_source *hold_timer; /* the loop's */

	struct tracee *tracee[TRACEES_MAX]; /* owned */
	size_t tracee_count, alive_count;
	struct {
		uint32_t pid, parent, asid;
	} born[TRACEES_MAX]; /* children whose fork was seen, to be attached outside the callback */
	size_t born_count;

	struct snap_counters counters;
	struct judge_cfg judge_cfg;
	struct rules *rules;  /* owned; NULL: the built-in ones alone */
	uint64_t held_off_ns; /* since when work waits for windows; 0: it does not */
	uint64_t started_ns, account_due_ns, tick_due_ns, report_due_ns, tick_ns;
	enum end_reason end_reason;
	int output_error; /* first failure of the sink */
	bool leak_found;
	bool finishing; /* the kernel side goes soon, with all it holds */
};

int app_on_record(void *ctx, void *bytes, size_t len);
void app_end_tracee(struct app *a, struct tracee *t, enum end_reason reason, const char *why);
int app_add_tracee(struct app *a, uint32_t pid, uint32_t parent, uint32_t asid, struct err *err);
void app_on_held(void *ctx, struct tracee *t, enum process_event event, const char *reason);
void app_account(struct app *a, uint64_t now_ns);
void app_read_cost(struct app *a, uint64_t now_ns);
int app_on_hold(void *ctx, uint64_t expirations);
int app_on_timer(void *ctx, uint64_t expirations);
int app_on_ring(void *ctx, uint32_t events);
int app_on_signal(void *ctx, int signal);
int app_on_duration(void *ctx, uint64_t expirations);
