/* The unwinder in user space: on made stacks, and on its own. */
#include "unwind/walk.h"

#include <errno.h>
#include <execinfo.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

#include <cmocka.h>

#include "elf_maker.h"
#include "sys/elf.h"
#include "sys/maps.h"

#define CODE 0x401000u	  /* of a file with a table, OFFSET in it */
#define BARE 0x10000000u  /* of a file without a table */
#define JIT 0x20000000u	  /* code without a file */
#define STACK 0x7ff00000u /* 64 words */
#define WORDS 64
#define FRAMES 16

/* A made process: one function of 0x100 bytes for every rule, and a stack. */
struct world {
	struct elf_file *file;
	struct unwind_dict *dict;
	struct unwind_table table;
	uint64_t stack[WORDS];
	uint64_t probe; /* a return probe's trampoline; what it hides is at CODE + 0x10 */
	struct walk_ops ops;
	uint64_t pcs[FRAMES];
	enum walk_end end;
};

static int read_stack(void *ctx, uint64_t address, void *ret, size_t size)
{
	struct world *w = ctx;

	if (address < STACK || address + size > STACK + sizeof(w->stack))
		return -EFAULT;
	memcpy(ret, (char *)w->stack + (address - STACK), size);
	return 0;
}

static void find_code(void *ctx, uint64_t address, struct walk_place *ret)
{
	struct world *w = ctx;

	if (address - CODE < 0x1000)
		*ret = (struct walk_place){ WALK_CODE_TABLE, &w->table, address - CODE + 0x1000 };
	else
		ret->code = address - BARE < 0x1000  ? WALK_CODE_NO_TABLE
			    : address - JIT < 0x1000 ? WALK_CODE_JIT
						     : WALK_CODE_NONE;
}

static uint64_t real_return(void *ctx, uint64_t address, uint64_t sp)
{
	const struct world *w = ctx;

	(void)sp;
	return w->probe && address == w->probe ? CODE + 0x10 : 0;
}

static struct world *make_world(const struct mt_unwind_rule *rules, size_t count)
{
	const struct made_elf m = {};
	struct world *w = calloc(1, sizeof(*w));
	struct cfi_row row[16];
	struct cfi_rows rows = { .row = row, .count = count };
	int fd = made_elf_fd(&m);

	for (size_t i = 0; i < count; i++)
		row[i] = (struct cfi_row){ CODE + i * 0x100, rules[i] };
	w->ops = (struct walk_ops){ read_stack, find_code, real_return, w };
	assert_int_equal(elf_open_fd(fd, &w->file, NULL), 0);
	assert_int_equal(unwind_dict_new(&w->dict), 0);
	assert_int_equal(unwind_table_pack(w->file, &rows, w->dict, &w->table), 0);
	close(fd);
	return w;
}

static void world_free(struct world *w)
{
	unwind_table_done(&w->table);
	unwind_dict_free(w->dict);
	elf_close(w->file);
	free(w);
}

static size_t walk(struct world *w, uint64_t pc, uint64_t sp, uint64_t bp, bool at_entry)
{
	const struct walk_regs regs = { pc, sp, bp };

	return walk_stack(&w->ops, w->dict, &regs, at_entry, w->pcs, FRAMES, &w->end);
}

/* The function with rule i, some bytes in. */
static uint64_t in(size_t i)
{
	return CODE + i * 0x100 + 0x10;
}

#define RULE(...)           \
	{                   \
		__VA_ARGS__ \
	}
#define END_RULE RULE(.cfa = MT_CFA_END)

static void frames_by_either_register(void **state)
{
	const struct mt_unwind_rule rules[] = {
		RULE(.cfa = MT_CFA_SP, .off = 16, .bp = MT_BP_CFA, .bp_off = -16),
		RULE(.cfa = MT_CFA_BP, .off = 16, .bp = MT_BP_BP, .bp_off = 0),
		RULE(.cfa = MT_CFA_SP, .off = 24, .bp = MT_BP_SP, .bp_off = 8),
		RULE(.cfa = MT_CFA_BP, .off = 32),
		END_RULE,
	};
	struct world *w = make_world(rules, 5);

	(void)state;
	w->stack[0] = STACK + 8 * 8; /* frame pointer of the second */
	w->stack[1] = in(1);
	w->stack[8] = 77; /* the second's caller has this, and saves it */
	w->stack[9] = in(2);
	w->stack[11] = STACK + 8 * 20; /* saved at sp + 8 of the third */
	w->stack[12] = in(3);
	w->stack[23] = in(4);
	assert_int_equal(walk(w, in(0), STACK, 1, false), 5);
	assert_int_equal(w->end, WALK_END_COMPLETE);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(w->pcs[i], in(i));
	world_free(w);
}

