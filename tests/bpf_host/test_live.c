/* The live set of live.bpf.c against a plain model of it, and its rules one by one. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "../../bpf/core.bpf.c"
#include "../../bpf/live.bpf.c"
#include "../../src/collect/site_fold.c"
#include "fake.h"

#include <cmocka.h>

#define SECOND 1000000000ull
#define BITS 4	    /* 16 buckets, 112 keys */
#define SPILL 64    /* and so many more */
#define ADDRS 400   /* addresses that the property test uses */
#define STEPS 60000 /* of it */

static uint64_t random_state;

static uint32_t rnd(uint32_t below)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return (random_state >> 33) % below;
}

static struct mt_site *site(uint32_t n)
{
	static struct mt_site folded;
	const struct mt_site *page = bpf_map_lookup_elem(&sites, &n);

	site_fold(&page, 1, &folded);
	return &folded;
}

static uint64_t counted(uint32_t counter)
{
	uint64_t *v = bpf_map_lookup_elem(&counters, &counter);

	return *v;
}

static struct mt_bucket *bucket_of(uint64_t addr)
{
	return bucket_at(mt_bucket_of(block_key(addr, 1), BITS));
}

static void begin(void)
{
	struct mt_config *c = (struct mt_config *)&cfg;

	fake_reset();
	c->bucket_bits = BITS;
	fake_map_of(&live)->max = SPILL;
	fake_map_of(&live_front)->max = 1 << BITS;
	fake_map_of(&sites)->max = 16;
	fake.now_ns = 10 * SECOND;
	random_state = 7;
}

/* Addresses that share one bucket. */
static size_t same_bucket(uint64_t *ret, size_t n)
{
	uint32_t want = mt_bucket_of(block_key(0x1000, 1), BITS);
	size_t found = 0;

	for (uint64_t a = 0x1000; found < n; a += 16)
		if (mt_bucket_of(block_key(a, 1), BITS) == want)
			ret[found++] = a;
	return found;
}

static void a_key_that_finds_its_bucket_full_goes_to_the_hash_and_is_found_there(void **state)
{
	uint64_t a[9];

	(void)state;
	begin();
	same_bucket(a, 9);
	for (size_t i = 0; i < 9; i++)
		assert_int_equal(mt_block_born(a[i], mt_held(10 + i, 1), 1, 1), 0);
	assert_int_equal(bucket_of(a[0])->key[0], 2);
	assert_int_equal(fake_map_of(&live)->count, 2);
	assert_int_equal(mt_block_died(a[8], 1), 1);
	assert_int_equal(site(1)->free_bytes, 18);
	assert_int_equal(bucket_of(a[0])->key[0], 1);
	assert_int_equal(mt_block_died(a[8], 1), 0);
	assert_int_equal(mt_block_died(a[0], 1), 1);
	assert_int_equal(mt_block_died(a[7], 1), 1);
	assert_int_equal(bucket_of(a[0])->key[0], 0);
}

/* The hash is not asked for what cannot be there. */
static void a_miss_in_a_bucket_that_spilled_nothing_reads_that_bucket_alone(void **state)
{
	struct mt_block foreign = { .held = mt_held(1, 1), .site = 1 };
	uint64_t key = block_key(0x1000, 1);

	(void)state;
	begin();
	bpf_map_update_elem(&live, &key, &foreign, BPF_ANY); /* its header does not say so */
	assert_int_equal(mt_block_died(0x1000, 1), 0);
	assert_int_equal(fake_map_of(&live)->count, 1);
}

static void a_spilled_block_whose_address_comes_again_is_ended(void **state)
{
	uint64_t a[8];

	(void)state;
	begin();
	same_bucket(a, 8);
	for (size_t i = 0; i < 8; i++)
		mt_block_born(a[i], mt_held(100, 1), 1, 1);
	mt_block_died(a[0], 1); /* room in the bucket */
	mt_block_born(a[7], mt_held(5, 1), 2, 1);
	assert_int_equal(counted(MT_CNT_frees_missed), 1);
	assert_int_equal(site(1)->free_count, 2);
	assert_int_equal(site(2)->alloc_bytes - site(2)->free_bytes, 5);
	assert_int_equal(fake_map_of(&live)->count, 0);
	assert_int_equal(bucket_of(a[0])->key[0], 0);
}

static void what_a_block_weighs_is_taken_away_as_it_was_added(void **state)
{
	uint64_t held = mt_held(1000, 37);

	(void)state;
	begin();
	mt_block_born(0x1000, held, 1, 1);
	assert_int_equal(site(1)->alloc_bytes, 37000);
	assert_int_equal(site(1)->alloc_count, 37);
	assert_int_equal(site(1)->born_records, 1);
	assert_int_equal(site(1)->born_var, mt_held_var(held));
	assert_int_equal((uint32_t)site(1)->fine[10], 37);
	assert_int_equal((uint32_t)site(1)->coarse[0], 37);
	mt_block_died(0x1000, 1);
	assert_int_equal(site(1)->free_bytes, 37000);
	assert_int_equal(site(1)->free_count, 37);
	assert_int_equal(site(1)->died_records, 1);
	assert_int_equal(site(1)->died_var, mt_held_var(held));
	assert_int_equal(site(1)->freed_by_age[0], 37);
	assert_int_equal((uint32_t)site(1)->fine[10], 0);
	assert_int_equal((uint32_t)site(1)->coarse[0], 0);
}

