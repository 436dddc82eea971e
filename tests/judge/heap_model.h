/*
 * A general-purpose allocator as far as addresses matter: a few freed blocks of each size wait in
 * a LIFO of their own, others join their free neighbours and are found by size, split, or taken
 * from the top. It is the pattern of reuse that tracing in windows has to live with.
 */
#pragma once
#include <stdint.h>

#define HEAP_UNIT 16 /* bytes */

struct heap_model; /* opaque */

/* -ENOMEM. */
int heap_model_new(uint32_t units, struct heap_model **ret);
void heap_model_freep(struct heap_model **h);

/* The first unit of a block, never 0; 0: the heap is full. */
uint32_t heap_model_take(struct heap_model *h, uint32_t bytes);
void heap_model_give(struct heap_model *h, uint32_t at);
/* Units up to the highest block ever. */
uint32_t heap_model_top(const struct heap_model *h);
