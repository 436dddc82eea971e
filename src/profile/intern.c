/* Open addressing over FNV-1a, mixed at the end so that its low bits depend on all of them. */
#include "profile/intern.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"

#define ALIGN 8
#define FIRST_SLOTS 256

static size_t aligned(size_t n)
{
	return (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

static uint64_t hash_of(const unsigned char *p, size_t len)
{
	uint64_t h = 0xcbf29ce484222325;

	while (len--)
		h = (h ^ *p++) * 0x100000001b3;
	h = (h ^ h >> 33) * 0xff51afd7ed558ccd;
	return h ^ h >> 33;
}

static size_t start_of(const struct intern *t, uint32_t number)
{
	return number > 1 ? aligned(t->ends[number - 2] + 1) : 0;
}

const void *intern_at(const struct intern *t, uint32_t number, size_t *ret_len)
{
	size_t start = start_of(t, number);

	*ret_len = t->ends[number - 1] - start;
	return t->bytes + start;
}

const char *intern_text(const struct intern *t, uint32_t number)
{
	size_t len;

	return number >= 1 && number <= t->count ? intern_at(t, number, &len) : "";
}

/* The slot that holds the bytes, or the free one where they belong. */
static uint32_t *slot_of(const struct intern *t, const void *bytes, size_t len)
{
	size_t i = hash_of(bytes, len) & (t->slot_count - 1), have_len;

	for (;; i = (i + 1) & (t->slot_count - 1)) {
		const void *have;

		if (!t->slots[i])
			return &t->slots[i];
		have = intern_at(t, t->slots[i], &have_len);
		if (have_len == len && !memcmp(have, bytes, len))
			return &t->slots[i];
	}
}

static int grow_slots(struct intern *t)
{
	struct intern wider = *t;
	uint32_t n;

	if (t->slot_count && t->count < t->slot_count / 2)
		return 0;
	wider.slot_count = t->slot_count ? t->slot_count * 2 : FIRST_SLOTS;
	wider.slots = calloc(wider.slot_count, sizeof(*wider.slots));
	if (!wider.slots)
		return -ENOMEM;
	for (n = 1; n <= t->count; n++) {
		size_t len;
		const void *bytes = intern_at(t, n, &len);

		*slot_of(&wider, bytes, len) = n;
	}
	free(t->slots);
	*t = wider;
	return 0;
}

static int grow_bytes(struct intern *t, size_t need)
{
	size_t cap = t->cap ? t->cap : 1024;
	char *bytes;

	if (need <= t->cap)
		return 0;
	while (cap < need)
		cap *= 2;
	bytes = realloc(t->bytes, cap);
	if (!bytes)
		return -ENOMEM;
	t->bytes = bytes;
	t->cap = cap;
	return 0;
}

int intern_add(struct intern *t, const void *bytes, size_t len, uint32_t *ret)
{
	size_t limit = t->limit ? t->limit : INTERN_BYTES_MAX, start = aligned(t->len);
	uint32_t *slot;
	int r;

	r = grow_slots(t);
	if (r < 0)
		return r;
	slot = slot_of(t, bytes, len);
	if (*slot) {
		*ret = *slot;
		return 0;
	}
	if (start >= limit || len >= limit - start)
		return -ENOSPC;
	r = grow_bytes(t, start + len + 1);
	if (r == 0)
		r = vec_reserve(&t->ends, sizeof(*t->ends), t->count, &t->ends_cap, SIZE_MAX);
	if (r < 0)
		return r;
	if (len)
		memcpy(t->bytes + start, bytes, len);
	t->bytes[start + len] = '\0';
	t->len = start + len + 1;
	t->ends[t->count++] = start + len;
	*ret = *slot = t->count;
	return 0;
}

void intern_done(struct intern *t)
{
	free(t->slots);
	free(t->ends);
	free(t->bytes);
	*t = (struct intern){};
}
