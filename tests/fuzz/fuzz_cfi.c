/*
 * Unwind rows from the bytes of .eh_frame and .debug_frame, the tables packed from them, and the
 * walk over those. A table must say at every address what the rows say.
 * smoke: 10000
 */
#include "fuzz.h"

#include <elf.h>

#include "sys/elf.h"
#include "unwind/cfi.h"
#include "unwind/table.h"
#include "unwind/walk.h"

#define CODE_BYTES_MAX 0x8000u
#define FRAMES_MAX 64

/* What the input says besides the sections. */
struct shape {
	bool debug_frame, open_ended, two_sections, two_segments, unlimited;
	uint64_t vaddr; /* of the section */
	struct cfi_range code;
	const uint8_t *data;
	size_t size;
};

static int64_t read_code(void *ctx, uint64_t vaddr, void *ret, size_t size)
{
	const struct shape *s = ctx;

	if (vaddr < s->code.start || vaddr >= s->code.end || s->size == 0)
		return -1;
	if (size > s->code.end - vaddr)
		size = s->code.end - vaddr;
	for (size_t i = 0; i < size; i++)
		((uint8_t *)ret)[i] = s->data[(vaddr + i) % s->size];
	return (int64_t)size;
}

static struct shape take_shape(const uint8_t *data, size_t size)
{
	const uint8_t flags = (uint8_t)fuzz_take(&data, &size, 1);
	struct shape s = {
		.debug_frame = flags & 1,
		.open_ended = flags & 2,
		.two_sections = flags & 4,
		.two_segments = flags & 8,
		.unlimited = flags & 16,
	};

	s.vaddr = fuzz_take(&data, &size, 4);
	s.code.start = fuzz_take(&data, &size, 4);
	s.code.end = s.code.start + fuzz_take(&data, &size, 2) % CODE_BYTES_MAX + 1;
	s.data = data;
	s.size = size;
	return s;
}

static void check_rows(const struct cfi_rows *r)
{
	CLAIM(r->count <= CFI_ROWS_MAX);
	for (size_t i = 0; i < r->count; i++) {
		const struct cfi_row *row = &r->row[i];
		struct mt_unwind_rule at = cfi_rule_at(r, row->vaddr);

		CLAIM(i == 0 || row[-1].vaddr < row->vaddr);
		CLAIM(i == 0 || memcmp(&row[-1].rule, &row->rule, sizeof(row->rule)) != 0);
		CLAIM(memcmp(&at, &row->rule, sizeof(at)) == 0);
		CLAIM(row->rule.cfa <= MT_CFA_UNSUPPORTED && row->rule.bp <= MT_BP_LOST);
		CLAIM(cfi_find_row(r, row->vaddr) == i + 1);
	}
}

/* A program whose only content is this code, in one segment or in two; where the code is. */
static struct elf_file *program_with(const struct shape *s, uint64_t *ret_offset)
{
	static char image[0x2000 + CODE_BYTES_MAX];
	const uint64_t offset = 0x1000 + (s->code.start & 0xfff), len = s->code.end - s->code.start;
	const uint64_t first = s->two_segments ? len / 2 : len;
	Elf64_Ehdr head = {
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_DYN,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(head),
		.e_ehsize = sizeof(head),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = s->two_segments ? 2 : 1,
	};
	Elf64_Phdr ph[2] = { { .p_type = PT_LOAD,
			       .p_flags = PF_R | PF_X,
			       .p_offset = offset,
			       .p_vaddr = s->code.start,
			       .p_filesz = first,
			       .p_memsz = first } };
	struct elf_file *f = NULL;
	struct err err = {};

	ph[1] = ph[0];
	ph[1].p_offset += first;
	ph[1].p_vaddr += first;
	ph[1].p_filesz = ph[1].p_memsz = len - first;
	memcpy(image, &head, sizeof(head));
	memcpy(image + sizeof(head), ph, sizeof(ph));
	if (elf_open_fd(fuzz_file(image, offset + len), &f, &err) < 0)
		return NULL;
	*ret_offset = offset;
	return f;
}

