/* One frame after the other: where the address lies, its rule, the caller's registers. */
#include "unwind/walk.h"

#include <string.h>

#define LOWEST_CODE 4096u
#define HIGHEST_BIT 47 /* addresses from here on are the kernel's */

/* Bytes of the interrupted registers from the stack pointer: struct rt_sigframe of x86-64. */
#define SIGNAL_BP_AT 120
#define SIGNAL_SP_AT 160
#define SIGNAL_PC_AT 168

struct walk {
	const struct walk_ops *ops;
	const struct mt_unwind_rule *rules;
	size_t rule_count;
	struct walk_regs r;
	bool is_return;	   /* pc is a return address: its call is one byte before */
	unsigned switches; /* between stacks, by frame pointers */
	enum walk_end end;
};

static bool stop(struct walk *w, enum walk_end why)
{
	w->end = why;
	return false;
}

static bool read_word(struct walk *w, uint64_t address, uint64_t *ret)
{
	if (w->ops->read(w->ops->ctx, address, ret, sizeof(*ret)) < 0)
		return stop(w, WALK_END_MEMORY);
	return true;
}

/* The rule at the current frame; false ends the walk. */
static bool find_rule(struct walk *w, struct mt_unwind_rule *ret)
{
	const uint64_t at = w->r.pc - w->is_return;
	struct walk_place place = { .code = WALK_CODE_NONE };
	uint32_t index = 0;

	w->ops->find(w->ops->ctx, at, &place);
	if (place.code == WALK_CODE_NONE)
		return stop(w, WALK_END_NOT_CODE);
	if (place.code == WALK_CODE_TABLE)
		index = unwind_table_find(place.table, place.file_offset);
	if (index >= w->rule_count)
		return stop(w, WALK_END_UNSUPPORTED);
	*ret = w->rules[index];
	return true;
}

/* Not above this frame, or far away: another stack, which code without tables may switch to. */
static bool follow_frame(struct walk *w)
{
	const uint64_t bp = w->r.bp;
	struct walk_place place = { .code = WALK_CODE_NONE };
	uint64_t word[2];

	if (bp == 0)
		return stop(w, WALK_END_COMPLETE);
	if (bp & 7)
		return stop(w, WALK_END_BAD_FRAME);
	if ((bp < w->r.sp || bp - w->r.sp >= WALK_STACK_BYTES) &&
	    w->switches++ >= WALK_SWITCHES_MAX)
		return stop(w, WALK_END_BAD_FRAME);
	if (w->ops->read(w->ops->ctx, bp, word, sizeof(word)) < 0)
		return stop(w, WALK_END_MEMORY);
	if (word[1] == 0)
		return stop(w, WALK_END_COMPLETE);
	w->ops->find(w->ops->ctx, word[1] - 1, &place);
	if (place.code == WALK_CODE_NONE &&
	    !(w->ops->real_return && w->ops->real_return(w->ops->ctx, word[1], bp + 16)))
		return stop(w, WALK_END_BAD_FRAME);
	w->r = (struct walk_regs){ .pc = word[1], .sp = bp + 16, .bp = word[0] };
	w->is_return = true;
	return true;
}

static bool leave_signal(struct walk *w)
{
	const uint64_t sp = w->r.sp;

	if (!read_word(w, sp + SIGNAL_PC_AT, &w->r.pc) ||
	    !read_word(w, sp + SIGNAL_SP_AT, &w->r.sp) ||
	    !read_word(w, sp + SIGNAL_BP_AT, &w->r.bp))
		return false;
	w->is_return = false;
	return true;
}

static bool find_cfa(struct walk *w, const struct mt_unwind_rule *rule, uint64_t *ret)
{
	const uint64_t deref = (uint64_t)(int64_t)(rule->off >> 8), plus = rule->off & 255;

	switch (rule->cfa) {
	case MT_CFA_SP: *ret = w->r.sp + (uint64_t)(int64_t)rule->off; return true;
	case MT_CFA_BP: *ret = w->r.bp + (uint64_t)(int64_t)rule->off; return true;
	case MT_CFA_PLT: *ret = w->r.sp + ((int)(w->r.pc & 15) >= rule->off ? 16 : 8); return true;
	case MT_CFA_SP_DEREF:
	case MT_CFA_BP_DEREF:
		if (!read_word(w, (rule->cfa == MT_CFA_SP_DEREF ? w->r.sp : w->r.bp) + deref, ret))
			return false;
		*ret += plus;
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

static bool apply(struct walk *w, const struct mt_unwind_rule *rule)
{
	struct walk_regs next;

	if (rule->cfa == MT_CFA_FRAME)
		return follow_frame(w);
	if (rule->cfa == MT_CFA_END)
		return stop(w, WALK_END_COMPLETE);
	if (rule->cfa == MT_CFA_SIGNAL)
		return leave_signal(w);
	if (!find_cfa(w, rule, &next.sp))
		return false;
	if (next.sp <= w->r.sp)
		return stop(w, WALK_END_BAD_FRAME);
	if (!read_word(w, next.sp - 8, &next.pc) || !find_bp(w, rule, next.sp, &next.bp))
		return false;
	w->r = next;
	w->is_return = true;
	return true;
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

		if (w.r.pc < LOWEST_CODE || w.r.pc >> HIGHEST_BIT) {
			stop(&w, WALK_END_ZERO);
			break;
		}
		undo_return_probe(&w);
		if (!(n == 0 && at_entry) && !find_rule(&w, &rule)) {
			/* The first address is what the program was doing, code or not. */
			if (n == 0)
				ret_pcs[n++] = w.r.pc;
			break;
		}
		ret_pcs[n++] = w.r.pc;
		if (!apply(&w, &rule))
			break;
	}
	*ret_end = w.end;
	return n;
}
