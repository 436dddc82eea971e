/*
 * See code_names.h. A map that appears late (jcmd writes one when asked) still names what is in use
 * then. How long ago that may be is what a first look tolerates, too: a tick, and a busy host.
 */
#include "app/code_names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "app/tracee.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "model/stacks.h"
#include "symbol/perfmap_file.h"

#define IN_USE_NS 5000000000ull
#define CODE_PER_TICK 4096

static int open_map(struct tracee *t)
{
	struct perfmap_file_cfg cfg = PERFMAP_FILE_CFG_DEFAULT(t->run->proc, t->pid);

	return t->perfmap ? 0 : perfmap_file_new(&cfg, &t->perfmap);
}

static bool has_known_jit(const struct tracee *t)
{
	return strcmp(t->runtime, "v8") == 0 || strcmp(t->runtime, "jvm") == 0;
}

void code_names_check(struct tracee *t)
{
	if (!has_known_jit(t) || open_map(t) < 0 ||
	    perfmap_file_update(t->perfmap, t->begun_ns) < 0)
		return;
	switch (perfmap_file_state(t->perfmap)) {
	case PERFMAP_NONE:
		tracee_unmeasured(t, "jit_names", "no perf map: %s",
				  strcmp(t->runtime, "jvm") == 0
					  ? "'jcmd PID Compiler.perfmap' writes one (JDK 17)"
					  : "node writes one when started with --perf-basic-prof");
		break;
	case PERFMAP_FOREIGN:
		tracee_unmeasured(t, "jit_names",
				  "its perf map is no regular file of the process's user or root");
		break;
	default: break;
	}
}

static void answer(struct tracee *t, const struct frame_request *want, int n)
{
	struct perfmap_name found;
	struct code_name name = { .symbol = found.symbol, .file = found.file };

	for (int i = 0; i < n; i++) {
		/* a return address: the call is before it */
		int r = perfmap_file_find(t->perfmap, want[i].pc - 1, &found);

		if (r == -ENOMEM) { /* later, then */
			model_set_name(t->run->model, want[i].handle, NULL);
			continue;
		}
		name.line = r ? 0 : found.line;
		name.interpreted = r == 0 && found.interpreted;
		model_set_code_name(t->run->model, want[i].handle, r ? NULL : &name);
	}
}

/* Nothing is answered while there is more of the map to be read: a later line may say it better. */
static void give_back(struct tracee *t, const struct frame_request *want, int n)
{
	for (int i = 0; i < n; i++)
		model_set_name(t->run->model, want[i].handle, NULL);
}

void code_names_update(struct tracee *t, uint64_t now_ns)
{
	auto_free struct frame_request *want = calloc(CODE_PER_TICK, sizeof(*want));
	uint64_t since_ns = now_ns > IN_USE_NS ? now_ns - IN_USE_NS : 0;
	bool changed;
	int n;

	if (!want)
		return;
	n = model_unnamed_code(t->run->model, t->pid, since_ns, false, want, CODE_PER_TICK);
	if (n <= 0 && !t->perfmap)
		return;
	if (open_map(t) < 0 || perfmap_file_update(t->perfmap, now_ns) < 0 ||
	    perfmap_file_state(t->perfmap) == PERFMAP_BEHIND) {
		give_back(t, want, n);
		return;
	}
	answer(t, want, n);
	changed = perfmap_file_changed_ns(t->perfmap) != t->perfmap_seen_ns;
	t->perfmap_seen_ns = perfmap_file_changed_ns(t->perfmap);
	if (!changed)
		return;
	n = model_unnamed_code(t->run->model, t->pid, since_ns, true, want, CODE_PER_TICK);
	answer(t, want, n);
}

void code_names_drop(struct tracee *t)
{
	perfmap_file_freep(&t->perfmap);
	t->perfmap_seen_ns = 0;
}

uint64_t code_names_refused(const struct tracee *t)
{
	struct perfmap_stats stats = { 0 };

	if (t->perfmap)
		perfmap_file_get_stats(t->perfmap, &stats);
	return stats.refused;
}