static void frames_that_were_realigned(void **state)
{
	const struct mt_unwind_rule rules[] = {
		RULE(.cfa = MT_CFA_BP_DEREF, .off = -8 * 256, .bp = MT_BP_BP, .bp_off = 0),
		RULE(.cfa = MT_CFA_SP_DEREF, .off = 16 * 256 + 8),
		END_RULE,
	};
	struct world *w = make_world(rules, 3);

	(void)state;
	w->stack[9] = STACK + 8 * 20; /* at bp - 8: the first's frame address */
	w->stack[10] = 0;
	w->stack[19] = in(1);
	w->stack[22] = STACK + 8 * 30; /* at sp + 16: 8 below the second's */
	w->stack[30] = in(2);
	assert_int_equal(walk(w, in(0), STACK, STACK + 8 * 10, false), 3);
	assert_int_equal(w->end, WALK_END_COMPLETE);
	assert_int_equal(w->pcs[2], in(2));
	world_free(w);
}

static void a_plt_pushes_half_way(void **state)
{
	const struct mt_unwind_rule rules[] = { RULE(.cfa = MT_CFA_PLT, .off = 11), END_RULE };
	struct world *w = make_world(rules, 2);

	(void)state;
	w->stack[0] = in(1);
	w->stack[1] = in(1) + 1;
	assert_int_equal(walk(w, CODE + 0x2a, STACK, 0, false), 2);
	assert_int_equal(w->pcs[1], in(1));
	assert_int_equal(walk(w, CODE + 0x2b, STACK, 0, false), 2);
	assert_int_equal(w->pcs[1], in(1) + 1);
	world_free(w);
}

static void at_entry_the_caller_is_on_top_whatever_tables_say(void **state)
{
	const struct mt_unwind_rule rules[] = { RULE(.cfa = MT_CFA_UNSUPPORTED), END_RULE };
	struct world *w = make_world(rules, 2);

	(void)state;
	w->stack[0] = in(1);
	assert_int_equal(walk(w, CODE, STACK, 0, true), 2);
	assert_int_equal(w->pcs[1], in(1));
	assert_int_equal(w->end, WALK_END_COMPLETE);
	assert_int_equal(walk(w, CODE, STACK, 0, false), 1);
	assert_int_equal(w->end, WALK_END_UNSUPPORTED);
	/* Nor need it be code of any file. */
	assert_int_equal(walk(w, 0x900000, STACK, 0, true), 2);
	world_free(w);
}

/* A return address is looked up one byte before; what a signal interrupted is not. */
static void the_call_is_before_the_return_address(void **state)
{
	const struct mt_unwind_rule rules[] = {
		RULE(.cfa = MT_CFA_SP, .off = 8),
		RULE(.cfa = MT_CFA_SIGNAL),
		END_RULE,
	};
	struct world *w = make_world(rules, 3);

	(void)state;
	w->stack[0] = CODE + 0x200;	      /* the last byte of the second function + 1 */
	w->stack[1 + 168 / 8] = CODE + 0x200; /* the first byte of the third */
	w->stack[1 + 160 / 8] = STACK + 8 * 40;
	w->stack[1 + 120 / 8] = 5;
	assert_int_equal(walk(w, in(0), STACK, 0, false), 3);
	assert_int_equal(w->pcs[2], CODE + 0x200);
	assert_int_equal(w->end, WALK_END_COMPLETE);
	world_free(w);
}

