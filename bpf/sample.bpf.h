/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Arithmetic of sampling (memtrace/weight.h says what is sampled), in integers: the length of a
 * gap, and how many blocks a block stands for. Pure: randomness is an argument. Fractions are in
 * units of 2^-30.
 */
#ifndef MEMTRACE_SAMPLE_BPF_H
#define MEMTRACE_SAMPLE_BPF_H

#include "core.bpf.h"

#define MT_ONE (1ull << 30)
#define MT_LN2 744261118ull /* of MT_ONE */
#define MT_LEN_MAX (1ull << 44)

static __always_inline __u64 mul30(__u64 a, __u64 b)
{
	return a * b >> 30;
}

/* Length of a block on the line of bytes. */
static __always_inline __u64 sample_length(__u64 size)
{
	return size < MT_LEAST_BYTES ? MT_LEAST_BYTES : size > MT_LEN_MAX ? MT_LEN_MAX : size;
}

/* -ln(m / 2^32) for m in [2^31, 2^32): twice the area tangent of (1 - m) / (1 + m), which is at
 * most 1/3, by its series. */
static __always_inline __u64 minus_log(__u64 m)
{
	__u64 z = ((1ull << 32) - m) * MT_ONE / ((1ull << 32) + m), zz = mul30(z, z), sum = 0;

	sum = mul30(sum + MT_ONE / 13, zz);
	sum = mul30(sum + MT_ONE / 11, zz);
	sum = mul30(sum + MT_ONE / 9, zz);
	sum = mul30(sum + MT_ONE / 7, zz);
	sum = mul30(sum + MT_ONE / 5, zz);
	sum = mul30(sum + MT_ONE / 3, zz);
	return 2 * mul30(sum + MT_ONE, z);
}

/* Zeros before the first one of 32 bits, at most 31; without a branch, for the verifier's sake. */
static __always_inline __u64 leading_zeros(__u64 x)
{
	__u64 n = ((x >> 16) - 1) >> 63 << 4, s;

	x <<= n;
	s = ((x >> 24) - 1) >> 63 << 3;
	x <<= s;
	n += s;
	s = ((x >> 28) - 1) >> 63 << 2;
	x <<= s;
	n += s;
	s = ((x >> 30) - 1) >> 63 << 1;
	x <<= s;
	return n + s + (((x >> 31) - 1) >> 63);
}

/*
 * A number of exponential distribution with mean 2^gap_log2, from 64 random bits: minus the
 * logarithm of a number in (0, 1) whose exponent is the run of zeros in one half and whose
 * mantissa is the other half.
 */
static __always_inline __u64 sample_gap(__u32 exponent, __u32 mantissa, __u32 gap_log2)
{
	__u64 log = minus_log(1ull << 31 | mantissa >> 1) + MT_LN2 * leading_zeros(exponent);
	__u64 gap = (log << (gap_log2 & 31)) >> 30;

	return gap ? gap : 1;
}

/*
 * x / (1 - exp(-x)) for x up to 1: 1 + x/2 + x^2/12 - x^4/720 + x^6/30240, wrong by less than
 * 10^-6 (Bernoulli's numbers).
 */
static __always_inline __u64 over_chance(__u64 x)
{
	__u64 xx = mul30(x, x), x4 = mul30(xx, xx);

	return MT_ONE + x / 2 + xx / 12 - x4 / 720 + mul30(x4, xx) / 30240;
}

/*
 * How many blocks one of this length stands for: 1 / (1 - exp(-length / 2^gap_log2)), rounded up
 * or down at random such that the mean is right. Longer ones than a gap: by halving the length,
 * and 1 - exp(-2y) = (1 - exp(-y)) * (1 + exp(-y)).
 */
static __always_inline __u64 sample_weight(__u64 length, __u32 gap_log2, __u32 random)
{
	__u64 unit = 1ull << (gap_log2 & 31), x, chance, miss, weight;
	__u32 halved = 0;

	if (length >> 4 >= unit) /* missed once in nine millions */
		return 1;
	while (halved < 4 && length >> halved > unit)
		halved++;
	x = length * MT_ONE / unit >> halved;
	if (!halved) {
		weight = over_chance(x) * unit / length;
	} else {
		chance = x * MT_ONE / over_chance(x);
		for (__u32 i = 0; i < halved && i < 4; i++) {
			miss = MT_ONE - chance;
			chance += mul30(chance, miss);
		}
		weight = MT_ONE * MT_ONE / chance;
	}
	return (weight + (random & (MT_ONE - 1))) >> 30;
}

#endif
