/*
 * The choice of the probed instruction: known functions of known builds, one byte string per rule,
 * and random code, whose choices a second reader of the rules must find right.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "collect/points.h"
#include "collect/probe_site.h"
#include "fixtures/probe_functions.h"
#include "probe_verify.h"

#define ARG1 1u /* rdi */
#define ARG2 2u /* rsi */
#define ARG3 4u /* rdx */

#define BYTES(bytes, n, ...)                                     \
	((struct probe_query){ .code = (const uint8_t *)(bytes), \
			       .len = (n),                       \
			       .size = (n),                      \
			       .vaddr = 0x1000,                  \
			       .arch = PROBE_X86_64,             \
			       __VA_ARGS__ })
/* A query about the bytes of a string literal, without its NUL. */
#define QUERY(literal, ...) BYTES(literal, sizeof(literal) - 1, __VA_ARGS__)

static void assert_site(const struct probe_query *q, uint64_t offset, enum probe_cost cost)
{
	struct probe_site s;

	probe_site_choose(q, &s);
	if (s.offset != offset || s.cost != cost)
		fail_msg("+%llu '%s' %s (%s), expected +%llu %s", (unsigned long long)s.offset,
			 s.site_text, probe_cost_name(s.cost), s.why, (unsigned long long)offset,
			 probe_cost_name(cost));
	verify_site(q, &s);
}

static void assert_entry(const struct probe_query *q)
{
	struct probe_site s;

	probe_site_choose(q, &s);
	if (s.offset)
		fail_msg("+%llu '%s', expected the entry", (unsigned long long)s.offset,
			 s.site_text);
	assert_memory_equal(s.why, "entry: ", 7);
	verify_site(q, &s);
}

static void functions_of_known_builds_are_probed_where_they_should_be(void **state)
{
	const struct probe_fixture *f;
	const struct point *p;
	struct probe_query q;
	struct probe_site s;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(probe_fixtures) / sizeof(probe_fixtures[0]); i++) {
		f = &probe_fixtures[i];
		p = points_find(f->symbol);
		q = (struct probe_query){
			.code = f->code,
			.len = f->len,
			.size = f->size,
			.vaddr = 0x10000,
			.arch = PROBE_X86_64,
			.args = points_args(&p->call),
			.wants_return = points_wants_return(&p->call),
		};
		probe_site_choose(&q, &s);
		if (s.offset != f->offset || s.cost != f->cost || s.pushed_bytes)
			fail_msg("%s: +%llu '%s' %s (%s)", f->what, (unsigned long long)s.offset,
				 s.site_text, probe_cost_name(s.cost), s.why);
		verify_site(&q, &s);
	}
}

static void the_jump_behind_a_test_of_the_pointer_is_taken(void **state)
{
	/* test rdi,rdi; je +1; nop; ret */
	struct probe_query q = QUERY("\x48\x85\xff\x74\x01\x90\xc3", .args = ARG1);
	struct probe_site s;

	(void)state;
	assert_site(&q, 3, PROBE_COST_EMULATED);
	probe_site_choose(&q, &s);
	assert_string_equal(s.entry_text, "test rdi, rdi");
	assert_string_equal(s.site_text, "je 0x1006");
}

static void each_emulated_instruction_is_a_site(void **state)
{
	static const struct {
		const char *code; /* test eax,eax, then the instruction; the rest is nops */
		size_t len;
	} cases[] = {
		{ "\x85\xc0\x55", 3 },		     /* push rbp */
		{ "\x85\xc0\x41\x57", 4 },	     /* push r15 */
		{ "\x85\xc0\x90", 3 },		     /* nop */
		{ "\x85\xc0\xeb\x10", 4 },	     /* jmp rel8 */
		{ "\x85\xc0\xe9\x10\0\0\0", 7 },     /* jmp rel32 */
		{ "\x85\xc0\x75\x10", 4 },	     /* jcc rel8 */
		{ "\x85\xc0\x0f\x8f\x10\0\0\0", 8 }, /* jcc rel32 */
		{ "\x85\xc0\xe8\0\x10\0\0", 7 },     /* call rel32 */
	};
	uint8_t code[40];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct probe_query q = BYTES(code, 40, .args = ARG1, .wants_return = true);

		memset(code, 0x90, sizeof(code));
		memcpy(code, cases[i].code, cases[i].len);
		assert_site(&q, 2, PROBE_COST_EMULATED);
	}
}

