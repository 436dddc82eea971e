#include "model/overlap.h"

#include <string.h>

#include "memtrace/weight.h"

#define DIGIT_BITS 8
#define DIGITS (1u << DIGIT_BITS)
#define FEW 24 /* blocks that are sorted one by one */

static void swap(struct overlap_block *a, struct overlap_block *b)
{
	struct overlap_block t = *a;

	*a = *b;
	*b = t;
}

static void insert_sorted(struct overlap_block *block, size_t n)
{
	for (size_t i = 1; i < n; i++)
		for (size_t k = i; k > 0 && block[k].addr < block[k - 1].addr; k--)
			swap(&block[k], &block[k - 1]);
}

static unsigned int digit(const struct overlap_block *b, unsigned int shift)
{
	return (unsigned int)(b->addr >> shift) & (DIGITS - 1);
}

/* By one digit, each block straight to its place; *ret_end: where the blocks of each end. */
static void deal(struct overlap_block *block, size_t n, unsigned int shift, uint32_t *ret_end)
{
	uint32_t next[DIGITS], sum = 0;

	memset(ret_end, 0, DIGITS * sizeof(*ret_end));
	for (size_t i = 0; i < n; i++)
		ret_end[digit(&block[i], shift)]++;
	for (unsigned int d = 0; d < DIGITS; d++) {
		next[d] = sum;
		sum += ret_end[d];
		ret_end[d] = sum;
	}
	for (unsigned int d = 0; d < DIGITS; d++)
		while (next[d] < ret_end[d]) {
			unsigned int to = digit(&block[next[d]], shift);

			if (to == d)
				next[d]++;
			else
				swap(&block[next[d]], &block[next[to]++]);
		}
}

/* In place, from the highest digit down: the "American flag" sort of McIlroy, Bostic and McIlroy
 * (1993). qsort() takes ten times as long. */
static void sort(struct overlap_block *block, size_t n, unsigned int shift)
{
	uint32_t end[DIGITS];

	if (n <= FEW) {
		insert_sorted(block, n);
		return;
	}
	deal(block, n, shift, end);
	for (unsigned int d = 0; d < DIGITS && shift; d++) {
		uint32_t from = d ? end[d - 1] : 0;

		if (end[d] - from > 1)
			sort(block + from, end[d] - from, shift - DIGIT_BITS);
	}
}

/* Begins at the highest digit in which any two differ. */
static void sort_by_address(struct overlap_block *block, size_t n)
{
	uint64_t differ = 0;

	for (size_t i = 1; i < n; i++)
		differ |= block[i].addr ^ block[0].addr;
	if (differ)
		sort(block, n,
		     (63 - (unsigned int)__builtin_clzll(differ)) / DIGIT_BITS * DIGIT_BITS);
}

static uint64_t end_of(const struct overlap_block *b)
{
	uint64_t end;

	return __builtin_add_overflow(b->addr, mt_held_size(b->held), &end) ? UINT64_MAX : end;
}

static size_t kill(struct overlap_block *b)
{
	b->dead = true;
	return 1;
}

/* The one that is dead of two that overlap, NULL: it is not known. */
static struct overlap_block *dead_of(struct overlap_block *a, struct overlap_block *b,
				     uint32_t since_ds)
{
	struct overlap_block *older = a->born_ds < b->born_ds ? a : b,
			     *younger = older == a ? b : a;

	if (a->born_ds == b->born_ds)
		return NULL;
	return older->held & MT_HELD_GREW && younger->born_ds < since_ds ? younger : older;
}

size_t overlap_find(struct overlap_block *block, size_t n, uint32_t since_ds)
{
	struct overlap_block *farthest = NULL; /* of those before that are not dead */
	size_t found = 0;

	sort_by_address(block, n);
	for (size_t i = 0; i < n; i++) {
		struct overlap_block *b = &block[i];

		if (b->dead)
			continue;
		if (farthest && end_of(farthest) > b->addr) {
			struct overlap_block *dead = dead_of(farthest, b, since_ds);

			if (dead == farthest) {
				found += kill(farthest);
				farthest = b;
				continue;
			}
			/* one without bytes overlaps nothing */
			if (dead && mt_held_size(b->held)) {
				found += kill(b);
				continue;
			}
		}
		if (!farthest || end_of(b) > end_of(farthest))
			farthest = b;
	}
	return found;
}

size_t overlap_find_unmapped(struct overlap_block *block, size_t n,
			     const struct overlap_range *range, size_t ranges, uint32_t since_ds)
{
	size_t found = 0, at = 0;

	for (size_t i = 0; i < n; i++) {
		struct overlap_block *b = &block[i];

		while (at < ranges && range[at].end <= b->addr)
			at++;
		if (b->dead || b->born_ds >= since_ds)
			continue;
		if (at == ranges || range[at].start > b->addr)
			found += kill(b);
	}
	return found;
}
