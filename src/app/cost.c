/*
 * What tracing costs the target is the governor's to know: calls times what one costs here, during
 * the last second; over a whole run it is summed up.
 */
#include "app/cost.h"

#include <math.h>
#include <string.h>

#include "app/watching.h"
#include "sys/procfs.h"

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

void cost_read(struct cost *c, const char *proc, uint64_t now_ns,
	       const struct symbolizer_stats *names)
{
	struct procfs_self self;
	double seconds = (now_ns - c->before_ns) / 1e9;

	if (seconds < LEAST_SECONDS || read_own(proc, c->keeper, &self))
		return;
	add_reader(proc, names, &self);
	c->cpu_ratio = (self.cpu_ns - c->before_cpu_ns) / 1e9 / seconds;
	c->rss_bytes = self.rss_bytes;
	c->before_cpu_ns = self.cpu_ns;
	c->before_ns = now_ns;
}

static const char *mode_of(const struct tracee *t)
{
	if (!tracee_is_traced(t))
		return "watch";
	if (t->announces)
		return "sample";
	return t->governor && governor_plan(t->governor)->step != GOVERN_FULL ? "sample" : "full";
}

static const char *reason_of(const struct tracee *t)
{
	if (t->mode_reason[0])
		return t->mode_reason;
	return t->held.reason[0] ? t->held.reason : NULL;
}

/* CPUs that the target used, over its whole trace or lately. */
static double cpus_of(const struct tracee *t, bool total)
{
	if (!total)
		return t->cpu_ratio;
	return t->cpu_before_at_ns > t->cpu_first_at_ns
		       ? (double)(t->cpu_before_ns - t->cpu_first_ns) /
				 (t->cpu_before_at_ns - t->cpu_first_at_ns)
		       : NAN;
}

static void tell_plan(const struct tracee *t, struct overhead_info *ret)
{
	const struct governor_plan *p = governor_plan(t->governor);

	ret->budget_ratio = t->run->opts->budget_pct > 0 ? t->run->opts->budget_pct / 100 : NAN;
	ret->sample_bytes = p->gap_log2 ? 1ull << p->gap_log2 : 0;
	ret->window_ratio = p->window_ratio;
	ret->target_cpu_ratio_est = p->cost_ratio;
}

/* Over the whole run. */
static void tell_total(const struct cost *c, const struct tracee *t, uint64_t now_ns,
		       struct overhead_info *ret)
{
	double run_s = (now_ns - c->begun_ns) / 1e9, traced_s = (now_ns - t->begun_ns) / 1e9;
	double cpus = cpus_of(t, true);

	if (run_s > 0)
		ret->tracer_cpu_ratio = (c->before_cpu_ns - c->begun_cpu_ns) / 1e9 / run_s;
	if (traced_s <= 0)
		return;
	ret->probe_hits_per_s = t->held.hits / traced_s;
	ret->probe_cpu_ratio = t->held.cost_s / traced_s;
	ret->target_cpu_ratio_est = cpus > 0 ? fmin(t->held.cost_s / traced_s / cpus, 1) : NAN;
}

void cost_info(const struct cost *c, const struct tracee *t, bool total, uint64_t now_ns,
	       struct overhead_info *ret)
{
	*ret = (struct overhead_info){
		.tracer_cpu_ratio = c->cpu_ratio,
		.tracer_rss_bytes = c->rss_bytes,
		.probe_hits_per_s = t->held.hits_per_s,
		.probe_cpu_ratio = t->held.cost_per_s,
		.target_cpu_ratio_est = NAN,
		.budget_ratio = NAN,
		.window_ratio = NAN,
		.mode = mode_of(t),
		.reason = reason_of(t),
	};
	if (t->governor)
		tell_plan(t, ret);
	if (total)
		tell_total(c, t, now_ns, ret);
}
