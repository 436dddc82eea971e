/*
 * Allocator calls as their probes see them, for the tests of alloc.bpf.c, which is included here;
 * what was counted of them.
 */
#pragma once
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "../../bpf/core.bpf.c"
#include "../../bpf/live.bpf.c"
#include "../../bpf/alloc.bpf.c"
#include "../../src/collect/site_fold.c"
#include "fake.h"

#include <cmocka.h>

#define PID 100
#define SECOND 1000000000ull

static struct pt_regs regs;
static uint32_t next_stack, last_kind;
static uint64_t last_at, last_bp; /* of a caller */
static uint32_t asid;		  /* that probes speak of */
static uint64_t free_repeats;

/* One site per value of next_stack; unwinding has a test of its own. */
__u32 mt_site_of(__u64 ip, __u64 sp, __u64 bp, __u32 asid, __u32 site_kind)
{
	(void)ip;
	(void)sp;
	(void)bp;
	(void)asid;
	last_kind = site_kind;
	return next_stack;
}

__u32 mt_site_of_caller(__u64 at, __u64 bp, __u32 asid, __u32 site_kind)
{
	__u64 word;

	(void)asid;
	last_at = at;
	last_bp = bp;
	if (bpf_probe_read_user(&word, sizeof(word), (const void *)at))
		return MT_SITE_HIDDEN;
	last_kind = site_kind | MT_AT_RETURN;
	return next_stack;
}

/* As the rest of memtrace reads it. */
static inline struct mt_site *site(uint32_t n)
{
	static struct mt_site folded;
	const struct mt_site *page = bpf_map_lookup_elem(&sites, &n);

	site_fold(&page, 1, &folded);
	return &folded;
}

static inline uint64_t live_bytes(uint32_t n)
{
	return site(n)->alloc_bytes - site(n)->free_bytes;
}

static inline uint64_t live_count(uint32_t n)
{
	return site(n)->alloc_count - site(n)->free_count;
}

static inline uint64_t counted(uint32_t counter)
{
	uint64_t *v = bpf_map_lookup_elem(&counters, &counter);

	return *v;
}

/* Blocks in the live set. */
static inline size_t recorded(void)
{
	uint32_t zero = 0;
	const struct mt_bucket *b = bpf_map_lookup_elem(&live_front, &zero);
	size_t n = fake_map_of(&live)->count;

	assert_int_equal(b->key[0], n);
	for (uint32_t i = 1; i < MT_BUCKET_SLOTS; i++)
		n += b->key[i] != 0;
	return n;
}

static inline struct mt_block *block_of(uint64_t addr)
{
	uint32_t zero = 0;
	struct mt_bucket *b = bpf_map_lookup_elem(&live_front, &zero);

	return &b->block[slot_find(b, block_key(addr, asid))];
}

/* So that what comes next finds its bucket full. */
static inline void fill_bucket(void)
{
	uint32_t zero = 0;
	struct mt_bucket *b = bpf_map_lookup_elem(&live_front, &zero);

	for (uint32_t i = 1; i < MT_BUCKET_SLOTS; i++)
		b->key[i] = MT_KEY_CLAIMED;
}

static inline void thread(uint32_t tid)
{
	fake.pid_tgid = (uint64_t)PID << 32 | tid;
}

static inline void begin(void)
{
	fake_reset();
	next_asid = 1;
	asid = mt_new_asid(PID, 0);
	free_repeats = 0;
	fake_map_of(&live)->max = 100;
	fake_map_of(&threads)->max = 100;
	fake_map_of(&sites)->max = 100;
	memset(&regs, 0, sizeof(regs));
	next_stack = 1;
	fake.now_ns = 10 * SECOND;
	thread(PID);
}

/* Calls and returns at stack pointer sp. The kernel plants its trampoline there. */
static inline void enter(uint64_t cookie, uint64_t a, uint64_t b, uint64_t sp)
{
	fake.cookie = cookie | MT_COOKIE_ASID(asid);
	regs.di = a;
	regs.si = b;
	regs.sp = sp;
	mt_alloc_enter(&regs);
	fake_hide(sp);
}

static inline void leave(uint64_t result, uint64_t sp)
{
	regs.ax = result;
	regs.sp = sp + 8;
	mt_alloc_exit(&regs);
}

#define MALLOC MT_COOKIE(MT_FN_ALLOC, 1, 0, 0, 0)
#define CALLOC MT_COOKIE(MT_FN_ALLOC, 1, 2, 0, 0)
#define REALLOC MT_COOKIE(MT_FN_REALLOC, 2, 0, 1, 0)
#define POSIX_MEMALIGN MT_COOKIE(MT_FN_POSIX_MEMALIGN, 3, 0, 1, 0)
#define SP 0x7ffc00001000

static inline void do_malloc(uint64_t size, uint64_t addr)
{
	enter(MALLOC, size, 0, SP);
	leave(addr, SP);
}

static inline void do_realloc(uint64_t old, uint64_t size, uint64_t addr)
{
	enter(REALLOC, old, size, SP);
	leave(addr, SP);
}

static inline void do_free_at(uint64_t addr, uint64_t sp)
{
	fake.cookie = MT_COOKIE(MT_FN_FREE, 0, 0, 1, 0) | MT_COOKIE_ASID(asid) | free_repeats;
	regs.di = addr;
	regs.sp = sp;
	mt_free_enter(&regs);
}

static inline void do_free(uint64_t addr)
{
	do_free_at(addr, SP);
}

static inline struct mt_space_cpu *here(void)
{
	uint32_t slot = asid % MT_SPACES;

	return bpf_map_lookup_elem(&space_cpu, &slot);
}