static void a_signal_may_come_from_another_stack(void **state)
{
	const struct mt_unwind_rule rules[] = { RULE(.cfa = MT_CFA_SIGNAL),
						RULE(.cfa = MT_CFA_SP, .off = 8), END_RULE };
	struct world *w = make_world(rules, 3);

	(void)state;
	w->stack[30 + 168 / 8] = in(1);
	w->stack[30 + 160 / 8] = STACK; /* below */
	w->stack[0] = in(2);
	assert_int_equal(walk(w, in(0), STACK + 8 * 30, 0, false), 3);
	assert_int_equal(w->end, WALK_END_COMPLETE);
	world_free(w);
}

static void code_without_tables_has_frame_pointers(void **state)
{
	const struct mt_unwind_rule rules[] = { RULE(.cfa = MT_CFA_SP, .off = 8), END_RULE };
	struct world *w = make_world(rules, 2);

	(void)state;
	w->stack[0] = BARE + 0x20;
	w->stack[10] = STACK + 8 * 20;
	w->stack[11] = BARE + 0x30;
	w->stack[20] = 3;
	w->stack[21] = in(1);
	assert_int_equal(walk(w, in(0), STACK, STACK + 8 * 10, false), 4);
	assert_int_equal(w->end, WALK_END_COMPLETE);
	/* No return address, or no more frame pointer: the thread began there. */
	w->stack[21] = 0;
	assert_int_equal(walk(w, in(0), STACK, STACK + 8 * 10, false), 3);
	assert_int_equal(w->end, WALK_END_COMPLETE);
	w->stack[20] = 0;
	w->stack[21] = BARE + 0x40;
	assert_int_equal(walk(w, in(0), STACK, STACK + 8 * 10, false), 4);
	assert_int_equal(w->end, WALK_END_COMPLETE);
	assert_int_equal(w->pcs[3], BARE + 0x40);
	world_free(w);
}

static void a_register_that_is_no_frame_pointer_gives_no_frame(void **state)
{
	const struct mt_unwind_rule rules[] = { END_RULE };
	struct world *w = make_world(rules, 1);

	(void)state;
	w->stack[10] = STACK + 8 * 20;
	w->stack[11] = 0x12345678; /* not code */
	assert_int_equal(walk(w, BARE, STACK, STACK + 8 * 10, false), 1);
	assert_int_equal(w->end, WALK_END_NO_FRAME_POINTER);
	assert_int_equal(walk(w, BARE, STACK, STACK + 8 * 10 + 1, false), 1);
	assert_int_equal(w->end, WALK_END_NO_FRAME_POINTER);
	assert_int_equal(walk(w, BARE, STACK, 0x1000, false), 1);
	assert_int_equal(w->end, WALK_END_UNREADABLE);
	world_free(w);
}

static void frame_pointers_change_stacks_twice_at_most(void **state)
{
	const struct mt_unwind_rule rules[] = { END_RULE };
	struct world *w = make_world(rules, 1);

	(void)state;
	/* Up, and then around in a ring. */
	w->stack[10] = STACK + 8 * 20;
	w->stack[11] = BARE + 1;
	w->stack[20] = STACK + 8 * 10;
	w->stack[21] = BARE + 2;
	assert_int_equal(walk(w, BARE, STACK, STACK + 8 * 10, false), 7);
	assert_int_equal(w->end, WALK_END_NO_FRAME_POINTER);
	world_free(w);
}

/* Compilers of generated code use the register for data more often than not. */
static void generated_code_needs_frame_pointers_on_its_own_stack(void **state)
{
	const struct mt_unwind_rule rules[] = { END_RULE };
	struct world *w = make_world(rules, 1);

	(void)state;
	w->stack[10] = STACK + 8 * 20;
	w->stack[11] = JIT + 1;
	w->stack[20] = 0;
	w->stack[21] = in(0);
	assert_int_equal(walk(w, JIT, STACK, STACK + 8 * 10, false), 3);
	assert_int_equal(w->end, WALK_END_COMPLETE);
	assert_int_equal(walk(w, JIT, STACK + 8 * 11, STACK + 8 * 10, false), 1);
	assert_int_equal(w->end, WALK_END_JIT);
	assert_int_equal(walk(w, JIT, STACK, 0, false), 1);
	assert_int_equal(w->end, WALK_END_JIT);
	w->stack[11] = 0x12345678; /* not code */
	assert_int_equal(walk(w, JIT, STACK, STACK + 8 * 10, false), 1);
	assert_int_equal(w->end, WALK_END_JIT);
	w->stack[11] = 0;
	assert_int_equal(walk(w, JIT, STACK, STACK + 8 * 10, false), 1);
	assert_int_equal(w->end, WALK_END_JIT);
	world_free(w);
}

