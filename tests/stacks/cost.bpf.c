/* SPDX-License-Identifier: GPL-2.0-only
 *
 * What a stack costs: memtrace's way to a call site, the kernel's way to a stack id, and a program
 * that does nothing, each as a program of its own, so that the kernel's statistics tell them apart.
 */
#include "core.bpf.h"
#include "compat.bpf.h"

#define STACK_FRAMES 127

struct cost_stacks_map {
	__uint(type, BPF_MAP_TYPE_STACK_TRACE);
	__uint(max_entries, 16384);
	__uint(key_size, 4);
	__uint(value_size, STACK_FRAMES * 8);
} cost_stacks SEC(".maps");

__u32 cost_site;  /* the last that was found */
__s32 cost_stack; /* likewise */

SEC("uprobe")
int cost_empty(struct pt_regs *ctx)
{
	return 0;
}

SEC("uprobe")
int cost_unwind(struct pt_regs *ctx)
{
	struct mt_proc *p = proc_find(bpf_get_current_pid_tgid() >> 32);

	if (p)
		cost_site = mt_site_of(PT_REGS_IP(ctx), PT_REGS_SP(ctx), PT_REGS_FP(ctx), p->asid,
				       MT_SITE_HEAP);
	return 0;
}

SEC("uprobe")
int cost_stackid(struct pt_regs *ctx)
{
	cost_stack = bpf_get_stackid(ctx, &cost_stacks, BPF_F_USER_STACK);
	return 0;
}
