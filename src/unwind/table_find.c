/* Finding a rule in a packed table, as the BPF unwinder does it. */
#include "unwind/table.h"

#define PAGE_MASK ((uint64_t)MT_UNWIND_PAGE - 1)

/* The greatest row that is not behind the offset. */
static uint32_t find_in_page(const uint32_t *row, uint32_t count, uint32_t offset)
{
	const uint32_t key = offset << 16 | UINT16_MAX;
	uint32_t low = 0;

	while (count > 1) {
		const uint32_t half = count / 2;

		if (row[low + half] <= key)
			low += half;
		count -= half;
	}
	return row[low] & UINT16_MAX;
}

uint32_t unwind_table_find(const struct unwind_table *t, uint64_t file_offset)
{
	for (size_t i = 0; i < t->count; i++) {
		const struct unwind_piece *p = &t->piece[i];
		size_t page;

		if (file_offset < p->start || file_offset >= p->end)
			continue;
		page = (file_offset - p->base) >> MT_UNWIND_PAGE_SHIFT;
		return find_in_page(p->words + p->words[page], p->words[page + 1] - p->words[page],
				    (uint32_t)(file_offset & PAGE_MASK));
	}
	return 0;
}
