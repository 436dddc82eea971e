/*
 * Rows of a file: entries of both sections, sorted by address, overlaps cut, programs run in that
 * order, gaps between functions marked.
 */
#include "unwind/cfi.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/search.h"
#include "sys/elf.h"
#include "unwind/cfi_impl.h"

#define SEGMENTS_MAX 64

static void builder_done(struct cfi_builder *b)
{
	free(b->cie);
	free(b->fde);
	free(b->row);
}

/* By address; of two that begin at the same one, that of the earlier section and place is first. */
static int compare_fdes(const void *pa, const void *pb)
{
	const struct cfi_fde *a = pa, *b = pb;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	if (a->cie != b->cie)
		return a->cie < b->cie ? -1 : 1;
	return a->program < b->program ? -1 : a->program > b->program;
}

static void sort_fdes(struct cfi_builder *b)
{
	for (size_t i = 1; i < b->fdes; i++) {
		if (compare_fdes(&b->fde[i - 1], &b->fde[i]) <= 0)
			continue;
		qsort(b->fde, b->fdes, sizeof(*b->fde), compare_fdes);
		return;
	}
}

/* Whether one of the first `count` functions, which are sorted and apart, overlaps f. */
static bool is_covered(const struct cfi_builder *b, size_t count, const struct cfi_fde *f)
{
	size_t low = search_first(count, i, b->fde[i].end <= f->start);

	return low < count && b->fde[low].start < f->end;
}

/* A function ends where the next begins: unwinders find the last one that begins before. */
static void cut_overlaps(struct cfi_builder *b)
{
	size_t n = 0;

	for (size_t i = 0; i < b->fdes; i++) {
		if (n && b->fde[n - 1].start == b->fde[i].start)
			continue;
		if (n && b->fde[n - 1].end > b->fde[i].start)
			b->fde[n - 1].end = b->fde[i].start;
		b->fde[n++] = b->fde[i];
	}
	b->fdes = n;
}

static void sort_and_cut(struct cfi_builder *b)
{
	sort_fdes(b);
	cut_overlaps(b);
}

static int read_sections(struct cfi_builder *b)
{
	const struct cfi_input *in = b->input;
	int r;

	for (size_t i = 0; i < in->sections; i++) {
		const size_t before = b->fdes;
		size_t n = before;

		r = cfi_read_entries(b, &in->section[i]);
		if (r < 0)
			return r;
		for (size_t k = before; k < b->fdes; k++)
			if (!is_covered(b, before, &b->fde[k]))
				b->fde[n++] = b->fde[k];
		b->fdes = n;
		sort_and_cut(b);
	}
	r = cfi_find_sigreturn(b);
	if (r > 0)
		sort_and_cut(b);
	return r < 0 ? r : 0;
}

static int run_programs(struct cfi_builder *b)
{
	const struct mt_unwind_rule none = {};
	int r = 0;

	for (size_t i = 0; i < b->fdes && r == 0; i++) {
		const struct cfi_fde *f = &b->fde[i];

		r = cfi_run(b, f);
		if (r == 0 && (i + 1 == b->fdes || b->fde[i + 1].start - f->end > CFI_GAP_MAX))
			r = cfi_add_row(b, f->end, none);
		if (r == -E2BIG)
			b->refused[CFI_REFUSED_limits] += b->fdes - i;
	}
	if (r != -E2BIG)
		return r;
	/* What follows the last row that fits is unknown. */
	return cfi_add_row(b, b->row[b->rows - 1].vaddr, none);
}

int cfi_parse(const struct cfi_input *in, struct cfi_rows *ret)
{
	auto_clean(builder_done) struct cfi_builder b = { .input = in };
	struct cfi_rows rows = {};
	int r;

	b.arch = cfi_arch_find(in->machine);
	if (!b.arch)
		return -EOPNOTSUPP;
	r = read_sections(&b);
	if (r < 0)
		return r;
	r = run_programs(&b);
	if (r < 0)
		return r;
	rows.count = b.rows;
	rows.fdes = b.fdes;
	rows.row = steal(b.row);
	memcpy(rows.refused, b.refused, sizeof(rows.refused));
	*ret = rows;
	return 0;
}

static int64_t read_code(void *ctx, uint64_t vaddr, void *ret, size_t size)
{
	return elf_read_at(ctx, vaddr, ret, size);
}

static size_t find_code(const struct elf_file *f, struct cfi_range *ret)
{
	struct elf_code_segment s[SEGMENTS_MAX];
	size_t n = elf_code_segments(f, s, SEGMENTS_MAX);

	n = n < SEGMENTS_MAX ? n : SEGMENTS_MAX;
	for (size_t i = 0; i < n; i++)
		ret[i] = (struct cfi_range){ s[i].vaddr, s[i].vaddr + s[i].bytes };
	return n;
}

/* 1 when the section is there, 0 when it is not or was refused. */
static int take_section(int r, const struct elf_bytes *b, bool debug_frame, struct cfi_input *in,
			size_t *refused)
{
	if (r == 0)
		in->section[in->sections++] = (struct cfi_section){
			.bytes = b->bytes,
			.len = b->len,
			.vaddr = b->vaddr,
			.debug_frame = debug_frame,
			.open_ended = b->to_segment_end,
		};
	else if (r == -E2BIG || (r == -EBADMSG && debug_frame))
		(*refused)++;
	else if (r != -ENOENT)
		return r;
	return 0;
}

static void free_bytes(struct elf_bytes *b)
{
	free(b->bytes);
}

int cfi_read(const struct elf_file *f, struct cfi_rows *ret, struct err *err)
{
	auto_clean(free_bytes) struct elf_bytes eh = {}, debug = {};
	struct cfi_range code[SEGMENTS_MAX];
	struct cfi_input in = {
		.machine = elf_machine(f),
		.code = code,
		.read_code = read_code,
		.ctx = (void *)f,
	};
	size_t refused = 0;
	int r;

	if (!elf_is_64(f) || !cfi_arch_find(in.machine))
		return err_set(err, -EOPNOTSUPP, "no unwind tables for this kind of machine");
	in.ranges = find_code(f, code);
	if (in.ranges == 0) {
		*ret = (struct cfi_rows){};
		return 0;
	}
	r = take_section(elf_eh_frame(f, CFI_SECTION_BYTES_MAX, &eh), &eh, false, &in, &refused);
	/* Go's tables do not know of its switches between stacks; its frame pointers do. */
	if (elf_is_go(f))
		in.read_code = NULL;
	else if (r == 0)
		r = take_section(elf_section(f, ".debug_frame", CFI_SECTION_BYTES_MAX, &debug),
				 &debug, true, &in, &refused);
	if (r < 0)
		return err_set(err, r, "cannot read the call frame information: %s", strerror(-r));
	r = cfi_parse(&in, ret);
	if (r == 0)
		ret->refused[CFI_REFUSED_sections] += refused;
	return r;
}

void cfi_rows_done(struct cfi_rows *r)
{
	free(r->row);
	*r = (struct cfi_rows){};
}

size_t cfi_find_row(const struct cfi_rows *r, uint64_t vaddr)
{
	return search_first(r->count, i, r->row[i].vaddr <= vaddr);
}

struct mt_unwind_rule cfi_rule_at(const struct cfi_rows *r, uint64_t vaddr)
{
	const size_t next = cfi_find_row(r, vaddr);

	return next ? r->row[next - 1].rule : (struct mt_unwind_rule){};
}
