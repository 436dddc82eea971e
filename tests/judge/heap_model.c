#include "heap_model.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/cleanup.h"

#define CLASSES 128  /* of free blocks by units; the last one holds all that are larger */
#define SMALL 65     /* classes with a LIFO */
#define LIFO_DEPTH 7 /* blocks in it */

struct unit {
	uint32_t size; /* at the first and the last unit of a block */
	uint32_t next, before;
	bool free; /* at the first and the last unit; blocks in a LIFO are not */
};

struct heap_model {
	struct unit *unit; /* owned */
	uint32_t units, top;
	uint32_t free[CLASSES];
	uint32_t lifo[SMALL][LIFO_DEPTH], depth[SMALL];
};

int heap_model_new(uint32_t units, struct heap_model **ret)
{
	struct heap_model *h = calloc(1, sizeof(*h));

	if (h)
		h->unit = calloc(units + 1, sizeof(*h->unit));
	if (!h || !h->unit) {
		free(h);
		return -ENOMEM;
	}
	h->units = units;
	h->top = 1;
	*ret = h;
	return 0;
}

void heap_model_freep(struct heap_model **h)
{
	if (!*h)
		return;
	free((*h)->unit);
	free(*h);
}

static uint32_t class_of(uint32_t size)
{
	return size < CLASSES ? size : CLASSES - 1;
}

static void mark(struct heap_model *h, uint32_t at, uint32_t size, bool is_free)
{
	struct unit *first = &h->unit[at], *last = &h->unit[at + size - 1];

	first->size = last->size = size;
	first->free = last->free = is_free;
}

static void link_free(struct heap_model *h, uint32_t at, uint32_t size)
{
	uint32_t *head = &h->free[class_of(size)];

	mark(h, at, size, true);
	h->unit[at].next = *head;
	h->unit[at].before = 0;
	if (*head)
		h->unit[*head].before = at;
	*head = at;
}

static void unlink_free(struct heap_model *h, uint32_t at)
{
	struct unit *u = &h->unit[at];

	if (u->before)
		h->unit[u->before].next = u->next;
	else
		h->free[class_of(u->size)] = u->next;
	if (u->next)
		h->unit[u->next].before = u->before;
}

static uint32_t find_free(const struct heap_model *h, uint32_t size)
{
	for (uint32_t c = class_of(size); c < CLASSES; c++)
		for (uint32_t at = h->free[c]; at; at = h->unit[at].next)
			if (h->unit[at].size >= size)
				return at;
	return 0;
}

uint32_t heap_model_take(struct heap_model *h, uint32_t bytes)
{
	uint32_t size = (bytes + 8 + HEAP_UNIT - 1) / HEAP_UNIT, at, left;

	size = size < 2 ? 2 : size;
	if (size < SMALL && h->depth[size])
		return h->lifo[size][--h->depth[size]];
	at = find_free(h, size);
	if (!at) {
		if (h->units - h->top < size)
			return 0;
		at = h->top;
		h->top += size;
		mark(h, at, size, false);
		return at;
	}
	unlink_free(h, at);
	left = h->unit[at].size - size;
	if (left >= 2) {
		mark(h, at, size, false);
		link_free(h, at + size, left);
	} else {
		mark(h, at, size + left, false);
	}
	return at;
}

void heap_model_give(struct heap_model *h, uint32_t at)
{
	uint32_t size = h->unit[at].size;

	if (size < SMALL && h->depth[size] < LIFO_DEPTH) {
		h->lifo[size][h->depth[size]++] = at;
		return;
	}
	if (at + size < h->top && h->unit[at + size].free) {
		unlink_free(h, at + size);
		size += h->unit[at + size].size;
	}
	if (at > 1 && h->unit[at - 1].free) {
		at -= h->unit[at - 1].size;
		unlink_free(h, at);
		size += h->unit[at].size;
	}
	if (at + size == h->top) {
		h->top = at;
		return;
	}
	link_free(h, at, size);
}

uint32_t heap_model_top(const struct heap_model *h)
{
	return h->top;
}
