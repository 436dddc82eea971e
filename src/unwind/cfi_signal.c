/*
 * The return from a signal handler where no call frame information says what it is: found by its
 * instructions. Only stretches of code that no function covers are read; a C library without tables
 * is one long stretch, and one with tables says itself where its signal frames are.
 */
#include <dwarf.h>
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "unwind/cfi_impl.h"

#define CHUNK_BYTES ((size_t)256 << 10)
#define SCAN_BYTES_MAX ((uint64_t)8 << 20) /* a C library has less, constants between code more */
#define SCAN_GAPS_MAX 4096u
#define SCAN_GAP_MIN 64	 /* bytes; smaller ones are padding, and there are many */
#define SIGRETURN_MAX 8u /* in one file */

/* mov $15, %rax; syscall */
static const uint8_t sigreturn[] = { 0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05 };

/* The interrupted stack pointer: *(sp + 160), as glibc describes it. */
static const uint8_t frame[] = { DW_OP_breg7, 0xa0, 0x01, DW_OP_deref };

struct scan {
	struct cfi_builder *b;
	uint8_t *buf; /* owned */
	uint64_t left;
	unsigned gaps, found;
	uint32_t cie;
};

static int add_cie(struct scan *s)
{
	struct cfi_cie cie = { .signal = true, .usable = true, .code_factor = 1 };
	int r;

	cie.initial.cfa = (struct cfi_value){ .how = CFI_EXPRESSION,
					      .expression = frame,
					      .len = sizeof(frame) };
	s->cie = (uint32_t)s->b->cies;
	r = cfi_add_cie(s->b, &cie);
	return r == -E2BIG ? 0 : r;
}

/* A return address is looked up one byte before, and this one is the function's first byte. */
static int add_function(struct scan *s, uint64_t vaddr)
{
	struct cfi_fde fde = {
		.start = vaddr ? vaddr - 1 : 0,
		.end = vaddr + sizeof(sigreturn),
		.cie = s->cie,
		.program = frame,
	};
	int r;

	if (s->found == 0) {
		r = add_cie(s);
		if (r < 0)
			return r;
	}
	if (s->cie == s->b->cies)
		return 0;
	s->found++;
	r = cfi_add_fde(s->b, &fde);
	return r == -E2BIG ? 0 : r;
}

static int scan_chunk(struct scan *s, uint64_t vaddr, size_t len)
{
	const uint8_t *at = s->buf, *end = s->buf + len;
	int r;

	while (s->found < SIGRETURN_MAX &&
	       (at = memmem(at, (size_t)(end - at), sigreturn, sizeof(sigreturn)))) {
		r = add_function(s, vaddr + (uint64_t)(at - s->buf));
		if (r < 0)
			return r;
		at += sizeof(sigreturn);
	}
	return 0;
}

static int scan_gap(struct scan *s, uint64_t start, uint64_t end)
{
	const struct cfi_input *in = s->b->input;

	if (end - start < SCAN_GAP_MIN || s->gaps++ >= SCAN_GAPS_MAX)
		return 0;
	while (end - start >= sizeof(sigreturn) && s->left && s->found < SIGRETURN_MAX) {
		const size_t size = end - start < CHUNK_BYTES ? end - start : CHUNK_BYTES;
		const int64_t n = in->read_code(in->ctx, start, s->buf, size);
		int r;

		if (n < (int64_t)sizeof(sigreturn))
			return 0;
		s->left -= (uint64_t)n < s->left ? (uint64_t)n : s->left;
		r = scan_chunk(s, start, (size_t)n);
		if (r < 0)
			return r;
		/* One that lies across the border is whole in the next. */
		start += (uint64_t)n - (sizeof(sigreturn) - 1);
	}
	return 0;
}

/* Of the functions the first `count`, which are sorted; what is found moves their array. */
static int scan_range(struct scan *s, const struct cfi_range *code, size_t count)
{
	uint64_t at = code->start;
	int r;

	for (size_t i = 0; i < count && at < code->end; i++) {
		const uint64_t start = s->b->fde[i].start, end = s->b->fde[i].end;

		if (start > at) {
			r = scan_gap(s, at, start < code->end ? start : code->end);
			if (r < 0)
				return r;
		}
		if (end > at)
			at = end;
	}
	return at < code->end ? scan_gap(s, at, code->end) : 0;
}

int cfi_find_sigreturn(struct cfi_builder *b)
{
	const struct cfi_input *in = b->input;
	auto_free uint8_t *buf = NULL;
	struct scan s = { .b = b, .left = SCAN_BYTES_MAX };
	const size_t count = b->fdes;
	int r;

	for (size_t i = 0; i < b->cies; i++)
		if (b->cie[i].signal)
			return 0;
	if (!in->read_code || in->ranges == 0)
		return 0;
	s.buf = buf = malloc(CHUNK_BYTES);
	if (!buf)
		return -ENOMEM;
	for (size_t i = 0; i < in->ranges; i++) {
		r = scan_range(&s, &in->code[i], count);
		if (r < 0)
			return r;
	}
	return s.found > 0;
}
