/* SPDX-License-Identifier: GPL-2.0-only
 *
 * What a block of the live set weighs: a sampled block stands for `weight` blocks like it, a block
 * that was seen anyway for itself. The weight is a whole number, drawn at birth so that its mean is
 * right, and is kept with the block: what is taken away at its death is what was added at its
 * birth. Both sides include this file; pure.
 *
 * Sampling: bytes are a line on which points lie at exponential gaps of mean T (mt_space.gap_log2);
 * a block of s bytes is taken when a point falls on it, with the chance 1 - exp(-s / T). It stands
 * for 1 / chance blocks (Horvitz and Thompson, 1952). Blocks below MT_LEAST_BYTES are as long as
 * that.
 */
#ifndef MEMTRACE_WEIGHT_H
#define MEMTRACE_WEIGHT_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#define MT_LEAST_BYTES 16u /* length of smaller blocks on the line of bytes */
#define MT_GAP_LOG2_MIN 10u
#define MT_GAP_LOG2_MAX 26u

/*
 * A block's `held` word: bits 0-43 its size in bytes, 44-57 mantissa m, 58-62 exponent e of its
 * weight m << e. A word without a weight stands for weight 1. Bit 63: it grew where it was, so that
 * bytes of it are younger than its birth.
 */
#define MT_HELD_SIZE_BITS 44
#define MT_HELD_SIZE_MAX ((1ull << MT_HELD_SIZE_BITS) - 1) /* larger blocks count as that */
#define MT_HELD_MANTISSA_BITS 14
#define MT_HELD_GREW (1ull << 63)
#define MT_HELD_WEIGHT_MAX (1ull << 28) /* several fit into a slot of mt_site's rings */

/* Unit of mt_site.born_var and died_var: squares of 64 bytes. */
#define MT_VAR_SHIFT 6

/* Weights above 2^14 are rounded to 14 bits. */
static inline __u64 mt_held(__u64 size, __u64 weight)
{
	__u64 e = 0;

	if (size > MT_HELD_SIZE_MAX)
		size = MT_HELD_SIZE_MAX;
	if (weight > MT_HELD_WEIGHT_MAX)
		weight = MT_HELD_WEIGHT_MAX;
	for (int i = 0; i < 20 && weight >> MT_HELD_MANTISSA_BITS; i++) {
		weight = (weight + 1) >> 1;
		e++;
	}
	return size | weight << MT_HELD_SIZE_BITS |
	       e << (MT_HELD_SIZE_BITS + MT_HELD_MANTISSA_BITS);
}

static inline __u64 mt_held_size(__u64 held)
{
	return held & MT_HELD_SIZE_MAX;
}

static inline __u64 mt_held_weight(__u64 held)
{
	__u64 m = held >> MT_HELD_SIZE_BITS & ((1u << MT_HELD_MANTISSA_BITS) - 1);

	return m ? m << (held >> (MT_HELD_SIZE_BITS + MT_HELD_MANTISSA_BITS) & 31) : 1;
}

/*
 * What one block of weight w adds to the variance of the bytes that its site is estimated to hold:
 * s^2 * w * (w - 1), the unbiased estimate for sampling with independent chances.
 */
static inline __u64 mt_held_var(__u64 held)
{
	__u64 w = mt_held_weight(held), b = mt_held_size(held) * w >> MT_VAR_SHIFT;

	if (w == 1)
		return 0;
	if (b >> 32)
		b = 0xffffffffull;
	return b * b - b * b / w;
}

#endif