static void a_frame_must_be_above_the_one_before(void **state)
{
	const struct mt_unwind_rule rules[] = { RULE(.cfa = MT_CFA_BP, .off = 16),
						RULE(.cfa = MT_CFA_SP, .off = -8) };
	struct world *w = make_world(rules, 2);

	(void)state;
	w->stack[1] = in(0);
	assert_int_equal(walk(w, in(0), STACK + 8 * 2, STACK, false), 1);
	assert_int_equal(w->end, WALK_END_UNREADABLE);
	assert_int_equal(walk(w, in(1), STACK + 8 * 2, STACK, false), 1);
	assert_int_equal(w->end, WALK_END_UNREADABLE);
	world_free(w);
}

static void other_ends_are_told_apart(void **state)
{
	const struct mt_unwind_rule rules[] = { RULE(.cfa = MT_CFA_SP, .off = 8),
						RULE(.cfa = MT_CFA_BP_DEREF) };
	struct world *w = make_world(rules, 2);

	(void)state;
	w->stack[0] = 0xffffffff81000000u;
	assert_int_equal(walk(w, in(0), STACK, 0, false), 1);
	assert_int_equal(w->end, WALK_END_NOT_CODE);
	w->stack[0] = 17;
	assert_int_equal(walk(w, in(0), STACK, 0, false), 1);
	assert_int_equal(w->end, WALK_END_NOT_CODE);
	w->stack[0] = 0x777000;
	assert_int_equal(walk(w, in(0), STACK, 0, false), 1);
	assert_int_equal(w->end, WALK_END_NOT_CODE);
	assert_int_equal(walk(w, in(0), 0x1000, 0, false), 1);
	assert_int_equal(w->end, WALK_END_UNREADABLE);
	assert_int_equal(walk(w, in(1), STACK, 0x1000, false), 1);
	assert_int_equal(w->end, WALK_END_UNREADABLE);
	for (size_t i = 0; i < WORDS; i++)
		w->stack[i] = in(0);
	assert_int_equal(walk(w, in(0), STACK, 0, false), FRAMES);
	assert_int_equal(w->end, WALK_END_DEPTH);
	world_free(w);
}

static void a_return_probe_is_seen_through(void **state)
{
	const struct mt_unwind_rule rules[] = { RULE(.cfa = MT_CFA_SP, .off = 8), END_RULE };
	struct world *w = make_world(rules, 2);

	(void)state;
	w->probe = 0x7000000;
	w->stack[0] = w->probe;
	w->stack[1] = in(1);
	assert_int_equal(walk(w, in(0), STACK, 0, true), 3);
	assert_int_equal(w->pcs[1], CODE + 0x10);
	assert_int_equal(w->end, WALK_END_COMPLETE);
	/* Also below code without a table. */
	w->stack[10] = 0;
	w->stack[11] = w->probe;
	w->stack[12] = in(1);
	assert_int_equal(walk(w, JIT, STACK, STACK + 8 * 10, false), 3);
	assert_int_equal(w->pcs[2], in(1));
	world_free(w);
}

/* This very process: a table for every file that it maps. */
struct own {
	struct unwind_dict *dict;
	struct {
		struct vma vma;
		struct unwind_table table;
	} code[64];
	size_t count;
	uint64_t ours[64];
	void *glibc[64];
	size_t our_depth;
	int glibc_depth;
	enum walk_end end;
};

static int read_own(void *ctx, uint64_t address, void *ret, size_t size)
{
	struct iovec to = { ret, size }, from = { (void *)(uintptr_t)address, size };

	(void)ctx;
	return process_vm_readv(getpid(), &to, 1, &from, 1, 0) == (ssize_t)size ? 0 : -EFAULT;
}

