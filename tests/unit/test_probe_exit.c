/*
 * Points inside allocator functions: one small function for each pattern that is proven and for
 * each reason to refuse. That the proofs hold for real allocators is shown by tests/exits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collect/probe_exit.h"
#include "collect/probe_exit_impl.h"
#include "memtrace/condition.h"

#include "fixtures/probe_exit_functions.h"

#define VADDR 0x1000u
#define PROBED 0x6000u
#define MEMSET 0x7000u
#define PANIC 0x8000u

static size_t bytes_at(void *ctx, uint64_t vaddr, const uint8_t **ret)
{
	(void)ctx;
	if (vaddr != PANIC)
		return 0;
	*ret = panic_code;
	return sizeof(panic_code);
}

static enum flow_callee callee_at(void *ctx, uint64_t vaddr)
{
	(void)ctx;
	return vaddr == PROBED	 ? FLOW_CALLEE_ALLOCATES
	       : vaddr == MEMSET ? FLOW_CALLEE_GIVES_BACK
				 : FLOW_CALLEE_PLAIN;
}

static const struct flow_code world = { .bytes = bytes_at, .callee = callee_at };

static void choose(const uint8_t *code, size_t len, uint8_t count_arg, struct probe_exit *ret)
{
	const struct probe_exit_query q = {
		.bytes = code, .len = len, .vaddr = VADDR, .size_arg = 1, .count_arg = count_arg
	};
	struct flow_budget *budget = calloc(1, sizeof(*budget));

	assert_non_null(budget);
	budget->insns = FLOW_BUDGET_INSNS;
	probe_exit_choose(&q, &world, budget, ret);
	free(budget);
}

/* "+12 WHOLE rbx rax if 5; ...", or the reason without points. */
static void tell(const struct probe_exit *e, char *ret, size_t len)
{
	static const char *const kinds[] = { "CALL", "WHOLE", "SIZE", "RESULT" };
	static const char *const regs[] = {
		"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
		"r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"
	};
	size_t used = 0;

	if (!e->count) {
		snprintf(ret, len, "%s", e->why);
		return;
	}
	for (size_t i = 0; i < e->count; i++) {
		const struct probe_exit_point *p = &e->point[i];

		used += (size_t)snprintf(ret + used, len - used, "%s+0x%x %s", i ? "; " : "",
					 p->offset, kinds[p->point]);
		if (p->point == MT_POINT_CALL)
			used += (size_t)snprintf(ret + used, len - used, " arg%u", p->size_arg);
		if (p->point == MT_POINT_WHOLE || p->point == MT_POINT_SIZE)
			used += (size_t)snprintf(ret + used, len - used, " %s",
						 regs[p->size_place]);
		if (p->point == MT_POINT_WHOLE || p->point == MT_POINT_RESULT)
			used += (size_t)snprintf(ret + used, len - used, " %s",
						 regs[p->result_place]);
		if (p->conditional)
			used += (size_t)snprintf(ret + used, len - used, " if %u", p->cc);
	}
}

struct expected {
	const char *name;
	const uint8_t *code;
	size_t len;
	uint8_t count_arg;
	const char *text;
};
#define CASE(name, text)                           \
	{                                          \
#name, name, sizeof(name), 0, text \
	}
#define CASE_COUNT(name, text)                     \
	{                                          \
#name, name, sizeof(name), 2, text \
	}

static void assert_all(const struct expected *list, size_t n)
{
	struct probe_exit e;
	char text[256];

	for (size_t i = 0; i < n; i++) {
		choose(list[i].code, list[i].len, list[i].count_arg, &e);
		tell(&e, text, sizeof(text));
		if (strcmp(text, list[i].text) != 0)
			fail_msg("%s: '%s', expected '%s'", list[i].name, text, list[i].text);
	}
}

#define NOT_CHEAPER "no cheaper points are proven to see every call once"

