/* One frame after another: unwind.bpf.c, table.bpf.c, scan.bpf.c on tables, stacks and mappings
 * made here. */
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

#define PID 100
#define CODE 0x400000ull /* file 7, with a table */
#define LIBC 0x500000ull /* file 8: known to have none */
#define JIT 0x600000ull
#define OTHER 0x700000ull /* file 9, of which nothing is known */
#define VDSO 0x7ffff0000000ull
#define STACK 0x7ffc00000000ull
#define SP (STACK + 0x1000)
#define DEV (8ull << 20 | 1)
#define PAGES 16u

/* The rules of the table: page k of CODE has rule k + 1 from its beginning. */
enum {
	SP_8 = 1,
	SP_40,
	BP_16,
	SP_DEREF,
	BP_DEREF,
	PLT,
	SIGNAL,
	UNSUPPORTED,
	END,
	SAVED_BY_BP,
	SAVED_BY_SP,
	BACKWARDS
};

static const struct mt_unwind_rule table_rules[] = {
	[SP_8] = { MT_CFA_SP, MT_BP_SAME, 0, 8 },
	[SP_40] = { MT_CFA_SP, MT_BP_CFA, -16, 40 },
	[BP_16] = { MT_CFA_BP, MT_BP_CFA, -16, 16 },
	[SP_DEREF] = { MT_CFA_SP_DEREF, MT_BP_SAME, 0, 16 << 8 | 8 },
	[BP_DEREF] = { MT_CFA_BP_DEREF, MT_BP_BP, 0, (int)(-8u << 8) },
	[PLT] = { MT_CFA_PLT, MT_BP_SAME, 0, 11 },
	[SIGNAL] = { MT_CFA_SIGNAL, MT_BP_SAME, 0, 0 },
	[UNSUPPORTED] = { MT_CFA_UNSUPPORTED, MT_BP_SAME, 0, 0 },
	[END] = { MT_CFA_END, MT_BP_SAME, 0, 0 },
	[SAVED_BY_BP] = { MT_CFA_SP, MT_BP_BP, 8, 8 },
	[SAVED_BY_SP] = { MT_CFA_SP, MT_BP_SP, 16, 40 },
	[BACKWARDS] = { MT_CFA_SP, MT_BP_SAME, 0, -8 },
};

/* Code whose rule this is. */
static uint64_t at(uint32_t rule)
{
	return CODE + (rule - 1) * 0x1000 + 0x123;
}

static struct mt_ev_site *sent(void)
{
	return (void *)fake.last;
}

static uint64_t counted(uint32_t counter)
{
	uint64_t *v = bpf_map_lookup_elem(&counters, &counter);

	return *v;
}

/* Every page of the file holds one row; the rows lie behind the index, at word 100. */
static void make_table(void)
{
	struct mt_file_key key = { .inode = 7, .dev = DEV }, none = { .inode = 8, .dev = DEV };
	struct mt_unwind_file f = { .count = 1, .size = 1 << 20 }, empty = { .size = 1 << 20 };

	f.piece[0] = (struct mt_unwind_piece){ 0, PAGES * 0x1000, 0, .shard = 1, .word = 100 };
	for (uint32_t i = 0; i <= PAGES; i++)
		fake.shard[1][100 + i] = PAGES + 1 + i;
	for (uint32_t i = 0; i < PAGES; i++)
		fake.shard[1][100 + PAGES + 1 + i] = i + 1;
	for (uint32_t i = 0; i < sizeof(table_rules) / sizeof(table_rules[0]); i++)
		memcpy(bpf_map_lookup_elem(&rules, &i), &table_rules[i], 8);
	bpf_map_update_elem(&files, &key, &f, BPF_ANY);
	bpf_map_update_elem(&files, &none, &empty, BPF_ANY);
}