static void find_own(void *ctx, uint64_t address, struct walk_place *ret)
{
	struct own *o = ctx;

	for (size_t i = 0; i < o->count; i++) {
		const struct vma *v = &o->code[i].vma;

		if (address >= v->start && address < v->end)
			*ret = (struct walk_place){ WALK_CODE_TABLE, &o->code[i].table,
						    address - v->start + v->file_offset };
	}
}

static void add_own(struct own *o, const struct vma *v)
{
	struct elf_file *f = NULL;
	int fd;

	if (!v->executable || v->path[0] != '/' || o->count == 64)
		return;
	fd = open(v->path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	o->code[o->count].vma = *v;
	assert_int_equal(elf_open_fd(fd, &f, NULL), 0);
	assert_int_equal(unwind_table_build(f, o->dict, &o->code[o->count].table, NULL), 0);
	o->count++;
	elf_close(f);
	close(fd);
}

/* Called by the C library's qsort(), whose code has no frame pointers. */
static int compare(const void *a, const void *b, void *ctx)
{
	struct own *o = ctx;
	const struct walk_ops ops = { read_own, find_own, NULL, o };
	struct walk_regs regs;
	ucontext_t u;

	if (o->our_depth == 0 && getcontext(&u) == 0) {
		regs.pc = (uint64_t)u.uc_mcontext.gregs[REG_RIP];
		regs.sp = (uint64_t)u.uc_mcontext.gregs[REG_RSP];
		regs.bp = (uint64_t)u.uc_mcontext.gregs[REG_RBP];
		o->our_depth = walk_stack(&ops, o->dict, &regs, false, o->ours, 64, &o->end);
		o->glibc_depth = backtrace(o->glibc, 64);
	}
	return *(const int *)a - *(const int *)b;
}

/* The C library's own backtrace() begins a frame or two earlier and must agree from there on. */
static void its_own_stack_is_what_the_c_library_says(void **state)
{
	struct own *o = calloc(1, sizeof(*o));
	struct vma_table maps;
	int numbers[] = { 3, 1, 2 }, from = 0;

	(void)state;
	assert_int_equal(maps_read("/proc", (uint32_t)getpid(), &maps), 0);
	assert_int_equal(unwind_dict_new(&o->dict), 0);
	for (size_t i = 0; i < maps.count; i++)
		add_own(o, &maps.vma[i]);
	maps_done(&maps);
	qsort_r(numbers, 3, sizeof(numbers[0]), compare, o);
	assert_int_equal(o->end, WALK_END_COMPLETE);
	assert_true(o->our_depth > 5);
	while (from < o->glibc_depth && (uint64_t)(uintptr_t)o->glibc[from] != o->ours[1])
		from++;
	assert_int_equal(o->glibc_depth - from, o->our_depth - 1);
	for (size_t i = 1; i < o->our_depth; i++)
		assert_int_equal((uintptr_t)o->glibc[from + (int)i - 1], o->ours[i]);
	for (size_t i = 0; i < o->count; i++)
		unwind_table_done(&o->code[i].table);
	unwind_dict_free(o->dict);
	free(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_by_either_register),
		cmocka_unit_test(frames_that_were_realigned),
		cmocka_unit_test(a_plt_pushes_half_way),
		cmocka_unit_test(at_entry_the_caller_is_on_top_whatever_tables_say),
		cmocka_unit_test(the_call_is_before_the_return_address),
		cmocka_unit_test(a_signal_may_come_from_another_stack),
		cmocka_unit_test(code_without_tables_has_frame_pointers),
		cmocka_unit_test(a_register_that_is_no_frame_pointer_gives_no_frame),
		cmocka_unit_test(frame_pointers_change_stacks_twice_at_most),
		cmocka_unit_test(generated_code_needs_frame_pointers_on_its_own_stack),
		cmocka_unit_test(a_frame_must_be_above_the_one_before),
		cmocka_unit_test(other_ends_are_told_apart),
		cmocka_unit_test(a_return_probe_is_seen_through),
		cmocka_unit_test(its_own_stack_is_what_the_c_library_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