static void each_pattern_is_proven(void **state)
{
	static const struct expected list[] = {
		CASE(whole, "+0xc WHOLE rbx rax"),
		CASE(sized_then_result, "+0xe SIZE rsi; +0x16 RESULT rax"),
		CASE(fast_and_tail, "+0xa WHOLE rdi rdx if 5; +0x1a CALL arg1"),
		CASE(spilled, "+0x16 WHOLE rdi rax"),
		CASE(framed, "+0x18 WHOLE rdi rax"),
		CASE_COUNT(product, "+0x17 WHOLE rbx rax"),
		CASE(given_back, "+0x17 WHOLE rdx rdi"),
		CASE(panics, "+0xb WHOLE rbx rax"),
		CASE(logs, "+0xb WHOLE rbx rax if 4"),
		CASE(retries, "+0x10 WHOLE rbx rax if 5"),
	};

	(void)state;
	assert_all(list, sizeof(list) / sizeof(list[0]));
}

static void what_is_in_doubt_is_refused(void **state)
{
	static const struct expected list[] = {
		CASE(leaked, NOT_CHEAPER),
		/* the size is not where it seems to be at the result */
		CASE(half_written, "+0x6 SIZE rdi; +0xe RESULT rax"),
		CASE(low_half, "+0x3 SIZE rdi; +0xb RESULT rax"),
		CASE(caller_saved, "+0x4 SIZE rdi; +0xc RESULT rax"),
		CASE(no_cheap, NOT_CHEAPER),
		CASE(indirect_jump, "an indirect jump in the body"),
		CASE(indirect_call, "an indirect call, which may end in another allocator"),
		CASE(inner, "it calls another probed function"),
		CASE(aligned_stack, "the stack is not followed to a return"),
		CASE(uneven, "the stack is not followed to a return"),
		CASE(landing_pad, "code that is reached in another way"),
		CASE(middle, "a jump into the middle of an instruction"),
		CASE(runs_on, "it runs into what follows it"),
	};

	(void)state;
	assert_all(list, sizeof(list) / sizeof(list[0]));
}

static void bytes_that_are_no_function_are_refused(void **state)
{
	static const uint8_t no_code[] = { 0x06, 0x06 };
	struct probe_exit e;

	(void)state;
	choose(whole, 0, 0, &e);
	assert_string_equal(e.why, "its body is too large, or its size is not known");
	choose(no_code, sizeof(no_code), 0, &e);
	assert_string_equal(e.why, "its body cannot be decoded");
	choose(whole, sizeof(whole) - 3, 0, &e); /* cut off */
	assert_int_equal(e.count, 0);
}

static void the_pushed_bytes_of_a_point_are_told(void **state)
{
	struct probe_exit e;

	(void)state;
	choose(spilled, sizeof(spilled), 0, &e);
	assert_int_equal(e.point[0].pushed_bytes, 0x18);
	choose(fast_and_tail, sizeof(fast_and_tail), 0, &e);
	assert_int_equal(e.point[1].pushed_bytes, 0);
}

/* A solved function, to be proven again with points that were changed. */
struct proof {
	struct flow flow;
	struct flow_result *results;
	struct flow_budget *budget;
	struct probe_exit exit;
};

static void proof_init(struct proof *p, const uint8_t *code, size_t len)
{
	p->budget = calloc(1, sizeof(*p->budget));
	assert_non_null(p->budget);
	p->budget->insns = FLOW_BUDGET_INSNS;
	choose(code, len, 0, &p->exit);
	assert_true(flow_run(&p->flow, &world, p->budget, code, len, VADDR, PROBE_NOPS_STEPPED));
	assert_int_equal(flow_results(&p->flow, &p->results), 0);
}

static void proof_done(struct proof *p)
{
	flow_done(&p->flow);
	free(p->results);
	free(p->budget);
}

static bool holds(const struct proof *p, const struct probe_exit *e)
{
	const struct exit_size size = { RDI, NO_GPR };

	return exit_check(&p->flow, p->results, &size, e);
}