static void begin(void)
{
	struct mt_plumbing pl = { .asid = 1, .range = { { LIBC, LIBC + 0x8000 } } };
	struct mt_proc p = { .asid = 1 };
	struct mt_config *c = (struct mt_config *)&cfg;
	uint32_t pid = PID;

	fake_reset();
	fake_map_of(&scratch)->max = 4;
	fake_map_of(&site_index)->max = 100;
	fake.pid_tgid = (uint64_t)PID << 32 | PID;
	fake.stack_start = STACK;
	c->site_capacity = 100;
	c->max_frames = MT_MAX_FRAMES;
	next_site = 1;
	next_text = 2;
	fake_map(CODE, CODE + 0x100000, 5, 7, 0);
	fake_map(LIBC, LIBC + 0x10000, 5, 8, 0);
	fake_map(JIT, JIT + 0x10000, 7, 0, 0);
	fake_map(OTHER, OTHER + 0x10000, 5, 9, 0);
	fake_map(STACK, STACK + 0x4000, 3, 0, 0);
	p.text = 1;
	for (uint32_t i = 0; i < MT_TEXT_PIECES; i++)
		p.piece[i] = 1;
	bpf_map_update_elem(&procs, &pid, &p, BPF_ANY);
	bpf_map_update_elem(&plumbing, &pid, &pl, BPF_ANY);
	make_table();
}

/* Takes the stack of a thread in a system call at `ip`. */
static struct mt_ev_site *take(uint64_t ip, uint64_t bp)
{
	mt_site_of(ip, SP, bp, 1, MT_SITE_MMAP);
	return sent();
}

static void tables_lead_to_the_start_of_the_thread(void **state)
{
	struct mt_ev_site *s;

	(void)state;
	begin();
	fake_push(SP, at(SP_40));	  /* left by SP_8 */
	fake_push(SP + 8 + 24, SP + 200); /* SP_40: the frame pointer that was saved */
	fake_push(SP + 8 + 32, at(BP_16));
	fake_push(SP + 200, 0x7777); /* BP_16 */
	fake_push(SP + 208, at(END));
	s = take(at(SP_8), 0x5555);
	assert_int_equal(s->end, MT_END_start);
	assert_int_equal(s->frames, 4);
	assert_int_equal(s->pc[0], at(SP_8));
	assert_int_equal(s->pc[1], at(SP_40));
	assert_int_equal(s->pc[2], at(BP_16));
	assert_int_equal(s->pc[3], at(END));
	assert_int_equal(s->hdr.size, offsetof(struct mt_ev_site, pc) + 32);
}

/* The call is the last instruction of its function: its return address is the next function's. */
static void return_addresses_are_looked_up_before_themselves(void **state)
{
	(void)state;
	begin();
	fake_push(SP, CODE + 0x1000); /* a byte behind the page of SP_8 */
	fake_push(SP + 8, at(END));
	assert_int_equal(take(at(SP_8), 0)->frames, 3);
	assert_int_equal(sent()->end, MT_END_start);
	/* an exact program counter at the same place is the next function */
	begin();
	fake_push(SP + 24, 0);
	fake_push(SP + 32, at(END));
	assert_int_equal(take(CODE + 0x1000, 0)->frames, 2);
	assert_int_equal(sent()->end, MT_END_start);
	/* and a return probe stands at a return address */
	begin();
	fake_push(SP, at(END));
	mt_site_of(CODE + 0x1000, SP, 0, 1, MT_SITE_HEAP | MT_AT_RETURN);
	assert_int_equal(sent()->frames, 2);
	assert_int_equal(sent()->site_kind, MT_SITE_HEAP);
}

static void realigned_frames_are_left(void **state)
{
	(void)state;
	begin();
	fake_push(SP + 16, SP + 104); /* SP_DEREF: *(sp + 16) + 8 is the CFA */
	fake_push(SP + 104, at(BP_DEREF));
	fake_push(SP + 192, SP + 400); /* BP_DEREF: *(bp - 8) */
	fake_push(SP + 200, 0x1111);   /* its bp lies at bp */
	fake_push(SP + 392, at(END));
	assert_int_equal(take(at(SP_DEREF), SP + 200)->frames, 3);
	assert_int_equal(sent()->end, MT_END_start);
}