static void a_branch_with_an_operand_size_prefix_is_not_a_site(void **state)
{
	struct probe_query q = QUERY("\x85\xc0\x66\xe9\x10\0\0\0\x90\x90\xc3", .args = ARG1);

	(void)state;
	assert_entry(&q);
}

static void a_write_to_a_needed_argument_ends_the_walk(void **state)
{
	/* mov dil,1; push rbx; ret and mov esi,eax; push rbx; ret and xor edx,edx; ... */
	struct probe_query low = QUERY("\x40\xb7\x01\x53\xc3", .args = ARG1);
	struct probe_query half = QUERY("\x89\xc6\x53\xc3", .args = ARG1 | ARG2);
	struct probe_query high = QUERY("\xb6\x01\x53\xc3", .args = ARG3); /* mov dh,1 */

	(void)state;
	assert_entry(&low);
	assert_entry(&half);
	assert_entry(&high);
	low.args = ARG2;
	half.args = ARG1;
	high.args = ARG1;
	assert_site(&low, 3, PROBE_COST_EMULATED);
	assert_site(&half, 2, PROBE_COST_EMULATED);
	assert_site(&high, 2, PROBE_COST_EMULATED);
}

static void a_write_to_memory_or_to_the_stack_pointer_ends_the_walk(void **state)
{
	struct probe_query memory =
		QUERY("\x48\x89\x04\x24\x53\xc3", .args = 0);			 /* mov [rsp],rax */
	struct probe_query stack = QUERY("\x48\x83\xec\x18\x53\xc3", .args = 0); /* sub rsp,24 */
	struct probe_query frame = QUERY("\x48\x89\xe5\x53\xc3", .args = 0);	 /* mov rbp,rsp */

	(void)state;
	assert_entry(&memory);
	assert_entry(&stack);
	assert_entry(&frame);
}

static void implicit_writes_and_unusual_prefixes_end_the_walk(void **state)
{
	static const struct {
		const char *code;
		size_t len;
	} cases[] = {
		{ "\x48\xf7\xe3\x53\xc3", 5 },	   /* mul rbx: rdx */
		{ "\x48\xf7\xeb\x53\xc3", 5 },	   /* imul rbx: rdx */
		{ "\x48\x99\x53\xc3", 4 },	   /* cqo: rdx */
		{ "\x48\x87\xfe\x53\xc3", 5 },	   /* xchg rsi,rdi */
		{ "\x0f\x05\x53\xc3", 4 },	   /* syscall */
		{ "\xf3\x48\xa5\x53\xc3", 5 },	   /* rep movsq */
		{ "\x0f\xa2\x53\xc3", 4 },	   /* cpuid */
		{ "\xf3\x90\x53\xc3", 4 },	   /* pause */
		{ "\x49\x90\x53\xc3", 4 },	   /* xchg r8,rax */
		{ "\x66\xb8\x01\x00\x53\xc3", 6 }, /* mov ax,1 */
		{ "\x67\x8b\x07\x53\xc3", 5 },	   /* mov eax,[edi] */
		{ "\x48\x64\x8b\x07\x53\xc3", 6 }, /* REX before a prefix */
		{ "\x5b\x53\xc3", 3 },		   /* pop rbx */
		{ "\xf0\x83\x07\x01\x53\xc3", 6 }, /* lock add [rdi],1 */
		{ "\x8e\xd8\x53\xc3", 4 },	   /* mov ds,eax */
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct probe_query q =
			BYTES(cases[i].code, cases[i].len, .args = ARG1 | ARG2 | ARG3);

		assert_entry(&q);
	}
}

static void reads_and_scratch_registers_are_walked_over(void **state)
{
	/* endbr64; mov rax,fs:[rcx]; lea rax,[rdi+7]; cmp [rip+1],0; imul r10d,esi,3; push rbx */
	struct probe_query q = QUERY("\xf3\x0f\x1e\xfa\x64\x48\x8b\x01\x48\x8d\x47\x07\x80\x3d\x01"
				     "\0\0\0\0\x44\x6b\xd6\x03\x53\xc3",
				     .args = ARG1 | ARG2, .wants_return = true);

	(void)state;
	assert_site(&q, 23, PROBE_COST_EMULATED);
}

