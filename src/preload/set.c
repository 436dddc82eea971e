#include "preload/set.h"

#include <stddef.h>

static uint64_t *bucket_of(struct set *s, uint64_t addr, int which)
{
	uint64_t hash = (addr >> 4) * 0x9e3779b97f4a7c15ull;
	uint32_t at = which ? hash >> 51 : hash >> 32;

	return s->bucket[at & (SET_BUCKETS - 1)];
}

static void filter_add(uint8_t *slot)
{
	uint8_t v = __atomic_load_n(slot, __ATOMIC_RELAXED);

	while (v != SET_STUCK && !__atomic_compare_exchange_n(slot, &v, v + 1, true,
							      __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		;
}

static void filter_remove(uint8_t *slot)
{
	uint8_t v = __atomic_load_n(slot, __ATOMIC_RELAXED);

	while (v && v != SET_STUCK &&
	       !__atomic_compare_exchange_n(slot, &v, v - 1, true, __ATOMIC_SEQ_CST,
					    __ATOMIC_RELAXED))
		;
}

static uint64_t *find(struct set *s, uint64_t addr)
{
	for (int which = 0; which < 2; which++) {
		uint64_t *slot = bucket_of(s, addr, which);

		for (uint32_t i = 0; i < SET_BUCKET_SLOTS; i++)
			if (__atomic_load_n(&slot[i], __ATOMIC_RELAXED) == addr)
				return &slot[i];
	}
	return NULL;
}

static uint32_t count_free(const uint64_t *slot)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < SET_BUCKET_SLOTS; i++)
		n += __atomic_load_n(&slot[i], __ATOMIC_RELAXED) == 0;
	return n;
}

static bool put(uint64_t *slot, uint64_t addr)
{
	for (uint32_t i = 0; i < SET_BUCKET_SLOTS; i++) {
		uint64_t none = 0;

		if (__atomic_compare_exchange_n(&slot[i], &none, addr, false, __ATOMIC_SEQ_CST,
						__ATOMIC_RELAXED))
			return true;
	}
	return false;
}

bool set_add(struct set *s, uint64_t addr)
{
	uint64_t *one = bucket_of(s, addr, 0), *other = bucket_of(s, addr, 1);
	uint8_t *filter = &s->filter[set_filter_slot(addr)];
	bool swap = count_free(other) > count_free(one);

	if (find(s, addr))
		return true;
	filter_add(filter); /* first: nobody may look for it in vain */
	if (put(swap ? other : one, addr) || put(swap ? one : other, addr))
		return true;
	filter_remove(filter);
	return false;
}

bool set_take(struct set *s, uint64_t addr)
{
	uint64_t *slot = addr ? find(s, addr) : NULL;

	if (!slot ||
	    !__atomic_compare_exchange_n(slot, &addr, 0, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		return false;
	filter_remove(&s->filter[set_filter_slot(addr)]);
	return true;
}

void set_let_through(struct set *s, uint64_t addr)
{
	__atomic_store_n(&s->filter[set_filter_slot(addr)], SET_STUCK, __ATOMIC_RELAXED);
}
