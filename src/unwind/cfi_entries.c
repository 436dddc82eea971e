/*
 * The entries of .eh_frame and .debug_frame: common ones (CIE) and functions (FDE). A function
 * names its common entry by place; only places where the walk found one are believed, so that
 * nothing is read twice however entries point at each other.
 */
#include <dwarf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/search.h"
#include "base/vec.h"
#include "unwind/cfi_impl.h"

#define POINTER_BYTES 8
#define VERSION_MAX 4

struct entry {
	struct cursor body; /* after the id */
	const uint8_t *id_at;
	uint64_t at, id;
	bool is_64; /* lengths and offsets */
};

int cfi_add_cie(struct cfi_builder *b, const struct cfi_cie *cie)
{
	int r = vec_reserve(&b->cie, sizeof(*b->cie), b->cies, &b->cies_cap, CFI_CIES_MAX);

	if (r)
		return r == -ENOSPC ? -E2BIG : r;
	b->cie[b->cies++] = *cie;
	return 0;
}

int cfi_add_fde(struct cfi_builder *b, const struct cfi_fde *fde)
{
	int r = vec_reserve(&b->fde, sizeof(*b->fde), b->fdes, &b->fdes_cap, CFI_FDES_MAX);

	if (r)
		return r == -ENOSPC ? -E2BIG : r;
	b->fde[b->fdes++] = *fde;
	return 0;
}

int cfi_add_row(struct cfi_builder *b, uint64_t vaddr, struct mt_unwind_rule rule)
{
	int r;

	if (b->rows && b->row[b->rows - 1].vaddr == vaddr)
		b->rows--;
	if (b->rows && memcmp(&b->row[b->rows - 1].rule, &rule, sizeof(rule)) == 0)
		return 0;
	r = vec_reserve(&b->row, sizeof(*b->row), b->rows, &b->rows_cap, CFI_ROWS_MAX);
	if (r)
		return r == -ENOSPC ? -E2BIG : r;
	b->row[b->rows++] = (struct cfi_row){ vaddr, rule };
	return 0;
}

static uint64_t sign_extend(uint64_t v, unsigned bytes)
{
	const unsigned shift = 64 - 8 * bytes;

	return (uint64_t)((int64_t)(v << shift) >> shift);
}

static uint64_t read_format(struct cursor *c, uint8_t format)
{
	switch (format) {
	case DW_EH_PE_absptr:
	case DW_EH_PE_udata8:
	case DW_EH_PE_sdata8: return cursor_uint(c, 8);
	case DW_EH_PE_udata2: return cursor_uint(c, 2);
	case DW_EH_PE_sdata2: return sign_extend(cursor_uint(c, 2), 2);
	case DW_EH_PE_udata4: return cursor_uint(c, 4);
	case DW_EH_PE_sdata4: return sign_extend(cursor_uint(c, 4), 4);
	case DW_EH_PE_uleb128: return cursor_uleb(c);
	case DW_EH_PE_sleb128: return (uint64_t)cursor_sleb(c);
	default: return cursor_fail(c);
	}
}

bool cfi_read_pointer(struct cursor *c, uint8_t encoding, const struct cfi_section *s,
		      uint64_t *ret)
{
	const uint64_t at = s->vaddr + (uint64_t)(c->at - s->bytes);
	uint64_t v = read_format(c, encoding & 0x0f);

	if ((encoding & 0xf0) == DW_EH_PE_pcrel)
		v += at;
	else if ((encoding & 0xf0) != DW_EH_PE_absptr)
		return false;
	*ret = v;
	return !c->bad;
}

/* A pointer of no interest: of the personality routine. */
static void skip_pointer(struct cursor *c, uint8_t encoding, const struct cfi_section *s)
{
	uint64_t at;

	if (encoding == DW_EH_PE_omit)
		return;
	if ((encoding & 0x70) == DW_EH_PE_aligned) {
		at = s->vaddr + (uint64_t)(c->at - s->bytes);
		cursor_skip(c, -at & (POINTER_BYTES - 1));
		encoding = DW_EH_PE_absptr;
	}
	read_format(c, encoding & 0x0f);
}