static void a_choice_that_breaks_any_rule_does_not_pass_the_proof(void **state)
{
	struct probe_exit e;
	struct proof p;

	(void)state;
	proof_init(&p, sized_then_result, sizeof(sized_then_result));
	assert_true(holds(&p, &p.exit));
	e = p.exit;
	e.count = 1; /* no result */
	assert_false(holds(&p, &e));
	e = p.exit;
	e.point[0] = e.point[1]; /* no size */
	e.count = 1;
	assert_false(holds(&p, &e));
	e = p.exit;
	e.point[0].size_place = RDI;
	assert_false(holds(&p, &e));
	e = p.exit;
	e.point[1].result_place = RDX;
	assert_false(holds(&p, &e));
	e = p.exit;
	e.point[1].point = MT_POINT_WHOLE; /* seen twice, and the size is gone */
	assert_false(holds(&p, &e));
	e = p.exit;
	e.point[1].conditional = true; /* seen on one way only */
	e.point[1].cc = 4;
	assert_false(holds(&p, &e));
	e = p.exit;
	e.point[0].cost = PROBE_COST_STEPPED;
	assert_false(holds(&p, &e));
	e = p.exit;
	e.count = 0;
	assert_false(holds(&p, &e));
	proof_done(&p);
}

static void a_call_point_stands_only_where_the_stack_is_as_at_the_entry(void **state)
{
	struct probe_exit e;
	struct proof p;

	(void)state;
	proof_init(&p, whole, sizeof(whole));
	e = p.exit;
	e.point[0].point = MT_POINT_CALL;
	assert_false(holds(&p, &e));
	proof_done(&p);
	proof_init(&p, fast_and_tail, sizeof(fast_and_tail));
	assert_true(holds(&p, &p.exit));
	e = p.exit;
	e.count = 1; /* the slow way is not seen */
	assert_false(holds(&p, &e));
	proof_done(&p);
}

static void random_code_is_survived_and_its_choices_are_proven(void **state)
{
	uint64_t seed = 88172645463325252ull;
	uint8_t code[96];
	struct probe_exit e;
	int proven = 0;

	(void)state;
	for (int i = 0; i < 3000; i++) {
		const uint8_t *base = i % 2 ? whole : sized_then_result;
		const size_t len = i % 2 ? sizeof(whole) : sizeof(sized_then_result);

		memcpy(code, base, len);
		for (int k = 0; k < 1 + i % 3; k++) {
			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			code[seed % len] = (uint8_t)(seed >> 32);
		}
		choose(code, len, i % 5 == 0 ? 2 : 0, &e);
		assert_non_null(e.why);
		assert_true(e.count <= PROBE_EXIT_POINTS);
		proven += e.count > 0;
	}
	assert_true(proven > 0);
}

static void conditions_follow_the_flags(void **state)
{
	(void)state;
	for (uint64_t f = 0; f < 32; f++) {
		const uint32_t c = f & 1, p = f >> 1 & 1, z = f >> 2 & 1, s = f >> 3 & 1,
			       o = f >> 4 & 1;
		const uint64_t flags = c | p << 2 | z << 6 | s << 7 | (uint64_t)o << 11;
		const uint32_t holds_even[] = { o, c, z, c | z, s, p, s != o, z || s != o };

		for (uint32_t cc = 0; cc < 16; cc++)
			assert_int_equal(mt_condition_holds(flags, cc),
					 cc % 2 ? !holds_even[cc / 2] : holds_even[cc / 2]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_pattern_is_proven),
		cmocka_unit_test(what_is_in_doubt_is_refused),
		cmocka_unit_test(bytes_that_are_no_function_are_refused),
		cmocka_unit_test(the_pushed_bytes_of_a_point_are_told),
		cmocka_unit_test(a_choice_that_breaks_any_rule_does_not_pass_the_proof),
		cmocka_unit_test(a_call_point_stands_only_where_the_stack_is_as_at_the_entry),
		cmocka_unit_test(random_code_is_survived_and_its_choices_are_proven),
		cmocka_unit_test(conditions_follow_the_flags),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
