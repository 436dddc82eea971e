/* Binary search in what is sorted. */
#pragma once
#include <stddef.h>

/*
 * The index of the first of n elements that does not come before what is looked for; n when all do.
 * `before` is an expression of an element's index, which it knows as `i`: true of the first ones,
 * false of those behind them.
 */
#define search_first(n, i, before)                                       \
	({                                                               \
		size_t search_low = 0, search_high = (n);                \
                                                                         \
		while (search_low < search_high) {                       \
			const size_t i = (search_low + search_high) / 2; \
                                                                         \
			if (before)                                      \
				search_low = i + 1;                      \
			else                                             \
				search_high = i;                         \
		}                                                        \
		search_low;                                              \
	})
