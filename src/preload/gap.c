#include "preload/gap.h"

#include <string.h>

#include "memtrace/weight.h"

#define LN2 0.69314718055994530942

uint64_t gap_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

/* Natural logarithm of x > 0: its exponent, and 2 atanh((m - 1) / (m + 1)) of its mantissa. */
static double logarithm(double x)
{
	double m, z, square, term, sum = 0;
	uint64_t bits;
	int exponent;

	memcpy(&bits, &x, sizeof(bits));
	exponent = (int)(bits >> 52 & 0x7ff) - 1023;
	bits = (bits & ((1ull << 52) - 1)) | 1023ull << 52;
	memcpy(&m, &bits, sizeof(m));
	z = (m - 1) / (m + 1); /* at most 1/3: twelve terms leave 1e-13 */
	square = z * z;
	term = z;
	for (int i = 1; i < 24; i += 2) {
		sum += term / i;
		term *= square;
	}
	return 2 * sum + exponent * LN2;
}

/* 1 - exp(-x) of x >= 0, exact to many digits where x is small. */
static double chance_of(double x)
{
	double term, sum = 0, left = 1;
	int halved = 0;

	if (x > 40)
		return 1;
	for (; x > 0.25; halved++)
		x /= 2;
	term = x;
	for (int i = 2; i < 14; i++) { /* x - x^2/2 + x^3/6 ... */
		sum += term;
		term *= -x / i;
	}
	if (!halved)
		return sum;
	left -= sum;
	while (halved--)
		left *= left;
	return 1 - left;
}

uint64_t gap_of(uint64_t random, uint64_t mean)
{
	/* in (0, 1]: the upper 53 bits */
	double uniform = ((random >> 11) + 1) * 0x1p-53, gap = -logarithm(uniform) * mean;

	if (gap >= GAP_MAX)
		return GAP_MAX;
	return gap < 1 ? 1 : (uint64_t)gap;
}

uint64_t gap_weigh(uint64_t size, uint64_t mean)
{
	uint64_t length = size < MT_LEAST_BYTES ? MT_LEAST_BYTES : size;
	double weighed;

	if (!mean)
		return size;
	weighed = size / chance_of((double)length / mean) + 0.5;
	return weighed < size || weighed >= 0x1p63 ? size : (uint64_t)weighed;
}
