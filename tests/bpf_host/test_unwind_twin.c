/*
 * The unwinder in BPF against the one in user space (src/unwind/walk.c): random tables, stacks and
 * registers, most of them nonsense; frames and ends must be the same.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "../../bpf/core.bpf.c"
#include "../../bpf/memo.bpf.c"
#include "../../bpf/stack.bpf.c"
#include "../../bpf/scan.bpf.c"
#include "../../bpf/table.bpf.c"
#include "../../bpf/unwind.bpf.c"
#include "fake.h"

#include <cmocka.h>

#include "../../src/unwind/dict.c"
#include "../../src/unwind/table_find.c"
#include "../../src/unwind/walk.c"

#define PID 100
#define CODE 0x400000ull /* file 7, with a table */
#define BARE 0x500000ull /* file 8, without */
#define JIT 0x600000ull
#define STACK 0x7ffc00000000ull
#define STACK_WORDS (sizeof(fake.stack) / 8)
#define DEV (8ull << 20 | 1)
#define PAGES 16u
#define WORD 100u /* where the table lies in its shard */
#define WORLDS 40
#define WALKS 60 /* in each */

static struct unwind_dict *dict;
static struct unwind_table table;
/* What a world is mostly made of. */
static enum { NONSENSE, LONG_CHAINS, FRAME_POINTERS, SIGNALS, KINDS } kind;
static uint64_t seed = 88172645463325252u;

static uint32_t pick(uint32_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 20) % n;
}

/* Mostly what compilers write, and some of everything. */
static struct mt_unwind_rule random_rule(void)
{
	static const uint8_t often[] = { MT_CFA_SP, MT_CFA_SP, MT_CFA_SP,
					 MT_CFA_SP, MT_CFA_BP, MT_CFA_BP };
	struct mt_unwind_rule r = {};

	r.cfa = pick(kind == LONG_CHAINS ? 100 : 3) ? often[pick(sizeof(often))]
						    : (uint8_t)pick(MT_CFA_UNSUPPORTED + 1);
	if (kind == LONG_CHAINS && r.cfa == MT_CFA_BP)
		r.cfa = MT_CFA_SP;
	if (kind == SIGNALS && pick(3) == 0)
		r.cfa = MT_CFA_SIGNAL;
	switch (r.cfa) {
	case MT_CFA_SP:
		r.off = 8 * (int)pick(20) + 8 - 80 * (pick(kind == LONG_CHAINS ? 200 : 20) == 0);
		break;
	case MT_CFA_BP: r.off = 8 * (int)pick(20) + 8 - 80 * (pick(20) == 0); break;
	case MT_CFA_SP_DEREF:
	case MT_CFA_BP_DEREF: r.off = (8 * (int)pick(8) - 16) * 256 + 8 * (int)pick(3); break;
	case MT_CFA_PLT: r.off = 10 + (int)pick(2); break;
	default: return r;
	}
	r.bp = (uint8_t)pick(MT_BP_LOST + 1);
	if (r.bp != MT_BP_SAME && r.bp != MT_BP_LOST)
		r.bp_off = (int16_t)(8 * (int)pick(12) - 48 + (pick(50) == 0));
	return r;
}

