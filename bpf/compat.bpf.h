/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Differences between architectures, one function each. Everything else in this folder is the same
 * everywhere. arm64 compiles (`make bpf-arm64`) and was never run; what it is without an
 * architecture's name is x86-64.
 */
#ifndef MEMTRACE_COMPAT_BPF_H
#define MEMTRACE_COMPAT_BPF_H

#include "core.bpf.h"

#ifdef __TARGET_ARCH_arm64

#define USER_TOP (1ull << 48)
#define CALL_BYTES 4 /* what follows_call() reads before a return address */

/* The number of the system call that these saved registers belong to. */
static __always_inline __u32 syscall_number(struct pt_regs *regs)
{
	return regs->syscallno;
}

/* The stack pointer at the entry of the function that has just returned: a return pops nothing. */
static __always_inline __u64 sp_at_entry(struct pt_regs *regs)
{
	return PT_REGS_SP(regs);
}

/*
 * Whether the return address lies at the stack pointer when a function begins. Here it is in the
 * link register, and each function keeps it where it likes.
 */
static __always_inline int return_address_is_on_stack(void)
{
	return 0;
}

/* A saved return address without its authentication code and tag. */
static __always_inline __u64 code_address(__u64 word)
{
	return word & (USER_TOP - 1);
}

/* A store that nothing before it, load or store, is delayed behind. */
static __always_inline void store_release(__u64 *to, __u64 value)
{
	__sync_lock_test_and_set(to, value);
}

static __always_inline void store_release_32(__u32 *to, __u32 value)
{
	__sync_lock_test_and_set(to, value);
}

/* A load that is not done before the loads above it. */
static __always_inline __u32 load_last(__u32 *from)
{
	return __sync_fetch_and_add(from, 0);
}

/* Points inside functions are found for x86-64 only. */
static __always_inline __u64 place_register(struct pt_regs *regs, __u32 place)
{
	return 0;
}

static __always_inline __u64 point_flags(struct pt_regs *regs)
{
	return 0;
}

/* bl, or blr and its authenticating forms. */
static __always_inline int is_call(const __u8 *b)
{
	__u32 insn = b[0] | b[1] << 8 | b[2] << 16 | (__u32)b[3] << 24;

	return insn >> 26 == 0x25 || (insn & 0xfefff000) == 0xd63f0000;
}

#else

#define USER_TOP (1ull << 47)
#define CALL_BYTES 8

static __always_inline __u32 syscall_number(struct pt_regs *regs)
{
	return regs->orig_ax; /* of a tracepoint's argument: no helper is needed */
}

static __always_inline __u64 sp_at_entry(struct pt_regs *regs)
{
	return PT_REGS_SP(regs) - 8; /* what `ret` popped */
}

static __always_inline int return_address_is_on_stack(void)
{
	return 1;
}

static __always_inline __u64 code_address(__u64 word)
{
	return word;
}

/* This architecture neither delays loads and stores behind a store nor swaps loads: the compiler
 * may. */
static __always_inline void store_release(__u64 *to, __u64 value)
{
	__asm__ volatile("" ::: "memory");
	*(volatile __u64 *)to = value;
}

static __always_inline void store_release_32(__u32 *to, __u32 value)
{
	__asm__ volatile("" ::: "memory");
	*(volatile __u32 *)to = value;
}

static __always_inline __u32 load_last(__u32 *from)
{
	__asm__ volatile("" ::: "memory");
	return *(volatile __u32 *)from;
}

/*
 * Each load is an instruction of its own: of loads that differ in their offset alone the compiler
 * makes one with a computed offset, which the verifier refuses.
 */
#ifdef __bpf__
#define REGISTER(regs, name, offset)                                                       \
	({                                                                                 \
		__u64 v;                                                                   \
		__asm__ volatile("%0 = *(u64 *)(%1 + " #offset ")" : "=r"(v) : "r"(regs)); \
		v;                                                                         \
	})
#else
#define REGISTER(regs, name, offset) ((regs)->name)
#endif

/* In the order of x86-64's encoding. */
static __always_inline __u64 place_register(struct pt_regs *regs, __u32 place)
{
	switch (place & 15) {
	case 0: return REGISTER(regs, ax, 80);
	case 1: return REGISTER(regs, cx, 88);
	case 2: return REGISTER(regs, dx, 96);
	case 3: return REGISTER(regs, bx, 40);
	case 4: return REGISTER(regs, sp, 152);
	case 5: return REGISTER(regs, bp, 32);
	case 6: return REGISTER(regs, si, 104);
	case 7: return REGISTER(regs, di, 112);
	case 8: return REGISTER(regs, r8, 72);
	case 9: return REGISTER(regs, r9, 64);
	case 10: return REGISTER(regs, r10, 56);
	case 11: return REGISTER(regs, r11, 48);
	case 12: return REGISTER(regs, r12, 24);
	case 13: return REGISTER(regs, r13, 16);
	case 14: return REGISTER(regs, r14, 8);
	case 15: return REGISTER(regs, r15, 0);
	default: return 0;
	}
}

static __always_inline __u64 point_flags(struct pt_regs *regs)
{
	return regs->flags;
}

/* e8 rel32; ff /2 with no, an 8-bit or a 32-bit displacement, with or without SIB. */
static __always_inline int is_call(const __u8 *b)
{
	if (b[3] == 0xe8)
		return 1;
	return (b[6] == 0xff && (b[7] & 0x38) == 0x10) || (b[5] == 0xff && (b[6] & 0x38) == 0x10) ||
	       (b[4] == 0xff && (b[5] & 0x38) == 0x10) || (b[2] == 0xff && (b[3] & 0x38) == 0x10) ||
	       (b[1] == 0xff && (b[2] & 0x38) == 0x10);
}

#endif

#endif
