/* One frame after the other: where the address lies, its rule, the caller's registers. */
#include "unwind/walk.h"

#include <string.h>

#define LOWEST 4096u	     /* address that can be code or a frame */
#define HIGHEST (1ull << 47) /* the kernel has the addresses from here on */

/* Bytes of the interrupted registers from the stack pointer: struct rt_sigframe of x86-64. */
#define SIGNAL_BP_AT 120
#define SIGNAL_SP_AT 160
#define SIGNAL_PC_AT 168

/* How the current frame was found. */
enum how { HOW_FIRST, HOW_TABLE, HOW_FRAME, HOW_JIT_FRAME, HOW_SIGNAL };

struct walk {
	const struct walk_ops *ops;
	const struct mt_unwind_rule *rules;
	size_t rule_count;
	struct walk_regs r;
	enum how how;
	enum walk_code code; /* that pc lies in */
	bool is_return;	     /* pc is a return address: its call is one byte before */
	unsigned switches;   /* between stacks, by frame pointers */
	enum walk_end end;
};

static bool stop(struct walk *w, enum walk_end why)
{
	w->end = why;
	return false;
}

static bool read_word(struct walk *w, uint64_t address, uint64_t *ret)
{
	if ((address & 7) || w->ops->read(w->ops->ctx, address, ret, sizeof(*ret)) < 0)
		return stop(w, WALK_END_UNREADABLE);
	return true;
}

/* A frame pointer that leads to no code was none; without one, the stack cannot be trusted. */
static bool stop_outside_code(struct walk *w)
{
	switch (w->how) {
	case HOW_FRAME: return stop(w, WALK_END_NO_FRAME_POINTER);
	case HOW_JIT_FRAME: return stop(w, WALK_END_JIT);
	default: return stop(w, WALK_END_NOT_CODE);
	}
}

/* The rule at the current frame; false ends the walk. */
static bool find_rule(struct walk *w, struct mt_unwind_rule *ret)
{
	const uint64_t at = w->r.pc - w->is_return;
	struct walk_place place = { .code = WALK_CODE_NONE };
	uint32_t index = 0;

	if (at >= LOWEST && at < HIGHEST)
		w->ops->find(w->ops->ctx, at, &place);
	if (place.code == WALK_CODE_NONE)
		return stop_outside_code(w);
	if (place.code == WALK_CODE_TABLE)
		index = unwind_table_find(place.table, place.file_offset);
	w->code = place.code;
	*ret = w->rules[index < w->rule_count ? index : 0];
	return true;
}

/* Not above this frame, or far away: another stack, which files without tables may switch to. */
static bool is_frame_pointer(struct walk *w)
{
	const uint64_t bp = w->r.bp;

	if ((bp & 7) || bp < LOWEST || bp >= HIGHEST)
		return false;
	if (bp >= w->r.sp && bp - w->r.sp <= WALK_STACK_BYTES)
		return true;
	if (w->code == WALK_CODE_JIT || w->switches >= WALK_SWITCHES_MAX)
		return false;
	w->switches++;
	return true;
}

/* Zero where a chain of frame pointers led is its end; anywhere else it is just a zero. */
static bool follow_frame(struct walk *w)
{
	const bool jit = w->code == WALK_CODE_JIT;
	const bool in_chain = w->how == HOW_FRAME || w->how == HOW_JIT_FRAME;
	const enum walk_end bad = jit ? WALK_END_JIT : WALK_END_NO_FRAME_POINTER;
	const uint64_t bp = w->r.bp;
	struct walk_regs next = { .sp = bp + 16 };

	if (bp == 0 && in_chain)
		return stop(w, WALK_END_COMPLETE);
	if (!is_frame_pointer(w))
		return stop(w, bad);
	if (!read_word(w, bp, &next.bp) || !read_word(w, bp + 8, &next.pc))
		return false;
	if (next.pc == 0)
		return stop(w, in_chain ? WALK_END_COMPLETE : bad);
	w->r = next;
	w->is_return = true;
	w->how = jit ? HOW_JIT_FRAME : HOW_FRAME;
	return true;
}

