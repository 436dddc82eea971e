/*
 * From rows to pieces: code is cut in pages by its place in the file, every page begins with the
 * rule in force, pieces end where they are full or where a long stretch has no table.
 */
#include "unwind/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "sys/elf.h"
#include "unwind/dict.h"

#define SEGMENTS_MAX 64
#define EMPTY_PAGES_MIN 256 /* shorter stretches without table stay inside a piece: 2 KiB */
#define PAGE_MASK ((uint64_t)MT_UNWIND_PAGE - 1)

struct packer {
	struct unwind_table *out;
	struct unwind_dict *dict;
	const struct cfi_rows *rows;
	struct elf_code_segment segment;
	size_t at;		    /* the next row */
	uint32_t rule;		    /* in force before it */
	size_t rules_max;	    /* of the dictionary, for this file */
	struct mt_unwind_rule seen; /* the last rule that was looked up, and its index */
	uint32_t seen_index;
	/* the piece in the making */
	uint64_t first;		  /* offset of its first page */
	uint32_t *index, *packed; /* owned, UNWIND_PIECE_WORDS each */
	size_t pages, words;	  /* words: of rows only */
};

static void packer_done(struct packer *p)
{
	free(p->index);
	free(p->packed);
}

static uint32_t index_of(struct packer *p, struct mt_unwind_rule rule)
{
	int index;

	if (memcmp(&rule, &p->seen, sizeof(rule)) == 0)
		return p->seen_index;
	index = unwind_dict_add(p->dict, rule, p->rules_max);
	if (index < 0) {
		p->out->refused[CFI_REFUSED_rules]++;
		return UNWIND_INDEX_UNSUPPORTED;
	}
	p->seen = rule;
	p->seen_index = (uint32_t)index;
	return (uint32_t)index;
}

/* The file offset of the next row, or the end of the segment. */
static uint64_t next_offset(const struct packer *p)
{
	const struct elf_code_segment *s = &p->segment;
	const struct cfi_row *row = p->rows->row;

	if (p->at >= p->rows->count || row[p->at].vaddr - s->vaddr >= s->bytes)
		return s->offset + s->bytes;
	return s->offset + (row[p->at].vaddr - s->vaddr);
}

/* Words of the rows of the page, the first one included. */
static size_t page_words(const struct packer *p, uint64_t page)
{
	const struct elf_code_segment *s = &p->segment;
	const struct cfi_row *row = p->rows->row;
	size_t n = 1;

	/* by offsets: the address behind a segment may be none */
	for (size_t i = p->at; i < p->rows->count && row[i].vaddr - s->vaddr < s->bytes &&
			       s->offset + (row[i].vaddr - s->vaddr) - page < MT_UNWIND_PAGE;
	     i++)
		n++;
	return n;
}

static int close_piece(struct packer *p, uint64_t end)
{
	const struct elf_code_segment *s = &p->segment;
	const size_t index_words = p->pages + 1, count = index_words + p->words;
	struct unwind_table *t = p->out;
	uint32_t *words;

	if (p->pages == 0)
		return 0;
	words = malloc(count * sizeof(*words));
	if (!words)
		return -ENOMEM;
	p->index[p->pages] = (uint32_t)p->words;
	for (size_t i = 0; i < index_words; i++)
		words[i] = p->index[i] + (uint32_t)index_words;
	memcpy(words + index_words, p->packed, p->words * sizeof(*words));
	t->piece[t->count++] = (struct unwind_piece){
		.start = p->first > s->offset ? p->first : s->offset,
		.end = end < s->offset + s->bytes ? end : s->offset + s->bytes,
		.base = p->first,
		.words = words,
		.count = count,
	};
	t->words += count;
	p->pages = p->words = 0;
	return 0;
}

static void put_row(struct packer *p, uint64_t offset, uint32_t rule)
{
	p->packed[p->words++] = (uint32_t)(offset & PAGE_MASK) << 16 | rule;
}

static void put_page(struct packer *p, uint64_t page)
{
	if (p->pages == 0)
		p->first = page;
	p->index[p->pages++] = (uint32_t)p->words;
	put_row(p, 0, p->rule);
	for (uint64_t at; (at = next_offset(p)) < p->segment.offset + p->segment.bytes &&
			  at - page < MT_UNWIND_PAGE;
	     p->at++) {
		p->rule = index_of(p, p->rows->row[p->at].rule);
		if ((at & PAGE_MASK) == 0)
			p->words--;
		put_row(p, at, p->rule);
	}
}

