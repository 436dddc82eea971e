/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Every byte position of the text is tried as the last four bytes of an instruction, which needs
 * no instruction boundaries and misses nothing. The few that point into a range are then decoded:
 * of sixteen starts in a row one is a true boundary, because no instruction is longer, so when none
 * of them arrives at an instruction that ends there, there is none.
 */
#include "collect/probe_refs.h"

#include <capstone/capstone.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "collect/probe_x86.h"

#define TEXT_BYTES_MAX (256ull << 20)
#define CHECKS_MAX 10000u /* of bytes that look like a reference: each takes 3 to 80 us */
#define WINDOW_BYTES (64u << 10)
#define STARTS 16 /* one more than the longest instruction has bytes behind its first */
#define LEAD 80	  /* bytes that are decoded ahead: streams have met by then */
#define CONTEXT (LEAD + STARTS)	     /* needed before a position */
#define WINDOW_OVERLAP (CONTEXT + 6) /* and the longest encoding looked for */

struct refs {
	csh handle;
	cs_insn *insn; /* owned */
	bool open;
	struct probe_range *range; /* borrowed */
	size_t count;
	uint32_t checks;
	uint64_t low, high; /* of all ranges */
	uint8_t window[WINDOW_BYTES];
};

static void refs_freep(struct refs **r)
{
	if (!*r)
		return;
	if ((*r)->insn)
		cs_free((*r)->insn, 1);
	if ((*r)->open)
		cs_close(&(*r)->handle);
	free(*r);
}

/* b points at the byte before a displacement of four bytes; with `more` there is one before it. */
static bool takes_displacement(const uint8_t *b, bool more)
{
	if (b[0] == 0xe8 || b[0] == 0xe9)
		return true;
	if (!more)
		return false;
	return (b[-1] == 0x0f && (b[0] & 0xf0) == 0x80) || (b[-1] == 0xc7 && b[0] == 0xf8) ||
	       (b[-1] == 0x8d && (b[0] & 0xc7) == 0x05);
}

enum sweep { SWEEP_CLEAN, SWEEP_BROKEN, SWEEP_ARRIVED };

/* Decodes from `at`: is there an instruction whose last five bytes are the ones before `end`? */
static enum sweep sweep(struct refs *r, size_t at, size_t end)
{
	const uint8_t *code = r->window + at;
	uint64_t addr = at;
	size_t left = WINDOW_BYTES - at;

	while (addr < end) {
		if (!cs_disasm_iter(r->handle, &code, &left, &addr, r->insn))
			return SWEEP_BROKEN;
		if (addr == end && r->insn->size >= 5)
			return SWEEP_ARRIVED;
	}
	return SWEEP_CLEAN;
}

/* Errs towards true: also when most of the starts cannot be decoded. */
static bool ends_instruction(struct refs *r, size_t end)
{
	size_t first = end > CONTEXT ? end - CONTEXT : 0;
	size_t clean = 0, i;

	for (i = 0; i < STARTS && first + i < end; i++) {
		switch (sweep(r, first + i, end)) {
		case SWEEP_ARRIVED: return true;
		case SWEEP_CLEAN: clean++; break;
		case SWEEP_BROKEN: break;
		}
	}
	return clean < STARTS / 2;
}

static bool is_own(const struct probe_range *range, uint64_t vaddr)
{
	return range->own_last && vaddr >= range->own_first && vaddr <= range->own_last;
}

/* Whether code at vaddr, if it is code, refers to a range of which that is not known. */
static bool is_news(const struct probe_range *range, uint64_t target, uint64_t vaddr)
{
	return !range->referenced && target >= range->first && target <= range->last &&
	       !is_own(range, vaddr);
}

static bool is_news_of_any(const struct refs *r, uint64_t target, uint64_t vaddr)
{
	for (size_t k = 0; k < r->count; k++)
		if (is_news(&r->range[k], target, vaddr))
			return true;
	return false;
}

/* Looks at window[from..len), which lies at vaddr. -E2BIG: too much of it has to be decoded. */
static int mark_window(struct refs *r, size_t from, size_t len, uint64_t vaddr)
{
	uint64_t target;
	size_t i, k;

	for (i = from; i + 5 <= len; i++) {
		target = vaddr + i + 5 + (uint64_t)(int64_t)probe_x86_rel32(r->window + i + 1);
		if (target < r->low || target > r->high ||
		    !takes_displacement(r->window + i, i > 0) ||
		    !is_news_of_any(r, target, vaddr + i))
			continue;
		if (r->checks++ == CHECKS_MAX)
			return -E2BIG;
		if (!ends_instruction(r, i + 5))
			continue;
		for (k = 0; k < r->count; k++)
			if (is_news(&r->range[k], target, vaddr + i))
				r->range[k].referenced = true;
	}
	return 0;
}

/* Windows overlap, so that what lies at their edges is seen whole and with its context. */
static int mark_segment(struct refs *r, int fd, uint64_t offset, uint64_t vaddr, uint64_t size)
{
	uint64_t at = 0;
	size_t want;
	ssize_t n;
	int e;

	for (;;) {
		want = size - at < WINDOW_BYTES ? (size_t)(size - at) : WINDOW_BYTES;
		n = pread(fd, r->window, want, (off_t)(offset + at));
		if (n != (ssize_t)want)
			return n < 0 ? -errno : -ENODATA;
		e = mark_window(r, at ? CONTEXT : 0, want, vaddr + at);
		if (e < 0)
			return e;
		if (at + want == size)
			return 0;
		at += WINDOW_BYTES - WINDOW_OVERLAP;
	}
}

static int refs_new(struct probe_range *range, size_t n, struct refs **ret)
{
	auto_clean(refs_freep) struct refs *r = calloc(1, sizeof(*r));
	size_t k;

	if (!r)
		return -ENOMEM;
	if (cs_open(CS_ARCH_X86, CS_MODE_64, &r->handle) != CS_ERR_OK)
		return -ENOMEM;
	r->open = true;
	r->insn = cs_malloc(r->handle);
	if (!r->insn)
		return -ENOMEM;
	r->range = range;
	r->count = n;
	r->low = UINT64_MAX;
	for (k = 0; k < n; k++) {
		r->low = range[k].first < r->low ? range[k].first : r->low;
		r->high = range[k].last > r->high ? range[k].last : r->high;
	}
	*ret = steal(r);
	return 0;
}

int probe_refs_mark(int fd, const struct module_fact *module, struct probe_range *range, size_t n)
{
	auto_clean(refs_freep) struct refs *refs = NULL;
	uint64_t total = 0, size;
	uint32_t i;
	int r;

	if (module->segment_count >= MODULE_SEGMENTS)
		return -E2BIG; /* there may be more that are not described */
	r = refs_new(range, n, &refs);
	if (r < 0)
		return r;
	for (i = 0; i < module->segment_count; i++) {
		size = module->segment[i].size;
		if (size > TEXT_BYTES_MAX - total)
			return -E2BIG;
		total += size;
		r = mark_segment(refs, fd, module->segment[i].file_offset, module->segment[i].vaddr,
				 size);
		if (r < 0)
			return r;
	}
	return 0;
}