static void saved_frame_pointers_are_found_wherever_they_are(void **state)
{
	(void)state;
	begin(); /* SAVED_BY_SP: at sp + 16; then SAVED_BY_BP: at bp + 8; then BP_16 uses it */
	fake_push(SP + 16, SP + 300);
	fake_push(SP + 32, at(SAVED_BY_BP));
	fake_push(SP + 308, SP + 400);
	fake_push(SP + 40, at(BP_16));
	fake_push(SP + 400, 0);
	fake_push(SP + 408, at(END));
	assert_int_equal(take(at(SAVED_BY_SP), 0)->end,
			 MT_END_unreadable); /* sp + 308: not aligned */
	fake_push(SP + 16, SP + 304);
	fake_push(SP + 312, SP + 400);
	assert_int_equal(take(at(SAVED_BY_SP), 0)->end, MT_END_start);
	assert_int_equal(sent()->frames, 4);
}

static void stubs_of_the_linker_are_left_by_their_position(void **state)
{
	(void)state;
	begin();
	fake_push(SP, at(END)); /* before the push */
	assert_int_equal(take((at(PLT) & ~15ull) + 4, 0)->frames, 2);
	begin();
	fake_push(SP + 8, at(END));
	assert_int_equal(take((at(PLT) & ~15ull) + 11, 0)->frames, 2);
}

/* The interrupted program counter is exact, on whatever stack it ran. */
static void signal_frames_are_left_by_the_saved_registers(void **state)
{
	(void)state;
	begin();
	fake_push(SP + SIGNAL_BP, SP + 0x2000);
	fake_push(SP + SIGNAL_SP, SP - 0x800);
	fake_push(SP + SIGNAL_PC, CODE + 0x2000); /* BP_16 begins here, SP_40 ends */
	fake_push(SP + 0x2000, 0);
	fake_push(SP + 0x2008, at(END));
	assert_int_equal(take(at(SIGNAL), 0)->frames, 3);
	assert_int_equal(sent()->pc[1], CODE + 0x2000);
	assert_int_equal(sent()->end, MT_END_start);
}

static void what_cannot_be_followed_ends_the_stack_and_is_counted(void **state)
{
	(void)state;
	begin();
	fake_push(SP, at(UNSUPPORTED));
	assert_int_equal(take(at(SP_8), 0)->end, MT_END_unsupported);
	assert_int_equal(sent()->frames, 2);
	assert_int_equal(counted(MT_CNT_stack_unsupported), 1);
	fake_push(SP, 0x123456); /* nothing is mapped there */
	assert_int_equal(take(at(SP_8), 0)->end, MT_END_not_code);
	assert_int_equal(sent()->frames, 1);
	fake_push(SP, STACK + 8); /* mapped, not executable */
	assert_int_equal(take(at(SP_8) + 1, 0)->end, MT_END_not_code);
	assert_int_equal(counted(MT_CNT_stack_not_code), 2);
	fake_push(SP, at(BP_16));
	assert_int_equal(take(at(SP_8) + 2, 0x10)->end, MT_END_unreadable);
	assert_int_equal(counted(MT_CNT_stack_unreadable), 1);
	assert_int_equal(take(at(BACKWARDS), 0)->end, MT_END_unreadable);
	fake_push(SP + 24, at(SP_8));
	fake_push(SP + 32, at(BACKWARDS)); /* what it wants has been read already */
	assert_int_equal(take(at(SP_40), 0)->end, MT_END_unreadable);
	fake_push(SP, 0);
	assert_int_equal(take(at(SP_8) + 3, 0)->end, MT_END_start);
}

static void deep_stacks_stop_at_the_limit(void **state)
{
	struct mt_config *c = (struct mt_config *)&cfg;

	(void)state;
	begin();
	for (int i = 0; i < 300; i++)
		fake_push(SP + 8 * i, at(SP_8));
	assert_int_equal(take(at(SP_8), 0)->frames, MT_MAX_FRAMES);
	assert_int_equal(sent()->end, MT_END_depth);
	assert_int_equal(counted(MT_CNT_stack_depth), 1);
	assert_true(fake.reads <= 3); /* by windows, not by words */
	c->max_frames = 5;
	assert_int_equal(take(at(SP_8) + 1, 0)->frames, 5);
}