static void pushes_are_passed_only_for_a_better_nop_and_without_a_return(void **state)
{
	/* push rbp; push r12; nop5; ret */
	struct probe_query q = QUERY("\x55\x41\x54\x0f\x1f\x44\x00\x00\xc3", .args = ARG1,
				     .nops = PROBE_NOPS_CALLED);
	struct probe_site s;

	(void)state;
	assert_site(&q, 3, PROBE_COST_NOP5);
	probe_site_choose(&q, &s);
	assert_int_equal(s.pushed_bytes, 16);
	q.wants_return = true;
	assert_site(&q, 0, PROBE_COST_EMULATED);
	q.wants_return = false;
	q.nops = PROBE_NOPS_EMULATED;
	assert_site(&q, 0, PROBE_COST_EMULATED);
}

static void a_nop_behind_a_write_below_the_stack_is_not_turned_into_a_call(void **state)
{
	/* mov [rsp-8],rdi; nop5; ret: the call would overwrite the red zone */
	struct probe_query q = QUERY("\x48\x89\x7c\x24\xf8\x0f\x1f\x44\x00\x00\xc3", .args = ARG1,
				     .nops = PROBE_NOPS_CALLED);

	(void)state;
	assert_entry(&q);
}

static void nobody_may_jump_into_a_nop_that_becomes_a_call(void **state)
{
	/* test; nop5; jmp into the nop's last byte; ret */
	struct probe_query q = QUERY("\x85\xc0\x0f\x1f\x44\x00\x00\xeb\xfd\xc3", .args = ARG1,
				     .nops = PROBE_NOPS_CALLED);

	(void)state;
	assert_entry(&q);
}

static void long_nops_are_sites_only_where_the_kernel_emulates_them(void **state)
{
	struct probe_query q = QUERY("\x85\xc0\x0f\x1f\x44\x00\x00\x53\xc3", .args = ARG1);

	(void)state;
	assert_site(&q, 7, PROBE_COST_EMULATED);
	q.nops = PROBE_NOPS_EMULATED;
	assert_site(&q, 2, PROBE_COST_EMULATED);
	q.nops = PROBE_NOPS_CALLED;
	assert_site(&q, 2, PROBE_COST_NOP5);
}

static void a_jump_back_between_entry_and_site_means_the_entry(void **state)
{
	/* test; test; je +2; jmp -6 (to the second test), then -4 (to the je), then -2 (itself) */
	uint8_t code[] = "\x85\xc0\x85\xc0\x74\x02\xeb\xfa\xc3";
	struct probe_query q = BYTES(code, 9, .args = ARG1);

	(void)state;
	assert_entry(&q);
	code[7] = 0xfc;
	assert_entry(&q);
	code[7] = 0xf8; /* the entry itself: a loop over the whole function */
	assert_entry(&q);
	code[7] = 0xfe;
	assert_site(&q, 4, PROBE_COST_EMULATED);
}

static void a_recursive_call_is_a_call_but_one_into_the_middle_is_not(void **state)
{
	/* test; je +5; call; ret */
	uint8_t code[] = "\x85\xc0\x74\x05\xe8\xf7\xff\xff\xff\xc3";
	struct probe_query q = BYTES(code, 10, .args = ARG1);

	(void)state;
	assert_site(&q, 2, PROBE_COST_EMULATED);
	code[5] = 0x00; /* call the next instruction */
	code[6] = code[7] = code[8] = 0;
	assert_entry(&q);
}

static void an_indirect_jump_in_the_body_means_the_entry(void **state)
{
	struct probe_query reg = QUERY("\x85\xc0\x74\x02\xff\xe0\xc3", .args = ARG1);
	struct probe_query notrack = QUERY("\x85\xc0\x74\x03\x3e\xff\xe0\xc3", .args = ARG1);
	struct probe_query memory = QUERY("\x85\xc0\x74\x06\xff\x25\0\0\0\0\xc3", .args = ARG1);
	struct probe_query call = QUERY("\x85\xc0\x74\x02\xff\xd0\xc3", .args = ARG1);

	(void)state;
	assert_entry(&reg);
	assert_entry(&notrack);
	assert_entry(&memory);
	assert_site(&call, 2, PROBE_COST_EMULATED);
}