static void check_table(const struct shape *s, const struct cfi_rows *rows,
			const struct unwind_table *t, const struct unwind_dict *d, uint64_t offset)
{
	size_t rules;
	const struct mt_unwind_rule *rule = unwind_dict_rules(d, &rules);

	CLAIM(t->count <= MT_UNWIND_PIECES);
	for (size_t i = 0; i < t->count; i++) {
		CLAIM(t->piece[i].start < t->piece[i].end);
		CLAIM(i == 0 || t->piece[i - 1].end <= t->piece[i].start);
		CLAIM(t->piece[i].count <= UNWIND_PIECE_WORDS);
	}
	if (t->refused[CFI_REFUSED_rules] || t->refused[CFI_REFUSED_pages] ||
	    t->refused[CFI_REFUSED_segments])
		return;
	for (uint64_t at = s->code.start; at < s->code.end; at++) {
		struct mt_unwind_rule wanted = cfi_rule_at(rows, at);
		uint32_t index = unwind_table_find(t, offset + (at - s->code.start));

		CLAIM(index < rules);
		CLAIM(memcmp(&rule[index], &wanted, sizeof(wanted)) == 0);
	}
}

/* A stack that the input is written all over. */
struct memory {
	const struct shape *s;
	const struct unwind_table *t;
	uint64_t offset;
};

static int read_stack(void *ctx, uint64_t address, void *ret, size_t size)
{
	const struct memory *m = ctx;

	if (m->s->size < 8 || address % 7 == 6)
		return -1;
	for (size_t i = 0; i < size; i += 8) {
		uint64_t word, at = (address + i) % (m->s->size - 7);

		memcpy(&word, m->s->data + at, 8);
		if (word & 1) /* else it would hardly ever be code */
			word = m->s->code.start + word % (m->s->code.end - m->s->code.start);
		else if (word & 2)
			word = address + 16 + word % 256;
		memcpy((char *)ret + i, &word, 8);
	}
	return 0;
}

static void find_code(void *ctx, uint64_t address, struct walk_place *ret)
{
	const struct memory *m = ctx;

	if (address < m->s->code.start || address >= m->s->code.end)
		return;
	ret->code = address % 16 == 3 ? WALK_CODE_NO_TABLE : WALK_CODE_TABLE;
	ret->table = m->t;
	ret->file_offset = m->offset + (address - m->s->code.start);
}

static void walk(const struct shape *s, const struct unwind_table *t, const struct unwind_dict *d,
		 uint64_t offset)
{
	struct memory m = { s, t, offset };
	const struct walk_ops ops = { .read = read_stack, .find = find_code, .ctx = &m };
	struct walk_regs regs = { .pc = s->code.start, .sp = 0x7ffd00001000, .bp = 0x7ffd00001040 };
	uint64_t pcs[FRAMES_MAX];
	enum walk_end end = 0;
	size_t n;

	for (unsigned int entry = 0; entry < 2; entry++) {
		n = walk_stack(&ops, d, &regs, entry, pcs, FRAMES_MAX, &end);
		CLAIM(n <= FRAMES_MAX && end >= WALK_END_COMPLETE && end <= WALK_END_DEPTH);
		CLAIM(n > 0 || regs.pc < 4096);
		regs.pc = s->code.start + (s->code.end - s->code.start) / 2;
	}
}

static void pack(const struct shape *s, const struct cfi_rows *rows)
{
	struct unwind_table t = {};
	struct unwind_dict *d = NULL;
	uint64_t offset = 0;
	struct elf_file *f = program_with(s, &offset);

	CLAIM(f && unwind_dict_new(&d) == 0);
	if (unwind_table_pack(f, rows, d, &t) == 0) {
		check_table(s, rows, &t, d, offset);
		walk(s, &t, d, offset);
		unwind_table_done(&t);
	}
	unwind_dict_free(d);
	elf_close(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct shape s = take_shape(data, size);
	const size_t half = s.two_sections ? s.size / 2 : s.size;
	struct cfi_input in = {
		.section = { { s.data, half, s.vaddr, s.debug_frame, s.open_ended },
			     { s.data + half, s.size - half, s.vaddr + half, true, false } },
		.sections = s.two_sections ? 2 : 1,
		.code = s.unlimited ? NULL : &s.code,
		.ranges = s.unlimited ? 0 : 1,
		.read_code = read_code,
		.ctx = &s,
		.machine = EM_X86_64,
	};
	struct cfi_rows rows = {};

	if (cfi_parse(&in, &rows) < 0)
		return 0;
	check_rows(&rows);
	pack(&s, &rows);
	cfi_rows_done(&rows);
	return 0;
}