/* A page is the smallest piece of memory that can be missing. */
static void the_last_words_of_a_stack_are_read_without_what_follows(void **state)
{
	uint64_t last = STACK + sizeof(fake.stack) - 8;

	(void)state;
	begin();
	fake_push(last - 8, at(SP_8));
	fake_push(last, at(END));
	mt_site_of(at(SP_8), last - 8, 0, 1, MT_SITE_MMAP);
	assert_int_equal(sent()->frames, 3);
	assert_int_equal(sent()->end, MT_END_start);
	mt_site_of(at(SP_8) + 1, last + 8, 0, 1, MT_SITE_MMAP);
	assert_int_equal(sent()->end, MT_END_unreadable);
}

/* A frame record: saved frame pointer and return address. */
static void record(uint64_t where, uint64_t next, uint64_t ret)
{
	fake_push(where, next);
	fake_push(where + 8, ret);
}

static void generated_code_is_left_by_frame_pointers(void **state)
{
	(void)state;
	begin();
	record(SP + 0x20, SP + 0x60, JIT + 0x200);
	record(SP + 0x60, SP + 0x90,
	       at(BP_16)); /* back in code with a table, by its frame pointer */
	record(SP + 0x90, 0, at(END));
	assert_int_equal(take(JIT + 0x100, SP + 0x20)->frames, 4);
	assert_int_equal(sent()->end, MT_END_start);
}

/* rbp looks right, but is the frame of a caller further up: Java's compiled code. */
static void generated_code_known_to_keep_no_frame_pointer_ends_the_stack(void **state)
{
	struct mt_plumbing pl = { .asid = 1, .bare = { { 0 }, { JIT + 0x200, JIT + 0x300 } } };
	uint32_t pid = PID;

	(void)state;
	begin();
	bpf_map_update_elem(&plumbing, &pid, &pl, BPF_ANY);
	record(SP + 0x20, SP + 0x60, JIT + 0x280);
	record(SP + 0x60, 0, at(END));
	assert_int_equal(take(JIT + 0x100, SP + 0x20)->frames, 2);
	assert_int_equal(sent()->end, MT_END_jit);
	pl.asid = 2; /* of a program that this process ran before */
	begin();
	bpf_map_update_elem(&plumbing, &pid, &pl, BPF_ANY);
	record(SP + 0x20, SP + 0x60, JIT + 0x280);
	record(SP + 0x60, 0, at(END));
	assert_int_equal(take(JIT + 0x100, SP + 0x20)->frames, 3);
	assert_int_equal(sent()->end, MT_END_start);
}

static void records_at_the_end_of_what_was_read_are_read_whole(void **state)
{
	(void)state;
	begin();
	fake_push(SP, JIT + 0x100);
	record(SP + sizeof(((struct mt_scratch *)0)->window) - 8, 0, at(END));
	assert_int_equal(take(at(SP_8), SP + sizeof(((struct mt_scratch *)0)->window) - 8)->end,
			 MT_END_start);
	assert_int_equal(sent()->pc[2], at(END));
	assert_int_equal(sent()->frames, 3);
}

/* rbp is a data register there: nothing is made of what it happens to hold. */
static void generated_code_without_frame_pointers_ends_the_stack(void **state)
{
	static const uint64_t bp[] = {
		0, 3, 0x1000, SP - 8, SP + (9 << 20), STACK + 0x3000, SP + 0x20, SP + 0x40
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bp) / sizeof(bp[0]); i++) {
		begin();
		record(STACK + 0x3000, 8, 0x99999999);
		record(SP + 0x20, SP + 0x60, 0x99999999);
		record(SP + 0x40, SP + 0x60, 0);
		fake_push(SP, JIT + 0x100);
		assert_int_equal(take(at(SP_8), bp[i])->end, MT_END_jit);
		assert_int_equal(sent()->frames, 2);
		assert_int_equal(sent()->pc[1], JIT + 0x100);
		assert_int_equal(counted(MT_CNT_stack_jit), 1);
	}
	begin(); /* a record of zeroes is no beginning of a thread */
	record(SP + 0x20, 0, 0);
	assert_int_equal(take(JIT + 0x100, SP + 0x20)->end, MT_END_jit);
}

