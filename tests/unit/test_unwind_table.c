/* Packed unwind tables: what is found for every byte of code, sizes, limits. */
#include "unwind/table.h"

#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "elf_maker.h"
#include "sys/elf.h"

#define CODE 0x401000u
#define OFFSET 0x1000u
#define MIB ((uint64_t)1 << 20)

static const Elf64_Phdr nothing = { .p_type = PT_NULL };

static Elf64_Phdr code_at(uint64_t vaddr, uint64_t offset, uint64_t bytes)
{
	return (Elf64_Phdr){ .p_type = PT_LOAD,
			     .p_flags = PF_R | PF_X,
			     .p_align = 0x1000,
			     .p_vaddr = vaddr,
			     .p_offset = offset,
			     .p_filesz = bytes,
			     .p_memsz = bytes };
}

/* A file with these two load segments. */
static struct elf_file *open_with(Elf64_Phdr first, Elf64_Phdr second)
{
	const struct made_elf m = {};
	struct elf_file *f = NULL;
	int fd = made_elf_fd(&m);

	assert_int_equal(pwrite(fd, &first, sizeof(first), sizeof(Elf64_Ehdr)), sizeof(first));
	assert_int_equal(pwrite(fd, &second, sizeof(second), sizeof(Elf64_Ehdr) + sizeof(first)),
			 sizeof(second));
	assert_int_equal(elf_open_fd(fd, &f, NULL), 0);
	close(fd);
	return f;
}

static struct mt_unwind_rule rule(int32_t off)
{
	return (struct mt_unwind_rule){ .cfa = off ? MT_CFA_SP : MT_CFA_FRAME, .off = off };
}

struct made_table {
	struct elf_file *file;
	struct unwind_dict *dict;
	struct unwind_table table;
};

static void pack(struct made_table *m, Elf64_Phdr first, Elf64_Phdr second,
		 const struct cfi_row *row, size_t count)
{
	const struct cfi_rows rows = { .row = (struct cfi_row *)row, .count = count };

	m->file = open_with(first, second);
	assert_int_equal(unwind_dict_new(&m->dict), 0);
	assert_int_equal(unwind_table_pack(m->file, &rows, m->dict, &m->table), 0);
}

static void made_done(struct made_table *m)
{
	unwind_table_done(&m->table);
	unwind_dict_free(m->dict);
	elf_close(m->file);
}

static int32_t find_off(const struct made_table *m, uint64_t offset)
{
	size_t count;
	const struct mt_unwind_rule *rules = unwind_dict_rules(m->dict, &count);
	const uint32_t index = unwind_table_find(&m->table, offset);

	assert_true(index < count);
	return rules[index].off;
}

static void a_page_begins_with_the_rule_in_force(void **state)
{
	const struct cfi_row rows[] = {
		{ CODE + 0x10, rule(8) },
		{ CODE + 0x20, rule(16) },
		{ CODE + 0x2000, rule(24) },
		{ CODE + 0x2fff, rule(0) },
	};
	struct made_table m = {};
	const struct unwind_piece *p;

	(void)state;
	pack(&m, code_at(CODE, OFFSET, 0x3000), nothing, rows, 4);
	assert_int_equal(m.table.count, 1);
	p = &m.table.piece[0];
	assert_int_equal(p->start, OFFSET);
	assert_int_equal(p->end, OFFSET + 0x3000);
	assert_int_equal(p->base, OFFSET);
	/* Four numbers of the index; then the rows: 3 of the first page, 1, and 2. */
	assert_int_equal(p->count, 4 + 6);
	assert_int_equal(p->words[0], 4);
	assert_int_equal(p->words[1], 7);
	assert_int_equal(p->words[2], 8);
	assert_int_equal(p->words[3], 10);
	assert_int_equal(p->words[4], 0);
	assert_int_equal(p->words[5] >> 16, 0x10);
	assert_int_equal(p->words[6] >> 16, 0x20);
	assert_int_equal(p->words[7], p->words[6] & 0xffff);
	assert_int_equal(p->words[8] >> 16, 0);
	assert_int_equal(p->words[9], 0xfffu << 16);
	assert_int_equal(find_off(&m, OFFSET + 0xf), 0);
	assert_int_equal(find_off(&m, OFFSET + 0x10), 8);
	assert_int_equal(find_off(&m, OFFSET + 0x1fff), 16);
	assert_int_equal(find_off(&m, OFFSET + 0x2000), 24);
	assert_int_equal(find_off(&m, OFFSET + 0x2fff), 0);
	assert_int_equal(find_off(&m, OFFSET + 0x3000), 0);
	made_done(&m);
}