/* One table for both: rows at random places of every page, in the words of a shard. */
static void make_table(void)
{
	struct mt_file_key key = { .inode = 7, .dev = DEV }, none = { .inode = 8, .dev = DEV };
	struct mt_unwind_file f = { .count = 1, .size = 1 << 20 }, empty = { .size = 1 << 20 };
	uint32_t *words = fake.shard[1] + WORD, n = PAGES + 1;
	const struct mt_unwind_rule *all;
	size_t count;

	unwind_dict_free(dict);
	assert_int_equal(unwind_dict_new(&dict), 0);
	for (uint32_t page = 0; page < PAGES; page++) {
		words[page] = n;
		for (uint32_t at = 0; at < 4096; at += 1 + pick(500))
			words[n++] = at << 16 | (uint32_t)unwind_dict_add(dict, random_rule(),
									  MT_UNWIND_RULES);
	}
	words[PAGES] = n;
	all = unwind_dict_rules(dict, &count);
	for (uint32_t i = 0; i < count; i++)
		memcpy(bpf_map_lookup_elem(&rules, &i), &all[i], sizeof(all[i]));
	f.piece[0] = (struct mt_unwind_piece){ 0, PAGES * 0x1000, 0, .shard = 1, .word = WORD };
	bpf_map_update_elem(&files, &key, &f, BPF_ANY);
	bpf_map_update_elem(&files, &none, &empty, BPF_ANY);
	table.count = 1;
	table.piece[0] = (struct unwind_piece){ 0, PAGES * 0x1000, 0, words, n };
}

static uint64_t random_code(void)
{
	static const uint64_t base[] = { BARE, JIT, CODE };
	static const uint8_t outside[KINDS] = { 4, 100, 1, 20 }; /* one in so many */
	const uint32_t *words = table.piece[0].words, page = pick(PAGES);
	const uint32_t row = words[page] + pick(words[page + 1] - words[page]);

	if (pick(outside[kind]) == 0)
		return base[pick(3)] + pick(PAGES * 0x1000);
	/* Often the first byte of a row, where a return address belongs to the row before. */
	return CODE + page * 0x1000 + (words[row] >> 16) + (pick(2) ? pick(20) : 0);
}

/* Frame records one after the other, now and then somewhere else. */
static void make_frames(void)
{
	for (uint32_t i = 0; i < STACK_WORDS; i += 2) {
		uint64_t here = STACK + 8 * i;

		fake_push(here,
			  pick(4) ? here + 16 * pick(10) : STACK + 16 * pick(STACK_WORDS / 2));
		fake_push(here + 8, pick(30) ? BARE + pick(PAGES * 0x1000) : random_code());
	}
}

static void make_stack(void)
{
	for (uint32_t i = 0; i < STACK_WORDS; i++) {
		uint64_t here = STACK + 8 * i, word = random_code();

		switch (pick(kind == LONG_CHAINS ? 200 : kind == SIGNALS ? 20 : 8)) {
		case 0:
		case 1: word = here + 8 * pick(40); break;
		case 2: word = pick(4) ? STACK + 8 * pick(STACK_WORDS) : pick(10000); break;
		case 3: word = pick(4) ? 0 : word << 20; break;
		}
		fake_push(here, word);
	}
}

static void begin(void)
{
	struct mt_proc p = { .asid = 1, .text = 1 };
	struct mt_config *c = (struct mt_config *)&cfg;
	uint32_t pid = PID;

	for (int i = 0; i < MT_TEXT_PIECES; i++)
		p.piece[i] = 1;
	fake_reset();
	fake_map_of(&scratch)->max = 4;
	fake_map_of(&site_index)->max = WALKS;
	fake.pid_tgid = (uint64_t)PID << 32 | PID;
	fake.stack_start = STACK;
	c->site_capacity = WALKS;
	c->max_frames = MT_MAX_FRAMES;
	next_site = 1;
	next_text = 2;
	fake_map(CODE, CODE + PAGES * 0x1000, 5, 7, 0);
	fake_map(BARE, BARE + PAGES * 0x1000, 5, 8, 0);
	fake_map(JIT, JIT + PAGES * 0x1000, 7, 0, 0);
	fake_map(STACK, STACK + sizeof(fake.stack), 3, 0, 0);
	bpf_map_update_elem(&procs, &pid, &p, BPF_ANY);
	make_table();
}

static int read_stack(void *ctx, uint64_t address, void *ret, size_t size)
{
	(void)ctx;
	if (address < STACK || address - STACK > sizeof(fake.stack) - size)
		return -EFAULT;
	memcpy(ret, fake.stack + (address - STACK), size);
	return 0;
}

