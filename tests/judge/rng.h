/* Random numbers for corpora: the same seed gives the same series on every machine. */
#pragma once
#include <math.h>
#include <stdint.h>

struct rng {
	uint64_t state;
};

/* Of one family of seeds: streams with different numbers do not meet. */
static inline struct rng rng_new(uint64_t seed, uint64_t stream)
{
	return (struct rng){ seed * 0xd1342543de82ef95u ^ (stream + 1) * 0x9e3779b97f4a7c15u };
}

static inline uint64_t rng_bits(struct rng *r) /* splitmix64 */
{
	uint64_t z = r->state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static inline double rng_unit(struct rng *r) /* in (0, 1) */
{
	return (rng_bits(r) >> 11) * 0x1p-53 + 0x1p-54;
}

static inline double rng_between(struct rng *r, double low, double high)
{
	return low + (high - low) * rng_unit(r);
}

static inline double rng_scale(struct rng *r, double low, double high) /* log-uniform */
{
	return low * pow(high / low, rng_unit(r));
}

static inline int rng_below(struct rng *r, int n) /* 0 .. n - 1 */
{
	return (int)(rng_unit(r) * n);
}

static inline double rng_exponential(struct rng *r, double mean)
{
	return -mean * log(rng_unit(r));
}

static inline double rng_normal(struct rng *r)
{
	double size = sqrt(-2 * log(rng_unit(r)));

	return size * cos(2 * M_PI * rng_unit(r));
}
