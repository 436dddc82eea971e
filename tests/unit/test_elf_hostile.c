/* The ELF reader on files that lie, shrink or are damaged. */
#include "sys/elf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "elf_maker.h"

static struct elf_file *open_fd(int fd)
{
	struct elf_file *f = NULL;
	struct err err = {};

	assert_int_equal(elf_open_fd(fd, &f, &err), 0);
	return f;
}

struct search {
	size_t seen;
};

static int look(void *ctx, const struct elf_symbol *s)
{
	struct search *q = ctx;

	/* Reads the name to its end. */
	q->seen += s->name ? strlen(s->name) < SIZE_MAX : 1;
	return 0;
}

static void code_lent_to_one_caller_is_limited(void **state)
{
	struct made_elf m = {};
	int fd = made_elf_fd(&m), r = 0;
	Elf64_Phdr ph = { .p_type = PT_LOAD,
			  .p_flags = PF_X,
			  .p_vaddr = MADE_CODE_VADDR,
			  .p_filesz = 1u << 30,
			  .p_memsz = 1u << 30 };
	struct elf_file *f;
	const uint8_t *code;
	size_t len, total = 0;

	(void)state;
	assert_int_equal(ftruncate(fd, 1u << 30), 0);
	assert_int_equal(pwrite(fd, &ph, sizeof(ph), sizeof(Elf64_Ehdr)), sizeof(ph));
	f = open_fd(fd);
	for (uint64_t at = 0; r == 0 && at < 64; at++) {
		r = elf_code(f, MADE_CODE_VADDR + at * (8u << 20), SIZE_MAX, &code, &len);
		total += r == 0 ? len : 0;
	}
	assert_int_equal(r, -E2BIG);
	assert_true(total <= 16u << 20);
	elf_close(f);
	close(fd);
}

static void a_name_outside_of_its_table_leaves_the_symbol_out(void **state)
{
	static const struct made_symbol symbols[] = { { "a", MADE_CODE_VADDR, 16 },
						      { "b", MADE_CODE_VADDR + 16, 16 } };
	struct made_elf m = { symbols, 2 };
	int fd = made_elf_fd(&m);
	const uint32_t far = 0x7fffffff;
	struct search q = {};
	struct elf_file *f;

	(void)state;
	assert_int_equal(pwrite(fd, &far, 4, MADE_SYMTAB + sizeof(Elf64_Sym)), 4);
	f = open_fd(fd);
	assert_int_equal(elf_each_function(f, look, &q), 0);
	assert_int_equal(q.seen, 1);
	elf_close(f);
	close(fd);
}

static int look_for_none(void *ctx, const struct elf_symbol *s)
{
	*(size_t *)ctx += !s->name[0];
	return 0;
}

/* Symbols that all have the same name, of this many bytes. */
static struct elf_file *open_with_names(size_t count, size_t name_bytes)
{
	const struct made_elf m = {};
	const Elf64_Xword bytes = (count + 1) * sizeof(Elf64_Sym), strings = 1 + name_bytes + 1;
	const off_t table = MADE_SECTIONS + sizeof(Elf64_Shdr);
	Elf64_Sym *sym = calloc(count + 1, sizeof(*sym));
	char *name = malloc(name_bytes);
	int fd = made_elf_fd(&m);
	struct elf_file *f;

	for (size_t i = 1; i <= count; i++)
		sym[i] = (Elf64_Sym){ .st_name = 1,
				      .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
				      .st_shndx = 4,
				      .st_value = MADE_CODE_VADDR };
	memset(name, 'x', name_bytes);
	assert_int_equal(pwrite(fd, sym, bytes, MADE_SYMTAB), bytes);
	assert_int_equal(pwrite(fd, name, name_bytes, MADE_STRINGS + 1), name_bytes);
	assert_int_equal(pwrite(fd, &bytes, 8, table + offsetof(Elf64_Shdr, sh_size)), 8);
	assert_int_equal(
		pwrite(fd, &strings, 8, table + sizeof(Elf64_Shdr) + offsetof(Elf64_Shdr, sh_size)),
		8);
	f = open_fd(fd);
	close(fd);
	free(name);
	free(sym);
	return f;
}

static void names_are_limited_one_by_one_and_in_all(void **state)
{
	static const struct {
		size_t count, bytes;
		int result;
		size_t without;
	} c[] = { { 2, ELF_NAME_MAX - 1, 0, 0 },
		  { 2, ELF_NAME_MAX, 0, 2 },
		  { 40000, 4000, -E2BIG, 0 } };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct elf_file *f = open_with_names(c[i].count, c[i].bytes);
		size_t without = 0;

		assert_int_equal(elf_each_function(f, look_for_none, &without), c[i].result);
		assert_int_equal(without, c[i].without);
		elf_close(f);
	}
}