/* Rows at irregular places, and the packed table asked for every byte. */
static void every_byte_of_code_finds_its_row(void **state)
{
	enum { ROWS = 2000 };
	struct cfi_row *row = calloc(ROWS, sizeof(*row));
	struct cfi_rows rows = { .row = row, .count = ROWS };
	struct made_table m = {};
	uint64_t x = 12345, at = CODE + 5;

	(void)state;
	for (size_t i = 0; i < ROWS; i++) {
		x = x * 6364136223846793005u + 1442695040888963407u;
		row[i] = (struct cfi_row){ at, rule((int32_t)((i + 1) % 40) * 8) };
		at += 1 + (x >> 60) * (x >> 61) + (i % 100 == 0 ? 20000 : 0);
	}
	/* The segment begins and ends inside a page, and after the first row. */
	pack(&m, code_at(CODE + 0x123, OFFSET + 0x123, at - CODE - 0x321), nothing, row, ROWS);
	for (uint64_t i = 0x123; i < at - CODE - 0x321 + 0x123; i++)
		assert_int_equal(find_off(&m, OFFSET + i), cfi_rule_at(&rows, CODE + i).off);
	assert_int_equal(m.table.piece[0].start, OFFSET + 0x123);
	assert_int_equal(m.table.piece[0].base, OFFSET);
	assert_int_equal(unwind_table_find(&m.table, OFFSET + 0x122), 0);
	made_done(&m);
	free(row);
}

/* The address behind the segment is none: a row for each byte, and the last page has to begin a
 * piece. */
static void code_at_the_end_of_the_address_space_is_packed(void **state)
{
	enum { PAGES = 17, BYTES = PAGES * 4096 - 1 };
	const uint64_t start = 0 - (uint64_t)PAGES * 4096;
	struct cfi_row *row = calloc(BYTES, sizeof(*row));
	struct cfi_rows rows = { .row = row };
	struct made_table m = {};

	(void)state;
	for (uint64_t i = 0; i < BYTES; i++)
		if (i / 4096 != PAGES - 2 || i % 4096 < 4000) /* a few words short of a piece */
			row[rows.count++] =
				(struct cfi_row){ start + i, rule((int32_t)(i % 7 + 1) * 8) };
	pack(&m, code_at(start, OFFSET, BYTES), nothing, row, rows.count);
	assert_int_equal(m.table.count, 2);
	for (uint64_t i = 0; i < BYTES; i++)
		assert_int_equal(find_off(&m, OFFSET + i), cfi_rule_at(&rows, start + i).off);
	made_done(&m);
	free(row);
}

static void code_without_tables_takes_no_room(void **state)
{
	const uint64_t far = CODE + 300 * MIB;
	const struct cfi_row rows[] = {
		{ CODE + 200 * MIB, rule(8) },
		{ CODE + 200 * MIB + 64, rule(0) },
		{ far, rule(16) },
		{ far + 64, rule(0) },
		{ far + 0x8000, rule(24) },
		{ far + 0x8040, rule(0) },
	};
	struct made_table m = {};

	(void)state;
	pack(&m, code_at(CODE, OFFSET, 1000 * MIB), nothing, rows, 6);
	assert_int_equal(m.table.count, 2);
	assert_true(m.table.words < 40);
	assert_int_equal(find_off(&m, OFFSET + 200 * MIB), 8);
	assert_int_equal(find_off(&m, OFFSET + 200 * MIB + 64), 0);
	assert_int_equal(find_off(&m, OFFSET + 250 * MIB), 0);
	assert_int_equal(find_off(&m, OFFSET + 300 * MIB + 0x8000), 24);
	assert_int_equal(find_off(&m, OFFSET + 999 * MIB), 0);
	made_done(&m);
}

