/*
 * Where functions begin and end, by .eh_frame alone: also those without a symbol.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "sys/elf.h"
#include "unwind/cfi_impl.h"

static void builder_done(struct cfi_builder *b)
{
	free(b->cie);
	free(b->fde);
}

static void free_bytes(struct elf_bytes *b)
{
	free(b->bytes);
}

static int compare_ranges(const void *pa, const void *pb)
{
	const struct cfi_range *a = pa, *b = pb;

	return a->start < b->start ? -1 : a->start > b->start;
}

int cfi_functions(const struct elf_file *f, struct cfi_range **ret, size_t *ret_count)
{
	auto_clean(free_bytes) struct elf_bytes eh = {};
	auto_clean(builder_done) struct cfi_builder b = { .arch = cfi_arch_find(elf_machine(f)) };
	const struct cfi_input none = {};
	struct cfi_section section;
	struct cfi_range *range;
	int r;

	if (!b.arch)
		return -EOPNOTSUPP;
	r = elf_eh_frame(f, CFI_SECTION_BYTES_MAX, &eh);
	if (r < 0)
		return r;
	b.input = &none;
	section = (struct cfi_section){
		.bytes = eh.bytes, .len = eh.len, .vaddr = eh.vaddr, .open_ended = eh.to_segment_end
	};
	r = cfi_read_entries(&b, &section);
	if (r < 0)
		return r;
	range = calloc(b.fdes + 1, sizeof(*range));
	if (!range)
		return -ENOMEM;
	for (size_t i = 0; i < b.fdes; i++)
		range[i] = (struct cfi_range){ b.fde[i].start, b.fde[i].end };
	qsort(range, b.fdes, sizeof(*range), compare_ranges);
	*ret = range;
	*ret_count = b.fdes;
	return 0;
}