/* Every header may tell of the same bytes. */
static void notes_are_limited_in_all(void **state)
{
	static const struct made_elf m = { .note = "GNU", .note_type = NT_GNU_BUILD_ID };
	const Elf64_Phdr junk = { .p_type = PT_NOTE,
				  .p_align = 4,
				  .p_filesz = 64 << 10,
				  .p_offset = MADE_SYMTAB + sizeof(Elf64_Sym) };
	const off_t first = sizeof(Elf64_Ehdr), size = sizeof(junk);

	(void)state;
	for (uint16_t before = 3; before <= 4; before++) {
		const uint16_t count = before + 2;
		struct module_fact told;
		struct elf_file *f;
		int fd = made_elf_fd(&m);
		Elf64_Phdr note;

		assert_int_equal(pread(fd, &note, size, first + size), size);
		for (uint16_t i = 0; i < before; i++)
			assert_int_equal(pwrite(fd, &junk, size, first + (i + 1) * size), size);
		assert_int_equal(pwrite(fd, &note, size, first + (count - 1) * size), size);
		assert_int_equal(pwrite(fd, &count, 2, offsetof(Elf64_Ehdr, e_phnum)), 2);
		f = open_fd(fd);
		close(fd);
		elf_describe(f, &told);
		assert_string_equal(told.build_id, before < 4 ? "abcdef01" : "");
		elf_close(f);
	}
}

static void symbols_before_the_end_of_the_file_are_told(void **state)
{
	static const struct made_symbol symbols[] = { { "a", MADE_CODE_VADDR, 16 },
						      { "b", MADE_CODE_VADDR + 16, 16 } };
	struct made_elf m = { symbols, 2 };
	int fd = made_elf_fd(&m);
	struct search q = {};
	struct elf_file *f;

	(void)state;
	assert_int_equal(ftruncate(fd, MADE_SYMTAB + 2 * sizeof(Elf64_Sym) + 5), 0);
	f = open_fd(fd);
	assert_int_equal(elf_each_function(f, look, &q), -EBADMSG);
	assert_int_equal(q.seen, 1);
	elf_close(f);
	close(fd);
}

static void segments_whose_end_overflows_are_left_out(void **state)
{
	struct made_elf m = {};
	int fd = made_elf_fd(&m);
	const uint64_t far = UINT64_MAX - 16;
	struct elf_file *f = NULL;

	(void)state;
	assert_int_equal(pwrite(fd, &far, 8, sizeof(Elf64_Ehdr) + offsetof(Elf64_Phdr, p_vaddr)),
			 8);
	assert_int_equal(elf_open_fd(fd, &f, NULL), -ENOEXEC);
	close(fd);
}

/* Sizes that a sparse file makes believable must not decide how much memory is taken. */
static void sizes_of_a_sparse_file_are_not_believed(void **state)
{
	static const struct made_symbol symbols[] = { { "a", MADE_CODE_VADDR, 16 },
						      { "b", MADE_CODE_VADDR + 16, 16 } };
	struct made_elf m = { symbols, 2 };
	const uint64_t huge = (uint64_t)1 << 38, zero = 0, many = 1u << 21;
	const uint32_t far = 1u << 30;
	int fd = made_elf_fd(&m);
	struct search q = {};
	struct elf_file *f;

	(void)state;
	assert_int_equal(ftruncate(fd, (off_t)huge), 0);
	for (size_t i = 1; i <= 2; i++)
		assert_int_equal(pwrite(fd, &huge, 8,
					(off_t)(MADE_SECTIONS + i * sizeof(Elf64_Shdr) +
						offsetof(Elf64_Shdr, sh_size))),
				 8);
	assert_int_equal(pwrite(fd, &far, 4, MADE_SYMTAB + 2 * sizeof(Elf64_Sym)), 4);
	f = open_fd(fd);
	assert_int_equal(elf_each_function(f, look, &q), -E2BIG);
	assert_int_equal(q.seen, 1);
	elf_close(f);

	assert_int_equal(pwrite(fd, &zero, 2, offsetof(Elf64_Ehdr, e_shnum)), 2);
	assert_int_equal(pwrite(fd, &many, 8, MADE_SECTIONS + offsetof(Elf64_Shdr, sh_size)), 8);
	assert_int_equal(elf_open_fd(fd, &f, NULL), -ENOEXEC);
	close(fd);
}

static void a_file_that_shrinks_while_open_gives_errors(void **state)
{
	static const struct made_symbol symbols[] = { { "a", MADE_CODE_VADDR, 16 } };
	struct made_elf m = { symbols, 1 };
	int fd = made_elf_fd(&m);
	struct elf_file *f = open_fd(fd);
	struct search q = {};
	const uint8_t *code;
	char name[8];
	size_t len;

	(void)state;
	assert_int_equal(ftruncate(fd, 100), 0);
	assert_int_equal(elf_each_function(f, look, &q), -EBADMSG);
	assert_int_equal(q.seen, 0);
	assert_int_equal(elf_read_name(f, false, 1, name, sizeof(name)), -EBADMSG);
	assert_int_equal(elf_code(f, MADE_CODE_VADDR, 8, &code, &len), -EBADMSG);
	elf_close(f);
	close(fd);
}

