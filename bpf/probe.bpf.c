/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Asked once at start and thrown away: does this kernel load and run what memtrace needs?
 * Each program counts its hits; user space attaches them to a function of its own.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

__u64 entry_hits = 0;
__u64 return_hits = 0;
__u64 vma_found = 0;
__u64 fault_at = 0;   /* the address that is to be touched */
__u64 fault_seen = 0; /* bit 0: by user space, bit 1: by the kernel on its behalf */
__u64 said_by = 0;    /* the thread whose messages are awaited */
__u64 said_seen = 0;  /* bit 0: one was sent, bit 1: one was received */

static long vma_seen(struct task_struct *task, struct vm_area_struct *vma, void *ctx)
{
	vma_found = 1;
	return 0;
}

SEC("?uprobe")
int probe_entry(struct pt_regs *ctx)
{
	__sync_fetch_and_add(&entry_hits, 1);
	return 0;
}

SEC("?uretprobe")
int probe_return(struct pt_regs *ctx)
{
	__sync_fetch_and_add(&return_hits, 1);
	return 0;
}

/* The first call is declined at its entry, later ones are not. */
SEC("?uprobe")
int probe_session(struct pt_regs *ctx)
{
	if (PT_REGS_IP(ctx) != bpf_get_func_ip(ctx)) {
		__sync_fetch_and_add(&return_hits, 1);
		return 0;
	}
	return __sync_fetch_and_add(&entry_hits, 1) == 0;
}

SEC("?uprobe")
int probe_find_vma(struct pt_regs *ctx)
{
	__u32 unused = 0;

	bpf_find_vma(bpf_get_current_task_btf(), PT_REGS_IP(ctx), vma_seen, &unused, 0);
	return 0;
}

SEC("?tp_btf/sys_exit")
int BPF_PROG(probe_tp, struct pt_regs *regs, long ret)
{
	return 0;
}

SEC("?tp_btf/page_fault_user")
int BPF_PROG(probe_fault_user, unsigned long address, struct pt_regs *regs, unsigned long error)
{
	if (address >> 12 == fault_at >> 12 && (error & 3) == 2)
		fault_seen |= 1;
	return 0;
}

SEC("?tp_btf/page_fault_kernel")
int BPF_PROG(probe_fault_kernel, unsigned long address, struct pt_regs *regs, unsigned long error)
{
	if (address >> 12 == fault_at >> 12 && (error & 3) == 2)
		fault_seen |= 2;
	return 0;
}

SEC("?tp_btf/sock_send_length")
int BPF_PROG(probe_sent, struct sock *sk, int ret, int flags)
{
	if (bpf_get_current_pid_tgid() == said_by && ret == 1)
		said_seen |= 1;
	return 0;
}

SEC("?tp_btf/sock_recv_length")
int BPF_PROG(probe_got, struct sock *sk, int ret, int flags)
{
	if (bpf_get_current_pid_tgid() == said_by && ret == 1)
		said_seen |= 2;
	return 0;
}

SEC("?iter/task_file")
int probe_iter(struct bpf_iter__task_file *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