static void a_large_file_has_several_pieces(void **state)
{
	enum { ROWS = 3 * UNWIND_PIECE_WORDS };
	struct cfi_row *row = calloc(ROWS, sizeof(*row));
	struct made_table m = {};
	uint64_t end = OFFSET;

	(void)state;
	for (size_t i = 0; i < ROWS; i++)
		row[i] = (struct cfi_row){ CODE + 2 * i, rule(8 + 8 * (int32_t)(i % 7)) };
	pack(&m, code_at(CODE, OFFSET, 2 * ROWS), nothing, row, ROWS);
	assert_int_equal(m.table.count, 4);
	for (size_t i = 0; i < m.table.count; i++) {
		const struct unwind_piece *p = &m.table.piece[i];

		assert_true(p->count <= UNWIND_PIECE_WORDS);
		assert_int_equal(p->start, end);
		assert_int_equal(p->words[(p->end - p->base) >> 12], p->count);
		end = p->end;
	}
	assert_int_equal(end, OFFSET + 2 * ROWS);
	for (size_t i = 0; i < ROWS; i += 11)
		assert_int_equal(find_off(&m, OFFSET + 2 * i + 1), 8 + 8 * (i % 7));
	made_done(&m);
	free(row);
}

static void pages_beyond_the_last_piece_are_counted(void **state)
{
	const struct cfi_row rows[] = { { CODE, rule(8) } };
	const uint64_t all = 20000 * MIB;
	struct made_table m = {};
	uint64_t end;

	(void)state;
	pack(&m, code_at(CODE, OFFSET, all), nothing, rows, 1);
	assert_int_equal(m.table.count, MT_UNWIND_PIECES);
	end = m.table.piece[MT_UNWIND_PIECES - 1].end;
	assert_int_equal(m.table.refused[CFI_REFUSED_pages], (OFFSET + all - end) / 4096 + 1);
	assert_int_equal(find_off(&m, end - 1), 8);
	assert_int_equal(find_off(&m, end), 0);
	made_done(&m);
}

static void segments_share_a_table_by_place_in_the_file(void **state)
{
	const struct cfi_row rows[] = { { CODE, rule(8) }, { CODE + 0x900000, rule(16) } };
	struct made_table m = {};

	(void)state;
	pack(&m, code_at(CODE + 0x900000, OFFSET + 0x1000, 0x100), code_at(CODE, OFFSET, 0x1000),
	     rows, 2);
	assert_int_equal(m.table.count, 2);
	assert_int_equal(find_off(&m, OFFSET), 8);
	assert_int_equal(find_off(&m, OFFSET + 0xfff), 8);
	assert_int_equal(find_off(&m, OFFSET + 0x1000), 16);
	assert_int_equal(find_off(&m, OFFSET + 0x1100), 0);
	assert_int_equal(m.table.refused[CFI_REFUSED_segments], 0);
	made_done(&m);
}

static void segments_that_cannot_be_mapped_are_refused(void **state)
{
	const struct cfi_row rows[] = { { CODE, rule(8) } };
	struct made_table m = {};

	(void)state;
	pack(&m, code_at(CODE, OFFSET, 0x2000), code_at(CODE + 0x1800, OFFSET + 0x1800, 0x1000),
	     rows, 1);
	assert_int_equal(m.table.count, 1);
	assert_int_equal(m.table.refused[CFI_REFUSED_segments], 1);
	made_done(&m);
	pack(&m, code_at(CODE, OFFSET + 8, 0x2000), nothing, rows, 1);
	assert_int_equal(m.table.count, 0);
	assert_int_equal(m.table.refused[CFI_REFUSED_segments], 1);
	made_done(&m);
}