/* The first page from here on that has anything to say: *ret. */
static int skip_empty(struct packer *p, uint64_t *page)
{
	const uint64_t next = next_offset(p) & ~PAGE_MASK;

	if (p->rule != 0 || next <= *page)
		return 0;
	if (p->pages && next - *page < EMPTY_PAGES_MIN * (uint64_t)MT_UNWIND_PAGE &&
	    next_offset(p) < p->segment.offset + p->segment.bytes)
		return 0;
	if (close_piece(p, *page) < 0)
		return -ENOMEM;
	*page = next;
	return 0;
}

static int make_room(struct packer *p, uint64_t page)
{
	const size_t index_words = p->pages + 2;

	if (index_words + p->words + page_words(p, page) <= UNWIND_PIECE_WORDS)
		return 0;
	return close_piece(p, page);
}

static int pack_segment(struct packer *p)
{
	const struct elf_code_segment *s = &p->segment;
	const uint64_t end = s->offset + s->bytes;
	uint64_t page = s->offset & ~PAGE_MASK;

	p->at = cfi_find_row(p->rows, s->vaddr);
	p->rule = p->at ? index_of(p, p->rows->row[p->at - 1].rule) : 0;
	for (; page < end; page += MT_UNWIND_PAGE) {
		if (skip_empty(p, &page) < 0)
			return -ENOMEM;
		if (page >= end || (p->rule == 0 && next_offset(p) >= end))
			break;
		if (make_room(p, page) < 0)
			return -ENOMEM;
		if (p->out->count == MT_UNWIND_PIECES) {
			p->out->refused[CFI_REFUSED_pages] += (end - page) / MT_UNWIND_PAGE + 1;
			return 0;
		}
		put_page(p, page);
	}
	return close_piece(p, page);
}

static int compare_segments(const void *pa, const void *pb)
{
	const struct elf_code_segment *a = pa, *b = pb;

	return a->offset < b->offset ? -1 : a->offset > b->offset;
}

/* Code segments by offset; what the kernel would not map like this is refused. */
static size_t find_segments(const struct elf_file *f, struct elf_code_segment *ret,
			    struct unwind_table *t)
{
	size_t all = elf_code_segments(f, ret, SEGMENTS_MAX);
	size_t count = all < SEGMENTS_MAX ? all : SEGMENTS_MAX, n = 0;

	qsort(ret, count, sizeof(*ret), compare_segments);
	for (size_t i = 0; i < count; i++) {
		const struct elf_code_segment s = ret[i];

		if (((s.offset ^ s.vaddr) & PAGE_MASK) == 0 && s.offset <= INT64_MAX - s.bytes &&
		    (n == 0 || s.offset >= ret[n - 1].offset + ret[n - 1].bytes))
			ret[n++] = s;
	}
	t->refused[CFI_REFUSED_segments] += all - n;
	return n;
}

void unwind_table_done(struct unwind_table *t)
{
	for (size_t i = 0; i < t->count; i++)
		free(t->piece[i].words);
	*t = (struct unwind_table){};
}

int unwind_table_pack(const struct elf_file *f, const struct cfi_rows *rows, struct unwind_dict *d,
		      struct unwind_table *ret)
{
	auto_clean(unwind_table_done) struct unwind_table t = { .fdes = rows->fdes,
								.rows = rows->count };
	auto_clean(packer_done) struct packer p = { .out = &t, .dict = d, .rows = rows };
	struct elf_code_segment segment[SEGMENTS_MAX];
	size_t count, before, after;
	int r;

	memcpy(t.refused, rows->refused, sizeof(t.refused));
	count = rows->count ? find_segments(f, segment, &t) : 0;
	unwind_dict_rules(d, &before);
	p.rules_max = before + UNWIND_RULES_OF_FILE;
	p.index = malloc(UNWIND_PIECE_WORDS * sizeof(*p.index));
	p.packed = malloc(UNWIND_PIECE_WORDS * sizeof(*p.packed));
	if (!p.index || !p.packed)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		p.segment = segment[i];
		r = pack_segment(&p);
		if (r < 0)
			return r;
	}
	unwind_dict_rules(d, &after);
	t.rules = after - before;
	*ret = t;
	t = (struct unwind_table){};
	return 0;
}

int unwind_table_build(const struct elf_file *f, struct unwind_dict *d, struct unwind_table *ret,
		       struct err *err)
{
	auto_clean(cfi_rows_done) struct cfi_rows rows = {};
	int r = cfi_read(f, &rows, err);

	return r < 0 ? r : unwind_table_pack(f, &rows, d, ret);
}

const char *unwind_refused_name(enum cfi_refused reason)
{
	static const char *const names[] = {
#define REFUSED(name, help) #name,
#include "unwind/refused.def"
#undef REFUSED
	};

	return reason < CFI_REFUSED_MAX ? names[reason] : "?";
}