/* Unknown letters end the reading: with a length ('z') what follows can still be passed over. */
static bool read_letters(struct cursor *c, const char *letters, struct cfi_cie *cie)
{
	for (; *letters; letters++) {
		switch (*letters) {
		case 'L': cursor_uint(c, 1); break;
		case 'P': skip_pointer(c, (uint8_t)cursor_uint(c, 1), cie->section); break;
		case 'R': cie->encoding = (uint8_t)cursor_uint(c, 1); break;
		case 'S': cie->signal = true; break;
		case 'B': /* pointers signed with key B */
		case 'G': /* tagged stack */ break;
		default: return cie->sized;
		}
	}
	return !c->bad;
}

static bool read_augmentation(struct cursor *c, const char *letters, struct cfi_cie *cie)
{
	const uint8_t *data;
	struct cursor inside;
	uint64_t len;

	if (*letters != 'z')
		return read_letters(c, letters, cie);
	cie->sized = true;
	len = cursor_uleb(c);
	data = cursor_skip(c, len);
	inside = (struct cursor){ data, c->at, false };
	return !c->bad && read_letters(&inside, letters + 1, cie);
}

/* .debug_frame of version 4 and later says how large addresses are. */
static bool read_sizes(struct cursor *c, uint64_t version)
{
	const uint64_t address = version >= 4 ? cursor_uint(c, 1) : POINTER_BYTES;
	const uint64_t segment = version >= 4 ? cursor_uint(c, 1) : 0;

	return address == POINTER_BYTES && segment == 0;
}

static bool read_cie(const struct cfi_arch *arch, struct cursor c, struct cfi_cie *cie)
{
	const uint64_t version = cursor_uint(&c, 1);
	const char *letters = (const char *)c.at;
	uint64_t ra;

	if (version == 0 || version == 2 || version > VERSION_MAX)
		return false;
	while (c.at < c.end && *c.at)
		c.at++;
	cursor_skip(&c, 1);
	if (c.bad)
		return false;
	if (strcmp(letters, "eh") == 0) {
		cursor_skip(&c, POINTER_BYTES);
		letters += 2;
	}
	if (!read_sizes(&c, version))
		return false;
	cie->code_factor = cursor_uleb(&c);
	cie->data_factor = cursor_sleb(&c);
	ra = version == 1 ? cursor_uint(&c, 1) : cursor_uleb(&c);
	if (c.bad || ra != arch->ra || !read_augmentation(&c, letters, cie))
		return false;
	cie->program = c.at;
	cie->program_len = (uint32_t)(c.end - c.at);
	cfi_run_initial(arch, cie);
	return cie->usable;
}

/* Common entries in a section are in order of their place. */
static const struct cfi_cie *find_cie(const struct cfi_builder *b, size_t first, uint64_t at)
{
	size_t i = first + search_first(b->cies - first, n, b->cie[first + n].at < at);

	return i < b->cies && b->cie[i].at == at ? &b->cie[i] : NULL;
}

static bool is_code(const struct cfi_input *in, uint64_t vaddr)
{
	for (size_t i = 0; i < in->ranges; i++)
		if (vaddr >= in->code[i].start && vaddr < in->code[i].end)
			return true;
	return in->ranges == 0;
}

/* Where a function's common entry is; UINT64_MAX when the entry is one itself. */
static uint64_t cie_place(const struct cfi_section *s, const struct entry *e)
{
	if (s->debug_frame)
		return e->id == (e->is_64 ? UINT64_MAX : UINT32_MAX) ? UINT64_MAX : e->id;
	if (e->id == 0)
		return UINT64_MAX;
	/* Counted backwards; one before the section is nowhere. */
	return e->id > (uint64_t)(e->id_at - s->bytes) ? UINT64_MAX - 1
						       : (uint64_t)(e->id_at - s->bytes) - e->id;
}

static enum cfi_refused read_fde(struct cfi_builder *b, const struct cfi_cie *cie, struct cursor c,
				 struct cfi_fde *ret)
{
	uint64_t start, bytes, end;