/* Go: from the system stack to the goroutine's, and down to its root. */
static void files_without_a_table_may_switch_stacks_twice(void **state)
{
	(void)state;
	begin();
	record(STACK + 0x100, STACK + 0x200, LIBC + 0xa000); /* below sp */
	record(STACK + 0x200, 0, LIBC + 0xb000);
	assert_int_equal(take(LIBC + 0x9000, STACK + 0x100)->end, MT_END_start);
	assert_int_equal(sent()->frames, 3);
	begin();
	record(STACK + 0x300, STACK + 0x200, LIBC + 0xa000);
	record(STACK + 0x200, STACK + 0x100, LIBC + 0xb000);
	record(STACK + 0x100, STACK + 0x80, LIBC + 0xc000);
	assert_int_equal(take(LIBC + 0x9000, STACK + 0x300)->end, MT_END_no_frame_pointer);
	assert_int_equal(sent()->frames, 3);
	assert_int_equal(counted(MT_CNT_stack_no_frame_pointer), 1);
}

static void a_zero_register_alone_is_not_the_start_of_the_thread(void **state)
{
	(void)state;
	begin();
	assert_int_equal(take(LIBC + 0x9000, 0)->end, MT_END_no_frame_pointer);
	begin();
	fake_push(SP, LIBC + 0x9000);
	assert_int_equal(take(at(SP_8), 0)->end, MT_END_no_frame_pointer);
}

/* strdup() of musl calls malloc(): its caller is found by its return address behind a call. */
static void the_caller_of_a_runtime_library_is_scanned_for(void **state)
{
	(void)state;
	begin();
	fake_push(SP + 16, CODE + 0x508); /* code, but nothing calls there */
	fake_poke(CODE + 0x500, 0);
	fake_push(SP + 40, at(END) & ~7ull);
	fake_poke((at(END) & ~7ull) - 8, 0xe8ull << 24); /* e8 at -5 */
	assert_int_equal(take(LIBC + 5, 0)->frames, 2);
	assert_int_equal(sent()->pc[1], at(END) & ~7ull);
	assert_int_equal(sent()->end, MT_END_start);
	/* of another address space: its ranges mean nothing here */
	begin();
	fake_push(SP + 40, at(END) & ~7ull);
	fake_poke((at(END) & ~7ull) - 8, 0xe8ull << 24);
	mt_site_of(LIBC + 5, SP, 0, 2, MT_SITE_MMAP);
	assert_int_equal(sent()->frames, 1);
}