/* Address space 1, whose probes were all in since then. */
static void out_until(uint32_t ds)
{
	uint32_t slot = 1;
	struct mt_space *s = bpf_map_lookup_elem(&spaces, &slot);

	s->asid = 1;
	s->out_ds = ds;
}

static void a_free_that_nobody_could_see_is_no_loss(void **state)
{
	(void)state;
	begin();
	out_until(99);
	mt_block_born(0x1000, mt_held(10, 1), 1, 1); /* tenth 100 */
	mt_block_born(0x1000, mt_held(10, 1), 1, 1);
	assert_int_equal(counted(MT_CNT_frees_missed), 1);
	assert_int_equal(counted(MT_CNT_frees_unseen), 0);
	out_until(100);
	mt_block_born(0x1000, mt_held(10, 1), 1, 1);
	out_until(MT_OUT_NOW);
	mt_block_born(0x1000, mt_held(10, 1), 1, 1);
	assert_int_equal(counted(MT_CNT_frees_missed), 1);
	assert_int_equal(counted(MT_CNT_frees_unseen), 2);
	assert_int_equal(site(1)->free_count, 3);
}

static int end_one(uint64_t addr, uint32_t born_ds)
{
	struct mt_end_block arg = { .addr = addr, .asid = 1, .born_ds = born_ds };

	return mt_end_block(&arg);
}

static void what_is_ended_from_outside_is_not_the_block_that_took_its_place(void **state)
{
	uint64_t a[8];

	(void)state;
	begin();
	same_bucket(a, 8);
	for (size_t i = 0; i < 8; i++) /* the last one spills */
		mt_block_born(a[i], mt_held(10, 1), 1, 1);
	assert_int_equal(end_one(a[0], 99), 0);
	assert_int_equal(end_one(a[7], 99), 0);
	assert_int_equal(end_one(a[7] + 64, 100), 0);
	assert_int_equal(site(1)->free_count, 0);
	assert_int_equal(end_one(a[0], 100), 1);
	assert_int_equal(end_one(a[7], 100), 1);
	assert_int_equal(end_one(a[7], 100), 0);
	assert_int_equal(site(1)->free_count, 2);
	assert_int_equal(counted(MT_CNT_frees_unseen), 2);
	assert_int_equal(bucket_of(a[0])->key[0], 0);
}

/* What was added at its birth is what nobody saw freed: frees that were seen are the difference. */
static void a_free_that_nobody_saw_weighs_what_its_block_does(void **state)
{
	(void)state;
	begin();
	out_until(100);
	mt_block_born(0x1000, mt_held(10, 64), 1, 1);
	assert_int_equal(end_one(0x1000, 100), 1);
	assert_int_equal(counted(MT_CNT_frees_unseen), 64);
	mt_block_born(0x1000, mt_held(10, 64), 1, 1);
	mt_block_born(0x1000, mt_held(10, 1), 1, 1);
	assert_int_equal(counted(MT_CNT_frees_unseen), 128);
	assert_int_equal(site(1)->free_count, 128);
}

static void forked_processes_tell_of_their_heap_once_each(void **state)
{
	(void)state;
	begin();
	for (uint64_t i = 0; i < 100; i++)
		mt_block_born(0x555500000000 + 16 * i, mt_held(10, 1), 1, 1 + i % 4);
	assert_int_equal(fake.sent, 4);
}

/* The model: what each address holds, 0 when nothing. */
struct model {
	uint64_t held[ADDRS];
	uint64_t born, died, missed, live_bytes, count, refused;
};

static uint64_t addr_of(uint32_t i)
{
	return 0x7f0000000000 + 48 * (uint64_t)i;
}

static void model_end(struct model *m, uint32_t i)
{
	m->died++;
	m->count--;
	m->live_bytes -= mt_held_size(m->held[i]);
	m->held[i] = 0;
}

static void model_birth(struct model *m, uint32_t i, uint64_t held)
{
	if (m->held[i]) {
		m->missed++;
		model_end(m, i);
	}
	if (mt_block_born(addr_of(i), held, 1, 1)) {
		m->refused++;
		return;
	}
	m->born++;
	m->count++;
	m->held[i] = held;
	m->live_bytes += mt_held_size(held);
}

static size_t keys_in_front(void)
{
	size_t n = 0;

	for (uint32_t b = 0; b < 1 << BITS; b++)
		for (uint32_t i = 1; i < MT_BUCKET_SLOTS; i++)
			n += bucket_at(b)->key[i] != 0;
	return n;
}