static void equal_rules_are_stored_once(void **state)
{
	const struct cfi_row rows[] = { { CODE, rule(8) },
					{ CODE + 16, rule(16) },
					{ CODE + 32, rule(8) },
					{ CODE + 48, rule(0) } };
	const struct cfi_rows again = { .row = (struct cfi_row *)rows, .count = 4 };
	const struct mt_unwind_rule *rules;
	struct unwind_table second;
	struct made_table m = {};
	size_t count;

	(void)state;
	pack(&m, code_at(CODE, OFFSET, 0x100), nothing, rows, 4);
	rules = unwind_dict_rules(m.dict, &count);
	assert_int_equal(count, 4);
	assert_int_equal(rules[0].cfa, MT_CFA_FRAME);
	assert_int_equal(rules[1].cfa, MT_CFA_UNSUPPORTED);
	assert_int_equal(m.table.rules, 2);
	assert_int_equal(unwind_table_pack(m.file, &again, m.dict, &second), 0);
	assert_int_equal(second.rules, 0);
	unwind_table_done(&second);
	made_done(&m);
}

/* One row of each kind that there is room for, and then some. */
static void rules_without_room_stop_and_are_counted(void **state)
{
	enum { ROWS = MT_UNWIND_RULES };
	struct cfi_row *row = calloc(ROWS, sizeof(*row));
	struct cfi_rows rows = { .row = row, .count = ROWS };
	const struct mt_unwind_rule *rules;
	struct made_table m = {};
	size_t count;

	(void)state;
	for (size_t i = 0; i < ROWS; i++)
		row[i] = (struct cfi_row){ CODE + i, rule(8 + (int32_t)i) };
	pack(&m, code_at(CODE, OFFSET, ROWS), nothing, row, ROWS);
	assert_int_equal(m.table.rules, UNWIND_RULES_OF_FILE);
	assert_int_equal(m.table.refused[CFI_REFUSED_rules], ROWS - UNWIND_RULES_OF_FILE);
	assert_int_equal(find_off(&m, OFFSET + UNWIND_RULES_OF_FILE - 1),
			 8 + UNWIND_RULES_OF_FILE - 1);
	rules = unwind_dict_rules(m.dict, &count);
	assert_int_equal(rules[unwind_table_find(&m.table, OFFSET + ROWS - 1)].cfa,
			 MT_CFA_UNSUPPORTED);
	/* Other files find the rest of the room, and then it is full. */
	for (int i = 0; i < 5; i++) {
		unwind_table_done(&m.table);
		for (size_t k = 0; k < ROWS; k++)
			row[k].rule.off += ROWS;
		assert_int_equal(unwind_table_pack(m.file, &rows, m.dict, &m.table), 0);
	}
	unwind_dict_rules(m.dict, &count);
	assert_int_equal(count, MT_UNWIND_RULES);
	assert_int_equal(m.table.rules, 0);
	assert_int_equal(m.table.refused[CFI_REFUSED_rules], ROWS);
	made_done(&m);
	free(row);
}

static void the_c_library_has_a_table(void **state)
{
	struct unwind_table t = {};
	struct unwind_dict *d = NULL;
	struct elf_file *f = NULL;
	off_t size;
	int fd = copy_libc(&size);

	(void)state;
	assert_int_equal(unwind_dict_new(&d), 0);
	assert_int_equal(elf_open_fd(fd, &f, NULL), 0);
	assert_int_equal(unwind_table_build(f, d, &t, NULL), 0);
	assert_in_range(t.count, 1, 4);
	assert_true(t.fdes > 1000 && t.rows > 5000 && t.words > t.rows);
	for (int i = 0; i < CFI_REFUSED_MAX; i++)
		assert_int_equal(t.refused[i], 0);
	unwind_table_done(&t);
	elf_close(f);
	/* The same file, shorter: an error, not half a table. */
	assert_int_equal(ftruncate(fd, size / 2), 0);
	assert_int_equal(elf_open_fd(fd, &f, NULL), 0);
	assert_int_equal(unwind_table_build(f, d, &t, NULL), -EBADMSG);
	assert_int_equal(t.count, 0);
	elf_close(f);
	close(fd);
	unwind_dict_freep(&d);
}