static void an_unknown_file_is_announced_once_and_the_stack_says_so(void **state)
{
	struct mt_unwind_file f = { .size = 1 << 20 };
	struct mt_file_key key = { .inode = 9, .dev = DEV };
	struct mt_ev_code code;
	uint32_t first;

	(void)state;
	begin();
	fake_push(SP, OTHER + 0x100);
	fake.now_ns = 5;
	first = mt_site_of(at(SP_8), SP, 0, 1, MT_SITE_MMAP);
	assert_int_equal(fake.sent, 2);
	assert_int_equal(sent()->end, MT_END_table_pending);
	assert_int_equal(sent()->frames, 2);
	assert_int_equal(sent()->pc[1], OTHER + 0x100);
	assert_int_equal(counted(MT_CNT_stack_table_pending), 1);
	mt_site_of(at(SP_8) + 1, SP, 0, 1, MT_SITE_MMAP);
	assert_int_equal(fake.sent, 3); /* only the site */
	assert_int_equal(counted(MT_CNT_code_announced), 1);
	/* the announcement itself */
	bpf_map_delete_elem(&pending, &key);
	fake.ring_full = true;
	mt_site_of(at(SP_8), SP, 0, 1, MT_SITE_MMAP);
	assert_int_equal(counted(MT_CNT_code_error), 1);
	fake.ring_full = false;
	mt_site_of(at(SP_8), SP, 0, 1, MT_SITE_MMAP); /* the site is known: nothing else is sent */
	memcpy(&code, fake.last, sizeof(code));
	assert_int_equal(code.hdr.kind, MT_KIND_code);
	assert_int_equal(code.hdr.tgid, PID);
	assert_int_equal(code.start, OTHER);
	assert_int_equal(code.end, OTHER + 0x10000);
	assert_int_equal(code.file.inode, 9);
	assert_int_equal(code.file.dev, DEV);
	assert_int_equal(code.file_size, 1 << 20);
	/* nothing was remembered: with the table in place the stack is another site */
	bpf_map_update_elem(&files, &key, &f, BPF_ANY);
	assert_int_not_equal(mt_site_of(at(SP_8), SP, 0, 1, MT_SITE_MMAP), first);
	assert_int_equal(sent()->end, MT_END_no_frame_pointer);
}

static void another_file_under_the_same_number_is_not_known(void **state)
{
	(void)state;
	begin();
	fake.vma[0].inode.i_size++;
	assert_int_equal(take(at(SP_8), 0)->end, MT_END_table_pending);
}

static void a_locked_memory_map_is_not_remembered(void **state)
{
	(void)state;
	begin();
	fake_push(SP, at(END));
	fake.find_vma_answer = -EBUSY;
	assert_int_equal(take(at(SP_8), 0)->end, MT_END_map_locked);
	assert_int_equal(counted(MT_CNT_stack_map_locked), 1);
	fake.find_vma_answer = 0;
	assert_int_equal(take(at(SP_8), 0)->end, MT_END_start);
	/* known addresses need no lock */
	fake.find_vma_answer = -EBUSY;
	assert_int_equal(take(at(SP_8), 0)->end, MT_END_start);
	assert_int_equal(counted(MT_CNT_stack_map_locked), 1);
}

/* What user space read of the memory map, as long as that is what it is. */
static void mappings_that_user_space_read_need_no_lock(void **state)
{
	struct mt_layout l = { .text = 2, .count = 3 };
	uint32_t pid = PID;

	(void)state;
	begin();
	l.map[0] = (struct mt_mapping){ .start = 0x1000, .end = 0x2000 };
	l.map[1] = (struct mt_mapping){ CODE, CODE + 0x100000, 0, { 7, DEV }, 1 << 20, 0 };
	l.map[2] = (struct mt_mapping){ .start = JIT, .end = JIT + 0x10000 };
	bpf_map_update_elem(&layouts, &pid, &l, BPF_ANY);
	fake.find_vma_answer = -EBUSY;
	record(SP + 0x20, 0, at(END));
	fake_push(SP, JIT + 0x100);
	assert_int_equal(take(at(SP_8), SP + 0x20)->end, MT_END_start);
	assert_int_equal(sent()->frames, 3);
	assert_int_equal(take(LIBC + 0x9000, 0)->end,
			 MT_END_map_locked); /* it is not in the list */
	assert_int_equal(mt_holds_code(CODE - 0x1000, CODE), 0);
	assert_int_equal(mt_holds_code(CODE - 0x1000, CODE + 1), 1);
	assert_int_equal(mt_holds_code(CODE + 0x100000, JIT), 0);
	assert_int_equal(mt_holds_code(0x3000, JIT + 0x100000), 1);
	assert_int_equal(mt_holds_code(JIT + 0x10000, ~0ull), 0);
	/* out of date where code has changed */
	mt_text_changed(JIT, JIT + 1);
	assert_int_equal(mt_holds_code(CODE, CODE + 1), -1);
	assert_int_equal(take(at(SP_8) + 2, SP + 0x20)->pc[0], at(SP_8) + 2);
	assert_int_equal(sent()->end, MT_END_map_locked);
	l.text = next_text;
	bpf_map_update_elem(&layouts, &pid, &l, BPF_ANY);
	mt_text_changed(CODE + (2 << MT_TEXT_SHIFT), CODE + (2 << MT_TEXT_SHIFT) + 1);
	assert_int_equal(take(at(SP_8) + 3, SP + 0x20)->end, MT_END_start); /* elsewhere */
	mt_text_all_changed(PID);
	assert_int_equal(take(at(SP_8) + 4, SP + 0x20)->pc[0], at(SP_8) + 4);
	assert_int_equal(sent()->end, MT_END_map_locked);
	assert_int_equal(mt_holds_code(CODE, CODE + 1), -1);
}

