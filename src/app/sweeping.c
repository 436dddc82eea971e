#include "app/sweeping.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "app/sweep.h"
#include "app/tracee.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "sys/maps.h"

#define SETTLE_NS 40000000ull	    /* until probes that were asked to go out are out */
#define AGAIN_NS 5000000000ull	    /* doubled each time, up to ... */
#define AGAIN_MAX_NS 60000000000ull /* ... this */
#define MAPS_NS 10000000000ull	    /* mappings are read again after this time */
#define PERIOD_MIN_S 1.0	    /* the shortest that the governor makes */

static uint32_t ds_of(const struct tracee *t, uint64_t ns)
{
	uint64_t boot = t->run->boot_ns;

	return ns > boot ? (uint32_t)((ns - boot) / 100000000ull) : 0;
}

void sweeping_note(struct tracee *t, bool in, uint32_t weight_log2, uint64_t now_ns)
{
	struct sweeping *s = &t->sweeping;
	double period;

	if (in) {
		s->before_ns = s->in_ns;
		s->in_ns = now_ns;
		s->weight_log2 = weight_log2;
		return;
	}
	period = s->before_ns ? (s->in_ns - s->before_ns) / 1e9 : 0;
	s->window = (struct exposure_window){
		.since_ds = ds_of(t, s->in_ns ? s->in_ns : t->begun_ns),
		.until_ds = ds_of(t, now_ns),
		.weight_log2 = s->weight_log2,
		.period_s = period > PERIOD_MIN_S ? period : PERIOD_MIN_S,
	};
	s->variance = t->governor ? governor_plan(t->governor)->window_variance : NAN;
	s->due = s->any = true;
	s->out_ns = now_ns;
	s->pause_ns = AGAIN_NS;
}

void sweeping_drop(struct tracee *t)
{
	t->sweeping = (struct sweeping){ .in_ns = 0 };
}

/* What is mapped, sorted; NULL: not known. */
static struct overlap_range *read_ranges(const struct tracee *t, size_t *ret_count)
{
	struct vma_table maps = { 0 };
	struct overlap_range *range;

	*ret_count = 0;
	if (maps_read(t->run->proc, t->pid, &maps))
		return NULL;
	range = calloc(maps.count + 1, sizeof(*range));
	for (size_t i = 0; range && i < maps.count; i++)
		range[i] = (struct overlap_range){ maps.vma[i].start, maps.vma[i].end };
	if (range)
		*ret_count = maps.count;
	maps_done(&maps);
	return range;
}

/* What was allocated in it. */
static void add_window(struct tracee *t)
{
	struct sweeping *s = &t->sweeping;
	bool is_first = !s->follows || !s->weight_log2;
	size_t n;
	const struct mt_site *table = collector_sites(t->run->collector, &n);

	s->follows = true;
	model_add_window(t->run->model, t->pid, table, n, is_first, s->variance);
}

static void sweep(struct tracee *t, uint64_t now_ns)
{
	struct sweeping *s = &t->sweeping;
	struct sweep_source source = sweep_collector(t->run->collector);
	struct sweep_cfg cfg = sweep_defaults();
	struct sweep_target target = { .model = t->run->model,
				       .pid = t->pid,
				       .asid = t->asid,
				       .mapped_ds = ds_of(t, now_ns) };
	auto_free struct overlap_range *range = NULL;
	struct sweep_result done = { 0 };
	int r;

	if (now_ns - s->maps_ns >= MAPS_NS) {
		s->maps_ns = now_ns;
		range = read_ranges(t, &target.mapped_count);
		target.mapped = range;
	}
	r = sweep_window(&cfg, &source, &target, &s->window, &done);
	if (r)
		log_debug("process %u: sweep: %s", t->pid, strerror(-r));
	else
		log_debug("process %u: sweep: %llu blocks, %llu overlapped, %llu unmapped, %.1f ms",
			  t->pid, (unsigned long long)done.blocks,
			  (unsigned long long)done.overlapped, (unsigned long long)done.unmapped,
			  (clock_monotonic_ns() - now_ns) / 1e6);
}

void sweeping_look(struct tracee *t, uint64_t now_ns)
{
	struct sweeping *s = &t->sweeping;
	bool always =
		t->held.in && t->governor && governor_plan(t->governor)->step != GOVERN_WINDOWS;

	if (!t->heap_traced)
		return;
	if (always)
		s->follows = false;
	if (s->due && now_ns >= s->out_ns + SETTLE_NS) {
		s->due = false;
		add_window(t);
	} else if (s->any && always && now_ns >= s->again_ns) {
		s->window.again = true;
		s->pause_ns = s->pause_ns * 2 < AGAIN_MAX_NS ? s->pause_ns * 2 : AGAIN_MAX_NS;
	} else {
		return;
	}
	sweep(t, now_ns);
	s->again_ns = now_ns + s->pause_ns;
}
