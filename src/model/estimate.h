/*
 * How far sums over sampled blocks may be off. Pure. Blocks are sampled with independent chances
 * (memtrace/weight.h), so that the variance of a sum is estimated without bias by the variances of
 * its blocks; what that estimate cannot know of, where few blocks were sampled, is what was missed.
 */
#pragma once

/*
 * What one sampled block adds to a sum that exact ones do not: s * (w - 1) bytes on average, by
 * bytes. That is close to the mean gap between samples where blocks are smaller than it, and below
 * it elsewhere. 0 when nothing is sampled.
 */
double estimate_unit(double bytes, double var);

/*
 * Half width of the 95 % interval of a sum, in its unit. `unit`: the largest that is known of this
 * process: how much a block that was missed may stand for. 0: exact.
 *
 * Normal, with the variance of six missed samples added: as seen from few samples their variance is
 * as uncertain as their sum. It covers the truth in 93 % or more of all cases, from the first
 * sample on, and 90 % where a site mixes blocks below the gap with many of several gaps, which are
 * seldom missed and then by much (tests/unit/test_estimate.c).
 */
double estimate_error(double var, double unit);

/*
 * How many blocks one independent observation stands for: the design effect of weights (Kish,
 * 1965), or their mean where that is more. 1: each block was recorded.
 */
double estimate_weight(double count, double records, double bytes, double var);