static void find_code(void *ctx, uint64_t at, struct walk_place *ret)
{
	(void)ctx;
	if (at - CODE < PAGES * 0x1000)
		*ret = (struct walk_place){ WALK_CODE_TABLE, &table, at - CODE };
	else if (at - BARE < PAGES * 0x1000)
		ret->code = WALK_CODE_NO_TABLE;
	else if (at - JIT < PAGES * 0x1000)
		ret->code = WALK_CODE_JIT;
}

static const uint8_t same_end[] = {
	[WALK_END_COMPLETE] = MT_END_start,
	[WALK_END_NO_FRAME_POINTER] = MT_END_no_frame_pointer,
	[WALK_END_JIT] = MT_END_jit,
	[WALK_END_NOT_CODE] = MT_END_not_code,
	[WALK_END_UNSUPPORTED] = MT_END_unsupported,
	[WALK_END_UNREADABLE] = MT_END_unreadable,
	[WALK_END_DEPTH] = MT_END_depth,
};

/* Of how many walks ended how, and of all frames. */
static struct {
	size_t ends[WALK_END_DEPTH + 1], frames, longest;
} seen;

static void compare(uint64_t pc, uint64_t sp, uint64_t bp)
{
	const struct walk_ops ops = { .read = read_stack, .find = find_code };
	const struct walk_regs regs = { pc, sp, bp };
	uint64_t pcs[MT_MAX_FRAMES];
	enum walk_end end = 0;
	size_t n = walk_stack(&ops, dict, &regs, false, pcs, MT_MAX_FRAMES, &end);
	struct mt_scratch *s;
	uint32_t slot = 0;

	mt_site_of(pc, sp, bp, 1, MT_SITE_MMAP);
	s = bpf_map_lookup_elem(&scratch, &slot);
	assert_int_equal(s->ev.frames, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(s->ev.pc[i], pcs[i]);
	assert_int_equal(s->end, same_end[end]);
	seen.ends[end]++;
	seen.frames += n;
	seen.longest = n > seen.longest ? n : seen.longest;
}

static void both_unwinders_see_the_same(void **state)
{
	(void)state;
	for (int world = 0; world < WORLDS; world++) {
		kind = world % KINDS;
		begin();
		for (int walk = 0; walk < WALKS; walk++) {
			uint64_t sp = STACK + 8 * pick(STACK_WORDS);

			if (walk % 10 == 0 && kind == FRAME_POINTERS)
				make_frames();
			else if (walk % 10 == 0)
				make_stack();
			compare(random_code(), sp,
				pick(4)	  ? sp + 8 * pick(60)
				: pick(2) ? 0
					  : pick(100000));
		}
	}
	/* The random numbers say something: every end was met, and chains are not all short. */
	for (int end = WALK_END_COMPLETE; end < WALK_END_DEPTH; end++)
		assert_true(seen.ends[end] > 20);
	assert_true(seen.longest > 20);
	unwind_dict_freep(&dict);
}

/* One frame after the other as far as it goes. */
static void both_stop_at_the_same_depth(void **state)
{
	struct mt_unwind_rule up = { .cfa = MT_CFA_SP, .off = 8 };
	uint32_t rule;

	(void)state;
	begin();
	rule = (uint32_t)unwind_dict_add(dict, up, MT_UNWIND_RULES);
	memcpy(bpf_map_lookup_elem(&rules, &rule), &up, sizeof(up));
	fake.shard[1][WORD] = fake.shard[1][WORD + 1] - 1;
	fake.shard[1][fake.shard[1][WORD] + WORD] = rule;
	for (uint32_t i = 0; i < STACK_WORDS; i++)
		fake_push(STACK + 8 * i, CODE + 0x10);
	compare(CODE + 0x10, STACK, 0);
	assert_int_equal(seen.ends[WALK_END_DEPTH], 1);
	unwind_dict_freep(&dict);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_unwinders_see_the_same),
		cmocka_unit_test(both_stop_at_the_same_depth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