	if (!cfi_read_pointer(&c, cie->encoding, cie->section, &start))
		return CFI_REFUSED_ranges;
	bytes = read_format(&c, cie->encoding & 0x0f);
	if (c.bad || __builtin_add_overflow(start, bytes, &end) ||
	    (bytes && !is_code(b->input, start)))
		return CFI_REFUSED_ranges;
	if (cie->sized)
		cursor_skip(&c, cursor_uleb(&c));
	if (c.bad)
		return CFI_REFUSED_entries;
	*ret = (struct cfi_fde){ start, end, c.at, (uint32_t)(c.end - c.at),
				 (uint32_t)(cie - b->cie) };
	return CFI_REFUSED_MAX;
}

/* *last: the common entry of the function before, most often the same again. */
static int take_fde(struct cfi_builder *b, size_t first, const struct entry *e, uint64_t place,
		    const struct cfi_cie **last)
{
	const struct cfi_cie *cie =
		*last && (*last)->at == place ? *last : find_cie(b, first, place);
	enum cfi_refused why = CFI_REFUSED_entries;
	struct cfi_fde fde;
	int r;

	*last = cie;
	if (cie && cie->usable)
		why = read_fde(b, cie, e->body, &fde);
	if (why != CFI_REFUSED_MAX) {
		b->refused[why]++;
		return 0;
	}
	if (fde.start == fde.end)
		return 0;
	r = cfi_add_fde(b, &fde);
	if (r == -E2BIG)
		b->refused[CFI_REFUSED_limits]++;
	return r == -E2BIG ? 0 : r;
}

static int take_cie(struct cfi_builder *b, const struct cfi_section *s, const struct entry *e)
{
	struct cfi_cie cie = { .section = s, .at = e->at, .encoding = DW_EH_PE_absptr };
	int r;

	cie.usable = read_cie(b->arch, e->body, &cie);
	if (!cie.usable)
		b->refused[CFI_REFUSED_entries]++;
	r = cfi_add_cie(b, &cie);
	if (r == -E2BIG)
		b->refused[CFI_REFUSED_limits]++;
	return r == -E2BIG ? 0 : r;
}

/* False at the end. A length that leads out of the section ends it: nothing after is in step. */
static bool next_entry(const struct cfi_section *s, struct cursor *c, struct entry *ret, bool *bad)
{
	uint64_t len;

	*bad = false;
	ret->at = (uint64_t)(c->at - s->bytes);
	if (c->end - c->at < 4)
		return false;
	len = cursor_uint(c, 4);
	ret->is_64 = len == UINT32_MAX;
	if (ret->is_64)
		len = cursor_uint(c, 8);
	if (len == 0) {
		ret->body = (struct cursor){ c->at, c->at, false };
		return !s->open_ended;
	}
	if (c->bad || len > (uint64_t)(c->end - c->at)) {
		*bad = true;
		return false;
	}
	ret->id_at = c->at;
	ret->body = (struct cursor){ c->at, c->at + len, false };
	/* In .eh_frame the id has 4 bytes, whatever the length has. */
	ret->id = cursor_uint(&ret->body, ret->is_64 && s->debug_frame ? 8 : 4);
	c->at += len;
	return true;
}

static int walk(struct cfi_builder *b, const struct cfi_section *s, size_t first, bool functions)
{
	struct cursor c = { s->bytes, s->bytes + s->len, false };
	const struct cfi_cie *last = NULL;
	struct entry e;
	bool bad;
	int r;

	while (next_entry(s, &c, &e, &bad)) {
		uint64_t place;

		if (e.body.at == e.body.end && !e.body.bad)
			continue;
		place = cie_place(s, &e);
		r = 0;
		if (e.body.bad)
			b->refused[CFI_REFUSED_entries] += functions;
		else if (functions && place != UINT64_MAX)
			r = take_fde(b, first, &e, place, &last);
		else if (!functions && place == UINT64_MAX)
			r = take_cie(b, s, &e);
		if (r < 0)
			return r;
	}
	b->refused[CFI_REFUSED_entries] += bad && functions;
	return 0;
}

int cfi_read_entries(struct cfi_builder *b, const struct cfi_section *s)
{
	const size_t first = b->cies;
	int r = walk(b, s, first, false);

	return r < 0 ? r : walk(b, s, first, true);
}