static void the_vdso_has_a_table(void **state)
{
	const void *vdso = (const void *)getauxval(AT_SYSINFO_EHDR);
	struct unwind_table t = {};
	struct unwind_dict *d = NULL;
	struct elf_file *f = NULL;

	(void)state;
	if (!vdso)
		skip();
	assert_int_equal(unwind_dict_new(&d), 0);
	assert_int_equal(elf_open_memory(vdso, 4096, &f, NULL), 0);
	assert_int_equal(unwind_table_build(f, d, &t, NULL), 0);
	assert_true(t.count == 1 && t.rows > 5);
	unwind_table_done(&t);
	unwind_dict_free(d);
	elf_close(f);
}

static void other_machines_have_no_tables_yet(void **state)
{
	const uint16_t arm64 = EM_AARCH64;
	const struct made_elf m = {};
	struct unwind_table t = { .count = 3 };
	struct unwind_dict *d = NULL;
	struct elf_file *f = NULL;
	struct err err = {};
	int fd = made_elf_fd(&m);

	(void)state;
	assert_int_equal(pwrite(fd, &arm64, 2, offsetof(Elf64_Ehdr, e_machine)), 2);
	assert_int_equal(unwind_dict_new(&d), 0);
	assert_int_equal(elf_open_fd(fd, &f, NULL), 0);
	assert_int_equal(unwind_table_build(f, d, &t, &err), -EOPNOTSUPP);
	assert_true(err.text[0]);
	assert_int_equal(t.count, 3);
	unwind_dict_free(d);
	elf_close(f);
	close(fd);
}

static void a_file_without_tables_is_no_error(void **state)
{
	struct elf_file *f = open_with(code_at(CODE, OFFSET, 0x1000), nothing);
	struct unwind_table t = {};
	struct unwind_dict *d = NULL;

	(void)state;
	assert_int_equal(unwind_dict_new(&d), 0);
	assert_int_equal(unwind_table_build(f, d, &t, NULL), 0);
	assert_int_equal(t.count, 0);
	unwind_table_done(&t);
	unwind_dict_free(d);
	elf_close(f);
}

static void every_reason_to_refuse_has_a_name(void **state)
{
	(void)state;
	for (int i = 0; i < CFI_REFUSED_MAX; i++)
		assert_true(strlen(unwind_refused_name(i)) > 1);
	assert_string_equal(unwind_refused_name(CFI_REFUSED_MAX), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_page_begins_with_the_rule_in_force),
		cmocka_unit_test(every_byte_of_code_finds_its_row),
		cmocka_unit_test(code_at_the_end_of_the_address_space_is_packed),
		cmocka_unit_test(code_without_tables_takes_no_room),
		cmocka_unit_test(a_large_file_has_several_pieces),
		cmocka_unit_test(pages_beyond_the_last_piece_are_counted),
		cmocka_unit_test(segments_share_a_table_by_place_in_the_file),
		cmocka_unit_test(segments_that_cannot_be_mapped_are_refused),
		cmocka_unit_test(equal_rules_are_stored_once),
		cmocka_unit_test(rules_without_room_stop_and_are_counted),
		cmocka_unit_test(the_c_library_has_a_table),
		cmocka_unit_test(the_vdso_has_a_table),
		cmocka_unit_test(other_machines_have_no_tables_yet),
		cmocka_unit_test(a_file_without_tables_is_no_error),
		cmocka_unit_test(every_reason_to_refuse_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