static void a_body_that_cannot_be_read_to_its_end_means_the_entry(void **state)
{
	struct probe_query q = QUERY("\x85\xc0\x74\x02\x90\x90\xc3", .args = ARG1);
	struct probe_query bad = QUERY("\x85\xc0\x74\x02\x06\x06\xc3", .args = ARG1);

	(void)state;
	assert_site(&q, 2, PROBE_COST_EMULATED);
	q.size = 0;
	assert_entry(&q);
	q.size = 8;
	assert_entry(&q);
	q.size = UINT64_MAX;
	assert_entry(&q);
	q.size = 3; /* ends within an instruction */
	assert_entry(&q);
	assert_entry(&bad);
}

static void a_branch_whose_length_decoders_disagree_about_means_the_entry(void **state)
{
	struct probe_query near = QUERY("\x85\xc0\x74\x03\x66\xeb\x01\x90\xc3", .args = ARG1);
	struct probe_query wide = QUERY("\x85\xc0\x74\x06\x66\xe8\x01\0\0\0\x90\xc3", .args = ARG1);

	(void)state;
	assert_entry(&near);
	assert_entry(&wide);
}

static void the_site_is_within_reach_of_the_entry(void **state)
{
	uint8_t code[2 * PROBE_SITE_REACH];
	struct probe_query q = BYTES(code, sizeof(code), .args = ARG1);
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(code); i += 2)
		memcpy(code + i, "\x85\xc0", 2);
	code[PROBE_SITE_REACH] = code[PROBE_SITE_REACH + 1] = 0x50;
	assert_site(&q, PROBE_SITE_REACH, PROBE_COST_EMULATED);
	memcpy(code + PROBE_SITE_REACH, "\x85\xc0\x50\x50", 4);
	assert_entry(&q);
}

static void other_architectures_are_probed_at_the_entry(void **state)
{
	static const uint8_t stp[] = { 0xfd, 0x7b, 0xbf, 0xa9, 0x1f, 0x20, 0x03, 0xd5 };
	static const uint8_t b[] = { 0x02, 0x00, 0x00, 0x14 };
	struct probe_query q = BYTES(stp, 8, .args = ARG1);

	(void)state;
	q.arch = PROBE_ARM64;
	assert_site(&q, 0, PROBE_COST_STEPPED);
	q.code = b;
	q.len = q.size = 4;
	assert_site(&q, 0, PROBE_COST_EMULATED);
	q.arch = PROBE_OTHER;
	assert_site(&q, 0, PROBE_COST_UNKNOWN);
}

static void no_bytes_at_all_is_survived(void **state)
{
	struct probe_query q = QUERY("", .args = ARG1);
	struct probe_site s;

	(void)state;
	q.code = NULL;
	assert_entry(&q);
	q.size = 100;
	assert_entry(&q);
	q.arch = PROBE_ARM64;
	assert_entry(&q);
	probe_site_use_entry(&q, "entry: because", &s);
	assert_string_equal(s.why, "entry: because");
}

/* Pieces of prologues, so that random code often gets past its first instruction. */
static const struct {
	uint8_t len;
	uint8_t bytes[8];
} pieces[] = {
	{ 4, { 0xf3, 0x0f, 0x1e, 0xfa } },
	{ 3, { 0x48, 0x85, 0xff } },
	{ 2, { 0x89, 0xc1 } },
	{ 3, { 0x48, 0x89, 0xf8 } },
	{ 4, { 0x48, 0x8d, 0x47, 0x08 } },
	{ 1, { 0x55 } },
	{ 2, { 0x41, 0x56 } },
	{ 5, { 0x0f, 0x1f, 0x44, 0x00, 0x00 } },
	{ 2, { 0x66, 0x90 } },
	{ 2, { 0x74, 0x05 } },
	{ 6, { 0x0f, 0x84, 0x04, 0x00, 0x00, 0x00 } },
	{ 5, { 0xe8, 0x00, 0x01, 0x00, 0x00 } },
	{ 2, { 0x31, 0xd2 } },
	{ 1, { 0xc3 } },
	{ 7, { 0x80, 0x3d, 0x01, 0x02, 0x03, 0x00, 0x00 } },
	/* From here on: what ends a walk or spoils a body. */
	{ 4, { 0x48, 0x83, 0xec, 0x18 } },
	{ 3, { 0x48, 0xf7, 0xe6 } },
	{ 2, { 0xeb, 0xf0 } },
	{ 2, { 0xff, 0xe0 } },
	{ 5, { 0xe9, 0xf0, 0xff, 0xff, 0xff } },
};
#define PIECES (sizeof(pieces) / sizeof(pieces[0]))
#define PIECES_HARMLESS 15