/* dlclose() and dlopen(): other code at the same address. */
static void what_was_remembered_dies_with_the_text(void **state)
{
	(void)state;
	begin();
	fake_push(SP, at(END));
	assert_int_equal(take(at(SP_8), 0)->frames, 2);
	fake.vma[0].vma.vm_end = fake.vma[0].vma.vm_start; /* unmapped */
	fake.sent = 0;
	take(at(SP_8), 0);
	assert_int_equal(fake.sent, 0); /* remembered: the same site */
	next_text = 1 + RACACHE_SLOTS;	/* it remembers in the same place */
	mt_text_changed(CODE, CODE + 1);
	assert_int_equal(take(at(SP_8), 0)->frames, 1);
	assert_int_equal(sent()->end, MT_END_not_code);
}

static void return_addresses_hidden_by_probes_are_restored(void **state)
{
	struct return_instance outer = { SP + 8, at(END), NULL }, inner = { SP, at(SP_8), &outer };

	(void)state;
	begin();
	fake.utask.return_instances = &inner;
	fake_push(SP, fake.xol.vaddr);
	fake_push(SP + 8, fake.xol.vaddr);
	assert_int_equal(take(at(SP_8), 0)->frames, 3);
	assert_int_equal(sent()->pc[1], at(SP_8));
	assert_int_equal(sent()->pc[2], at(END));
	assert_int_equal(sent()->end, MT_END_start);
	assert_int_equal(counted(MT_CNT_returns_restored), 2);
	fake.utask.return_instances = NULL;
	assert_int_equal(take(at(SP_8) + 1, 0)->end, MT_END_not_code);
}

static void the_kernels_own_code_has_a_table_too(void **state)
{
	struct mt_file_key key = { .inode = MT_VDSO_INODE, .dev = MT_VDSO_DEV };
	struct mt_unwind_file f = { .count = 1 };

	(void)state;
	begin();
	f.piece[0] = (struct mt_unwind_piece){ 0, PAGES * 0x1000, 0, .shard = 1, .word = 100 };
	bpf_map_update_elem(&files, &key, &f, BPF_ANY);
	fake_map(VDSO, VDSO + 0x2000, 5, 0, 0);
	fake.mm.context.vdso = (void *)VDSO;
	fake_push(SP, at(END));
	assert_int_equal(take(VDSO + 0x10, 0)->frames, 2);
	assert_int_equal(sent()->end, MT_END_start);
}

/* Rows in random pages, against a search from the first row on. */
static void the_search_finds_what_a_plain_search_finds(void **state)
{
	uint32_t *w = fake.shard[0], slot = 0, n, rows[4097];
	struct mt_scratch *s;

	(void)state;
	begin();
	s = bpf_map_lookup_elem(&scratch, &slot);
	srand(1);
	for (int round = 0; round < 300; round++) {
		uint32_t step = 1 + rand() % (round % 3 ? 700 : 3);

		n = 0;
		for (uint32_t off = 0; off < 4096; off += 1 + rand() % step)
			rows[n++] = off << 16 | rand() % MT_UNWIND_RULES;
		s->piece_shard = 0;
		s->piece_word = rand() % 1000;
		s->piece_base = 0x10000;
		w[s->piece_word + 3] = 50;
		w[s->piece_word + 4] = 50 + n;
		memcpy(&w[s->piece_word + 50], rows, n * sizeof(*rows));
		for (uint32_t off = 0; off < 4096; off += 1 + rand() % 7) {
			uint32_t k = 0;

			while (k + 1 < n && rows[k + 1] >> 16 <= off)
				k++;
			assert_int_equal(mt_table_rule(0, 0x13000 + off), rows[k] & 0xffff);
		}
	}
}

