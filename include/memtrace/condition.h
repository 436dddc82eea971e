/*
 * Conditions of x86-64's conditional jumps, evaluated from the flags register. For BPF and for user
 * space; needs fixed-width integer types of whoever includes it.
 */
#ifndef MEMTRACE_CONDITION_H
#define MEMTRACE_CONDITION_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

/*
 * cc: the low four bits of the opcode, as in jo, jno, jb, jae, je, jne, jbe, ja, js, jns, jp, jnp,
 * jl, jge, jle, jg; an odd one is the opposite of the one before it. 0 or 1.
 */
static inline __u32 mt_condition_holds(__u64 flags, __u32 cc)
{
	const __u32 carry = flags & 1, parity = flags >> 2 & 1, zero = flags >> 6 & 1;
	const __u32 sign = flags >> 7 & 1, overflow = flags >> 11 & 1;
	const __u32 less = sign ^ overflow, pair = cc >> 1 & 7;
	const __u32 holds = pair == 0	? overflow
			    : pair == 1 ? carry
			    : pair == 2 ? zero
			    : pair == 3 ? carry | zero
			    : pair == 4 ? sign
			    : pair == 5 ? parity
			    : pair == 6 ? less
					: less | zero;

	return holds ^ (cc & 1);
}

#endif