/* Calls everything; results do not matter, surviving does. */
static void use_everything(int fd)
{
	static const char *const names[] = { "getpid", "no_such_function", "environ" };
	struct elf_symbol found[3];
	struct elf_file *f = NULL;
	struct module_fact fact;
	struct search q = {};
	const uint8_t *code;
	char name[32];
	uint64_t at;
	size_t len;

	if (elf_open_fd(fd, &f, NULL) < 0)
		return;
	elf_describe(f, &fact);
	elf_each_function(f, look, &q);
	elf_each_address(f, look, &q);
	elf_find_exported(f, names, 3, found);
	for (uint32_t i = 0; i < fact.segment_count; i++) {
		elf_vaddr_to_offset(f, fact.segment[i].vaddr, &at);
		elf_offset_to_vaddr(f, fact.segment[i].file_offset, &at);
		elf_code(f, fact.segment[i].vaddr, 64, &code, &len);
		elf_code(f, fact.segment[i].vaddr + fact.segment[i].size - 1, 64, &code, &len);
	}
	elf_code(f, elf_entry(f), 4096, &code, &len);
	elf_read_name(f, true, 1, name, sizeof(name));
	elf_read_name(f, false, UINT32_MAX, name, sizeof(name));
	elf_close(f);
}

static void a_file_cut_anywhere_is_survived(void **state)
{
	off_t size;
	int fd = copy_libc(&size);

	(void)state;
	for (off_t cut = size; cut > 4096; cut -= 4093 * 5) {
		assert_int_equal(ftruncate(fd, cut), 0);
		use_everything(fd);
	}
	for (off_t cut = 4096; cut > 0; cut -= 7) {
		assert_int_equal(ftruncate(fd, cut), 0);
		use_everything(fd);
	}
	close(fd);
}

static void flip_and_use(int fd, const off_t *at, const off_t *span, size_t places, size_t rounds)
{
	unsigned char old[4], flipped;
	off_t where[4];

	for (size_t i = 0; i < rounds; i++) {
		for (size_t k = 0; k < 4; k++) {
			size_t place = (size_t)random() % places;

			where[k] = at[place] + random() % span[place];
			assert_int_equal(pread(fd, &old[k], 1, where[k]), 1);
			flipped = random() % 3 ? (unsigned char)random() : old[k] ^ 0x80;
			assert_int_equal(pwrite(fd, &flipped, 1, where[k]), 1);
		}
		use_everything(fd);
		for (size_t k = 4; k-- > 0;)
			assert_int_equal(pwrite(fd, &old[k], 1, where[k]), 1);
	}
}

static void flipped_bytes_are_survived(void **state)
{
	static const struct made_symbol symbols[] = { { "a", MADE_CODE_VADDR, 16 },
						      { "_Z1bv", MADE_CODE_VADDR + 16, 16 } };
	struct made_elf m = { symbols, 2, .note = "GNU", .note_type = NT_GNU_BUILD_ID };
	const off_t at[] = { 0, MADE_SECTIONS, MADE_SYMTAB, MADE_NOTES };
	const off_t span[] = { 176, 256, 72, 24 };
	int fd = made_elf_fd(&m);

	(void)state;
	srandom(20240601);
	flip_and_use(fd, at, span, 4, 8000);
	close(fd);
}

/* Headers, PT_DYNAMIC and the hash table of a real library whose section headers are gone. */
static void flipped_bytes_of_dynamic_tables_are_survived(void **state)
{
	off_t size, at[3] = { 0 }, span[3] = { 1000, 512, 8192 };
	int fd = copy_libc(&size);
	Elf64_Ehdr h;
	Elf64_Phdr ph;

	(void)state;
	assert_int_equal(pread(fd, &h, sizeof(h), 0), sizeof(h));
	h.e_shoff = h.e_shnum = h.e_shstrndx = 0;
	assert_int_equal(pwrite(fd, &h, sizeof(h), 0), sizeof(h));
	for (size_t i = 0; i < h.e_phnum; i++) {
		assert_int_equal(pread(fd, &ph, sizeof(ph), (off_t)(h.e_phoff + i * sizeof(ph))),
				 sizeof(ph));
		if (ph.p_type == PT_DYNAMIC)
			at[1] = (off_t)ph.p_offset;
	}
	at[2] = 1000;
	srandom(20240602);
	flip_and_use(fd, at, span, 3, 1500);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(segments_whose_end_overflows_are_left_out),
		cmocka_unit_test(sizes_of_a_sparse_file_are_not_believed),
		cmocka_unit_test(a_file_that_shrinks_while_open_gives_errors),
		cmocka_unit_test(a_file_cut_anywhere_is_survived),
		cmocka_unit_test(flipped_bytes_are_survived),
		cmocka_unit_test(flipped_bytes_of_dynamic_tables_are_survived),
		cmocka_unit_test(code_lent_to_one_caller_is_limited),
		cmocka_unit_test(names_are_limited_one_by_one_and_in_all),
		cmocka_unit_test(notes_are_limited_in_all),
		cmocka_unit_test(symbols_before_the_end_of_the_file_are_told),
		cmocka_unit_test(a_name_outside_of_its_table_leaves_the_symbol_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