/* A file in many pieces, mapped in part and at an offset. */
static void the_right_piece_of_a_file_is_found(void **state)
{
	struct mt_unwind_file f = { .count = MT_UNWIND_PIECES, .size = 1 << 20 };
	struct mt_file_key key = { .inode = 9, .dev = DEV };
	uint32_t slot = 0;
	struct mt_scratch *s;

	(void)state;
	begin();
	s = bpf_map_lookup_elem(&scratch, &slot);
	for (uint32_t count = 0; count <= MT_UNWIND_PIECES; count += 7) {
		f.count = count;
		for (uint32_t i = 0; i < count; i++)
			f.piece[i] =
				(struct mt_unwind_piece){ 0x1000 + i * 0x3000, 0x3000 + i * 0x3000,
							  i * 0x3000, 1, i };
		bpf_map_update_elem(&files, &key, &f, BPF_ANY);
		s->file = key;
		s->file_size = f.size;
		s->vma_start = OTHER;
		s->vma_offset = 0x2000;
		s->vma_end = OTHER + 0x100000;
		for (uint64_t off = 0x2000; off < 0x40000; off += 0x800) {
			uint64_t i = (off - 0x1000) / 0x3000;
			int there = i < count && off < 0x3000 + i * 0x3000;

			assert_int_equal(mt_piece_find(0, OTHER + off - 0x2000), there);
			if (!there)
				continue;
			assert_int_equal(s->piece_word, i);
			assert_int_equal(s->piece_base, OTHER - 0x2000 + i * 0x3000);
			assert_true(s->piece_start >= OTHER);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_lead_to_the_start_of_the_thread),
		cmocka_unit_test(return_addresses_are_looked_up_before_themselves),
		cmocka_unit_test(realigned_frames_are_left),
		cmocka_unit_test(saved_frame_pointers_are_found_wherever_they_are),
		cmocka_unit_test(stubs_of_the_linker_are_left_by_their_position),
		cmocka_unit_test(signal_frames_are_left_by_the_saved_registers),
		cmocka_unit_test(what_cannot_be_followed_ends_the_stack_and_is_counted),
		cmocka_unit_test(deep_stacks_stop_at_the_limit),
		cmocka_unit_test(the_last_words_of_a_stack_are_read_without_what_follows),
		cmocka_unit_test(generated_code_is_left_by_frame_pointers),
		cmocka_unit_test(generated_code_known_to_keep_no_frame_pointer_ends_the_stack),
		cmocka_unit_test(records_at_the_end_of_what_was_read_are_read_whole),
		cmocka_unit_test(generated_code_without_frame_pointers_ends_the_stack),
		cmocka_unit_test(files_without_a_table_may_switch_stacks_twice),
		cmocka_unit_test(a_zero_register_alone_is_not_the_start_of_the_thread),
		cmocka_unit_test(the_caller_of_a_runtime_library_is_scanned_for),
		cmocka_unit_test(an_unknown_file_is_announced_once_and_the_stack_says_so),
		cmocka_unit_test(another_file_under_the_same_number_is_not_known),
		cmocka_unit_test(a_locked_memory_map_is_not_remembered),
		cmocka_unit_test(mappings_that_user_space_read_need_no_lock),
		cmocka_unit_test(what_was_remembered_dies_with_the_text),
		cmocka_unit_test(return_addresses_hidden_by_probes_are_restored),
		cmocka_unit_test(the_kernels_own_code_has_a_table_too),
		cmocka_unit_test(the_search_finds_what_a_plain_search_finds),
		cmocka_unit_test(the_right_piece_of_a_file_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