static void compare(const struct model *m)
{
	size_t spilled = 0;

	for (uint32_t b = 0; b < 1 << BITS; b++)
		spilled += bucket_at(b)->key[0];
	assert_int_equal(spilled, fake_map_of(&live)->count);
	assert_int_equal(keys_in_front() + spilled, m->count);
	assert_int_equal(site(1)->alloc_count, m->born);
	assert_int_equal(site(1)->free_count, m->died);
	assert_int_equal(site(1)->alloc_bytes - site(1)->free_bytes, m->live_bytes);
	assert_int_equal(counted(MT_CNT_frees_missed), m->missed);
	assert_int_equal(counted(MT_CNT_live_full), m->refused);
}

/* Phases that fill and that empty, so that every state of bucket and hash is met. */
static void it_does_what_a_plain_table_does(void **state)
{
	struct model m = { 0 };

	(void)state;
	begin();
	for (uint32_t step = 0; step < STEPS; step++) {
		uint32_t i = rnd(ADDRS), births = step / 5000 % 2 ? 30 : 70;

		if (rnd(100) < births && (!m.held[i] || rnd(20) == 0)) {
			model_birth(&m, i, mt_held(1 + rnd(5000), 1));
		} else {
			int known = mt_block_died(addr_of(i), 1);

			assert_int_equal(known, m.held[i] != 0);
			if (known)
				model_end(&m, i);
		}
		if (step % 500 == 0)
			compare(&m);
	}
	compare(&m);
	assert_true(m.missed > 100 && m.refused > 100); /* both were met */
	for (uint32_t i = 0; i < ADDRS; i++)
		assert_int_equal(mt_block_died(addr_of(i), 1), m.held[i] != 0);
	assert_int_equal(keys_in_front(), 0);
	assert_int_equal(fake_map_of(&live)->count, 0);
}

#define LIFE 2000 /* seconds */
#define BLOCKS 300

static size_t born_between(const uint32_t *born_s, uint32_t first, uint32_t end)
{
	size_t n = 0;

	for (size_t i = 0; i < BLOCKS; i++)
		n += born_s[i] && born_s[i] >= first && born_s[i] < end;
	return n;
}

/* All epochs that the rings reach, of blocks of which born_s tells the second; 0: none. */
static void compare_rings(const uint32_t *born_s, uint32_t now_s)
{
	const uint32_t one = 1, two = 2;
	const struct mt_site *pages[] = { bpf_map_lookup_elem(&sites, &one),
					  bpf_map_lookup_elem(&sites, &two) };
	struct mt_site f;

	site_fold(pages, 2, &f);
	for (uint32_t e = now_s - (MT_FINE_SLOTS - 2); e <= now_s; e++) {
		uint64_t v = f.fine[e % MT_FINE_SLOTS];

		assert_int_equal(v >> 32 == e ? (uint32_t)v : 0, born_between(born_s, e, e + 1));
	}
	for (uint32_t k = 0, e = now_s / MT_COARSE_SECS; k < MT_COARSE_SLOTS - 1 && k <= e; k++) {
		uint64_t v = f.coarse[(e - k) % MT_COARSE_SLOTS];

		assert_int_equal(v >> 32 == e - k ? (uint32_t)v : 0,
				 born_between(born_s, (e - k) * MT_COARSE_SECS,
					      (e - k + 1) * MT_COARSE_SECS));
	}
}

/* On two pages, with pauses in which nothing moves the rings on. */
static void ages_are_right_at_every_moment_and_on_any_page(void **state)
{
	uint32_t born_s[BLOCKS] = { 0 }, now_s = 100;

	(void)state;
	begin();
	while (now_s < LIFE) {
		now_s += rnd(40) ? rnd(3) : 15 + rnd(300);
		fake.now_ns = now_s * SECOND;
		for (uint32_t k = 0; k < 10; k++) {
			uint32_t i = rnd(BLOCKS), page = 1 + rnd(2);

			if (born_s[i])
				mt_site_died(page, mt_held(1, 1), 10 * born_s[i]);
			else
				mt_site_born(page, mt_held(1, 1), 10 * now_s);
			born_s[i] = born_s[i] ? 0 : now_s;
		}
		compare_rings(born_s, now_s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_key_that_finds_its_bucket_full_goes_to_the_hash_and_is_found_there),
		cmocka_unit_test(a_miss_in_a_bucket_that_spilled_nothing_reads_that_bucket_alone),
		cmocka_unit_test(a_spilled_block_whose_address_comes_again_is_ended),
		cmocka_unit_test(what_a_block_weighs_is_taken_away_as_it_was_added),
		cmocka_unit_test(a_free_that_nobody_could_see_is_no_loss),
		cmocka_unit_test(what_is_ended_from_outside_is_not_the_block_that_took_its_place),
		cmocka_unit_test(a_free_that_nobody_saw_weighs_what_its_block_does),
		cmocka_unit_test(forked_processes_tell_of_their_heap_once_each),
		cmocka_unit_test(it_does_what_a_plain_table_does),
		cmocka_unit_test(ages_are_right_at_every_moment_and_on_any_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