static bool leave_signal(struct walk *w)
{
	const uint64_t sp = w->r.sp;

	if (!read_word(w, sp + SIGNAL_BP_AT, &w->r.bp) ||
	    !read_word(w, sp + SIGNAL_PC_AT, &w->r.pc) ||
	    !read_word(w, sp + SIGNAL_SP_AT, &w->r.sp))
		return false;
	w->is_return = false;
	w->how = HOW_SIGNAL;
	return true;
}

static bool find_cfa(struct walk *w, const struct mt_unwind_rule *rule, uint64_t *ret)
{
	const uint64_t off = (uint64_t)(int64_t)rule->off;
	const uint64_t deref = (uint64_t)(int64_t)(rule->off >> 8);

	switch (rule->cfa) {
	case MT_CFA_SP: *ret = w->r.sp + off; return true;
	case MT_CFA_BP: *ret = w->r.bp + off; return true;
	case MT_CFA_PLT: *ret = w->r.sp + ((int)(w->r.pc & 15) >= rule->off ? 16 : 8); return true;
	case MT_CFA_SP_DEREF:
	case MT_CFA_BP_DEREF:
		if (!read_word(w, (rule->cfa == MT_CFA_SP_DEREF ? w->r.sp : w->r.bp) + deref, ret))
			return false;
		*ret += (uint64_t)(rule->off & 255);
		return true;
	default: return stop(w, WALK_END_UNSUPPORTED);
	}
}

static bool find_bp(struct walk *w, const struct mt_unwind_rule *rule, uint64_t cfa, uint64_t *ret)
{
	const uint64_t off = (uint64_t)(int64_t)rule->bp_off;

	switch (rule->bp) {
	case MT_BP_CFA: return read_word(w, cfa + off, ret);
	case MT_BP_BP: return read_word(w, w->r.bp + off, ret);
	case MT_BP_SP: return read_word(w, w->r.sp + off, ret);
	default: *ret = w->r.bp; return true;
	}
}

static bool leave_by_table(struct walk *w, const struct mt_unwind_rule *rule)
{
	struct walk_regs next;

	if (!find_cfa(w, rule, &next.sp))
		return false;
	if (next.sp <= w->r.sp)
		return stop(w, WALK_END_UNREADABLE);
	if (!find_bp(w, rule, next.sp, &next.bp) || !read_word(w, next.sp - 8, &next.pc))
		return false;
	if (next.pc == 0)
		return stop(w, WALK_END_COMPLETE);
	w->r = next;
	w->is_return = true;
	w->how = HOW_TABLE;
	return true;
}

static bool leave(struct walk *w, const struct mt_unwind_rule *rule)
{
	switch (rule->cfa) {
	case MT_CFA_FRAME: return follow_frame(w);
	case MT_CFA_END: return stop(w, WALK_END_COMPLETE);
	case MT_CFA_SIGNAL: return leave_signal(w);
	default: return leave_by_table(w, rule);
	}
}

static void undo_return_probe(struct walk *w)
{
	uint64_t real;

	if (!w->is_return || !w->ops->real_return)
		return;
	real = w->ops->real_return(w->ops->ctx, w->r.pc, w->r.sp);
	if (real)
		w->r.pc = real;
}

size_t walk_stack(const struct walk_ops *ops, const struct unwind_dict *d,
		  const struct walk_regs *regs, bool at_entry, uint64_t *ret_pcs, size_t max,
		  enum walk_end *ret_end)
{
	struct walk w = { .ops = ops, .r = *regs, .end = WALK_END_DEPTH };
	size_t n = 0;

	w.rules = unwind_dict_rules(d, &w.rule_count);
	while (n < max) {
		struct mt_unwind_rule rule = { .cfa = MT_CFA_SP, .off = 8 };
		bool known;

		undo_return_probe(&w);
		known = (n == 0 && at_entry) || find_rule(&w, &rule);
		/* The first address is what the program was doing, code or not. */
		if (known || n == 0)
			ret_pcs[n++] = w.r.pc;
		if (!known || !leave(&w, &rule))
			break;
	}
	*ret_end = w.end;
	return n;
}
