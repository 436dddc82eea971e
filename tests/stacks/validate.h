/* SPDX-License-Identifier: GPL-2.0-only
 *
 * What the validation program sends for an event: the stack that memtrace's unwinder finds, the
 * one that the kernel finds by frame pointers, and what another unwinder needs to find its own:
 * the registers and a copy of the thread's stack.
 */
#ifndef MEMTRACE_TESTS_VALIDATE_H
#define MEMTRACE_TESTS_VALIDATE_H

#define SV_PAGE 4096
#define SV_PAGES 17 /* 64 KiB above the stack pointer, which is somewhere in the first page */
#define SV_OTHER 16 /* pages of another stack that the walk arrived on */
#define SV_FRAMES 127
#define SV_RETURNS 32
#define SV_REGS 17 /* in DWARF's order; the last is the program counter */

/* A return address that the kernel replaced by its trampoline. */
struct sv_return {
	__u64 at; /* where on the stack it was */
	__u64 to; /* what it was */
};

struct sv_record {
	__u64 regs[SV_REGS];
	__u64 saved[21];  /* struct pt_regs, as the kernel saved it */
	__u64 stack_base; /* address of stack[0], a multiple of SV_PAGE */
	__u64 trampoline; /* 0 when this process has none */
	__u32 tid;
	__u32 end;	     /* enum mt_stack_end */
	__u32 frames;	     /* in pc[] */
	__u32 kernel_frames; /* in kernel_pc[] */
	__u32 stack_bytes;
	__u32 returns;
	__u64 last_sp; /* where memtrace's walk ended */
	__u64 other_base;
	__u32 other_bytes;
	__u32 other_missing; /* bit i: page i could not be read */
	__u64 pc[SV_FRAMES];
	__u64 kernel_pc[SV_FRAMES];
	struct sv_return ret[SV_RETURNS];
	__u8 other[SV_OTHER * SV_PAGE];
	__u8 stack[SV_PAGES * SV_PAGE]; /* stack_bytes of it are sent */
};

#endif
