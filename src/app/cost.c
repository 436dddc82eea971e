/*
 * The estimate: calls a second times what one costs here. A probe hit is the trap, measured at
 * start on a function of memtrace's own, and the program behind it; programs were measured at 150
 * to 700 ns, so 400 stand for one. An allocation is hit at its entry and at its return.
 */
#include "app/cost.h"

#include <math.h>
#include <string.h>

#include "sys/procfs.h"

#define PROGRAM_NS 400.0
#define LEAST_SECONDS 0.2 /* between two readings: rates over less say nothing */

/* Of memtrace and its keeper. */
static int read_own(const char *proc, uint32_t keeper, struct procfs_self *ret)
{
	struct procfs_stat stat;
	struct procfs_status status;
	int r = procfs_read_self(proc, ret);

	if (r)
		return r;
	if (procfs_read_stat(proc, keeper, &stat) == 0)
		ret->cpu_ns += stat.cpu_ns;
	if (ret->rss_bytes != FACT_UNKNOWN && procfs_read_status(proc, keeper, &status) == 0)
		ret->rss_bytes += status.rss_anon_bytes; /* it shares memtrace's text */
	return 0;
}

void cost_begin(struct cost *c, const char *proc, uint32_t keeper, uint64_t now_ns)
{
	struct procfs_self self;

	memset(c, 0, sizeof(*c));
	c->hits_per_s = NAN;
	c->cpu_ratio = NAN;
	c->rss_bytes = FACT_UNKNOWN;
	c->begun_ns = c->before_ns = now_ns;
	c->keeper = keeper;
	if (read_own(proc, keeper, &self) == 0)
		c->begun_cpu_ns = c->before_cpu_ns = self.cpu_ns;
}

/* Of the process that reads lines: those before it, too, of which only their time remains. */
static void add_reader(const char *proc, const struct symbolizer_stats *names,
		       struct procfs_self *self)
{
	struct procfs_status status;

	self->cpu_ns += names->child_cpu_ns;
	if (names->child_pid && self->rss_bytes != FACT_UNKNOWN &&
	    procfs_read_status(proc, (uint32_t)names->child_pid, &status) == 0)
		self->rss_bytes += status.rss_anon_bytes; /* what it maps is page cache */
}

void cost_read(struct cost *c, const char *proc, uint64_t now_ns, uint64_t hits,
	       const struct symbolizer_stats *names)
{
	struct procfs_self self;
	double seconds = (now_ns - c->before_ns) / 1e9;

	if (seconds < LEAST_SECONDS || read_own(proc, c->keeper, &self))
		return;
	add_reader(proc, names, &self);
	c->hits_per_s = (hits - c->before_hits) / seconds;
	c->cpu_ratio = (self.cpu_ns - c->before_cpu_ns) / 1e9 / seconds;
	c->rss_bytes = self.rss_bytes;
	c->hits = hits;
	c->before_hits = hits;
	c->before_cpu_ns = self.cpu_ns;
	c->before_ns = now_ns;
}

static const char *mode_of(const struct tracee *t)
{
	return !t->heap_traced ? "watch" : t->announces ? "sample" : "full";
}

/* Probe hits of this process alone, from the calls that its ledger counted; NAN when not known. */
static double hits_of(const struct tracee *t, double *ret_ns_per_s)
{
	const struct features *f = t->run->features;
	double allocs = t->ledger.alloc_per_s, frees = t->ledger.free_per_s;

	*ret_ns_per_s =
		allocs * (f->entry_return_ns + 2 * PROGRAM_NS) + frees * (f->entry_ns + PROGRAM_NS);
	return 2 * allocs + frees;
}

void cost_info(const struct cost *c, const struct tracee *t, bool total, uint64_t now_ns,
	       struct overhead_info *ret)
{
	const struct features *f = t->run->features;
	double seconds = (now_ns - c->begun_ns) / 1e9, ns_per_s = NAN;
	double hits = t->snap ? hits_of(t, &ns_per_s) : NAN, cpus = t->cpu_ratio;
	bool alone = t->run->opts->pid_count <= 1 && !t->run->opts->follow;

	*ret = (struct overhead_info){
		.tracer_cpu_ratio = c->cpu_ratio,
		.tracer_rss_bytes = c->rss_bytes,
		.probe_hits_per_s = alone ? c->hits_per_s : hits,
		.probe_cpu_ratio = NAN,
		.target_cpu_ratio_est = NAN,
		.mode = mode_of(t),
		.reason = t->mode_reason[0] ? t->mode_reason : NULL,
	};
	if (total && seconds > 0) {
		ret->tracer_cpu_ratio = (c->before_cpu_ns - c->begun_cpu_ns) / 1e9 / seconds;
		if (alone)
			ret->probe_hits_per_s = c->hits / seconds;
		if (t->cpu_before_at_ns > t->cpu_first_at_ns)
			cpus = (double)(t->cpu_before_ns - t->cpu_first_ns) /
			       (t->cpu_before_at_ns - t->cpu_first_at_ns);
	}
	if (alone && hits > 0) /* the ledger knows the mixture, the counter how many */
		ns_per_s *= ret->probe_hits_per_s / hits;
	else if (alone)
		ns_per_s = ret->probe_hits_per_s * (f->entry_return_ns / 2 + PROGRAM_NS);
	if (f->entry_return_ns > 0)
		ret->probe_cpu_ratio = ns_per_s / 1e9;
	if (f->entry_return_ns > 0 && cpus > 0)
		ret->target_cpu_ratio_est = ns_per_s / 1e9 / cpus;
	if (ret->target_cpu_ratio_est > 1)
		ret->target_cpu_ratio_est = 1;
}