static uint64_t next_random(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

/* A quarter of the strings is pure noise, the others are pieces with a byte of noise at times. */
static size_t make_code(uint64_t *seed, uint8_t *code, size_t max)
{
	size_t len = 4 + next_random(seed) % (max - 4), at = 0, k;
	bool noise = next_random(seed) % 4 == 0;

	while (at < len) {
		k = next_random(seed) % (next_random(seed) % 16 ? PIECES_HARMLESS : PIECES);
		if (noise || at + pieces[k].len > max) {
			code[at++] = (uint8_t)next_random(seed);
			continue;
		}
		memcpy(code + at, pieces[k].bytes, pieces[k].len);
		if (next_random(seed) % 24 == 0)
			code[at + next_random(seed) % pieces[k].len] = (uint8_t)next_random(seed);
		at += pieces[k].len;
	}
	return at;
}

static void random_code_never_yields_a_site_that_breaks_a_rule(void **state)
{
	uint64_t seed = 0x9e3779b97f4a7c15;
	size_t i, beyond_entry = 0, with_pushes = 0;
	uint8_t code[64];
	struct probe_site s;

	(void)state;
	for (i = 0; i < 200000; i++) {
		struct probe_query q = {
			.code = code,
			.len = make_code(&seed, code, sizeof(code)),
			.vaddr = next_random(&seed),
			.arch = PROBE_X86_64,
			.nops = next_random(&seed) % 3,
			.args = next_random(&seed) & next_random(&seed) & 63,
			.wants_return = next_random(&seed) % 4 == 0,
		};

		q.size = next_random(&seed) % 16 ? q.len : next_random(&seed) % 128;
		probe_site_choose(&q, &s);
		verify_site(&q, &s);
		beyond_entry += s.offset != 0;
		with_pushes += s.pushed_bytes != 0;
	}
	assert_true(beyond_entry > 20000); /* else nothing was tested */
	assert_true(with_pushes > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(functions_of_known_builds_are_probed_where_they_should_be),
		cmocka_unit_test(the_jump_behind_a_test_of_the_pointer_is_taken),
		cmocka_unit_test(each_emulated_instruction_is_a_site),
		cmocka_unit_test(a_branch_with_an_operand_size_prefix_is_not_a_site),
		cmocka_unit_test(a_write_to_a_needed_argument_ends_the_walk),
		cmocka_unit_test(a_write_to_memory_or_to_the_stack_pointer_ends_the_walk),
		cmocka_unit_test(implicit_writes_and_unusual_prefixes_end_the_walk),
		cmocka_unit_test(reads_and_scratch_registers_are_walked_over),
		cmocka_unit_test(pushes_are_passed_only_for_a_better_nop_and_without_a_return),
		cmocka_unit_test(a_nop_behind_a_write_below_the_stack_is_not_turned_into_a_call),
		cmocka_unit_test(nobody_may_jump_into_a_nop_that_becomes_a_call),
		cmocka_unit_test(long_nops_are_sites_only_where_the_kernel_emulates_them),
		cmocka_unit_test(a_jump_back_between_entry_and_site_means_the_entry),
		cmocka_unit_test(a_recursive_call_is_a_call_but_one_into_the_middle_is_not),
		cmocka_unit_test(an_indirect_jump_in_the_body_means_the_entry),
		cmocka_unit_test(a_body_that_cannot_be_read_to_its_end_means_the_entry),
		cmocka_unit_test(a_branch_whose_length_decoders_disagree_about_means_the_entry),
		cmocka_unit_test(the_site_is_within_reach_of_the_entry),
		cmocka_unit_test(other_architectures_are_probed_at_the_entry),
		cmocka_unit_test(no_bytes_at_all_is_survived),
		cmocka_unit_test(random_code_never_yields_a_site_that_breaks_a_rule),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
