/* SPDX-License-Identifier: GPL-2.0-only
 *
 * How much traced processes work, probes in or out: a timer's samples of what runs on each CPU.
 * Tracing is the kernel's time, so that what is found in the program's own code is its own work.
 * Modules that have probes do not count: an interrupt that comes while a probe is handled may be
 * served when the handler has just gone back to them.
 */
#include "core.bpf.h"

/* Of the timers, as user space sets them: the kernel keeps telling the first one. */
__u64 work_period_ns = 0;

static __always_inline int is_in(const struct mt_range *r, __u64 at)
{
	return at >= r->start && at < r->end;
}

static __noinline int is_probed_code(__u32 tgid, __u32 asid, __u64 at)
{
	struct mt_plumbing *p = bpf_map_lookup_elem(&plumbing, &tgid);

	if (!p || p->asid != asid || is_in(&p->probed, at))
		return 1;
	for (int i = 0; i < MT_PLUMBING_RANGES; i++)
		if (is_in(&p->range[i], at))
			return 1;
	return 0;
}

/* Samples of user code only; each stands for the period that it ends. */
SEC("?perf_event")
int mt_work(struct bpf_perf_event_data *ctx)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct mt_proc *p = bpf_map_lookup_elem(&procs, &tgid);
	struct mt_space_cpu *c;
	__u32 asid;

	if (!p)
		return 0;
	asid = p->asid;
	if (is_probed_code(tgid, asid, PT_REGS_IP(&ctx->regs)))
		return 0;
	c = space_cpu_of(asid);
	if (c)
		__sync_fetch_and_add(&c->work_ns, work_period_ns);
	return 0;
}
