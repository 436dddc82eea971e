/* The ELF reader on this program, on the C library and on made files. */
#include "sys/elf.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "elf_maker.h"

/* Found by name in this program's own symbol table. */
__attribute__((noinline)) int elf_test_marker(int x);

int elf_test_marker(int x)
{
	return x * 3 + 1;
}

static struct elf_file *open_fd(int fd)
{
	struct elf_file *f = NULL;
	struct err err = {};

	assert_int_equal(elf_open_fd(fd, &f, &err), 0);
	return f;
}

static struct elf_file *open_made(const struct made_elf *m)
{
	int fd = made_elf_fd(m);
	struct elf_file *f;

	assert_true(fd >= 0);
	f = open_fd(fd);
	close(fd);
	return f;
}

static struct elf_file *open_self(void)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct elf_file *f = open_fd(fd);

	close(fd);
	return f;
}

struct search {
	const char *name;
	bool only_dynamic; /* count only those */
	struct elf_symbol found;
	size_t seen;
};

static int look(void *ctx, const struct elf_symbol *s)
{
	struct search *q = ctx;

	q->seen += s->dynamic || !q->only_dynamic;
	if (q->name && s->name && strcmp(s->name, q->name) == 0)
		q->found = *s;
	return 0;
}

static int stop_at_third(void *ctx, const struct elf_symbol *s)
{
	size_t *seen = ctx;

	(void)s;
	return ++*seen == 3 ? 77 : 0;
}

static uint64_t own_base(void)
{
	Dl_info info;

	assert_int_not_equal(dladdr((void *)(uintptr_t)elf_test_marker, &info), 0);
	return (uint64_t)(uintptr_t)info.dli_fbase;
}

static void a_function_of_this_program_is_found_at_its_address(void **state)
{
	struct elf_file *f = open_self();
	struct search q = { .name = "elf_test_marker" };

	(void)state;
	assert_int_equal(elf_each_function(f, look, &q), 0);
	assert_int_equal(q.found.vaddr, (uintptr_t)elf_test_marker - own_base());
	assert_true(q.found.size > 0);
	assert_true(q.found.global);
	assert_true(elf_has_symtab(f));
	assert_true(elf_has_interpreter(f));
	assert_int_equal(elf_is_64(f), sizeof(void *) == 8);
	assert_false(elf_is_go(f));
	elf_close(f);
}

static void lent_code_is_what_runs_in_memory(void **state)
{
	const uint64_t vaddr = (uintptr_t)elf_test_marker - own_base();
	struct elf_file *f = open_self();
	const uint8_t *code, *again;
	size_t len;

	(void)state;
	assert_int_equal(elf_code(f, vaddr, 16, &code, &len), 0);
	assert_int_equal(len, 16);
	assert_memory_equal(code, (void *)(uintptr_t)elf_test_marker, 16);
	assert_int_equal(elf_code(f, vaddr + 4, 8, &again, &len), 0);
	assert_ptr_equal(again, code + 4);
	elf_close(f);
}

static void code_ends_with_its_segment(void **state)
{
	struct made_elf m = {};
	struct elf_file *f = open_made(&m);
	const uint8_t *code;
	size_t len;

	(void)state;
	assert_int_equal(elf_code(f, MADE_CODE_VADDR + MADE_CODE_BYTES - 5, 64, &code, &len), 0);
	assert_int_equal(len, 5);
	assert_int_equal(elf_code(f, MADE_CODE_VADDR + MADE_CODE_BYTES, 1, &code, &len), -ENOENT);
	elf_close(f);
}

static void addresses_and_offsets_translate_both_ways(void **state)
{
	struct made_elf m = {};
	struct elf_file *f = open_made(&m);
	uint64_t at = 1;

	(void)state;
	assert_int_equal(elf_vaddr_to_offset(f, MADE_CODE_VADDR + 7, &at), 0);
	assert_int_equal(at, MADE_CODE_OFFSET + 7);
	assert_int_equal(elf_offset_to_vaddr(f, MADE_CODE_OFFSET + 7, &at), 0);
	assert_int_equal(at, MADE_CODE_VADDR + 7);
	at = 1;
	assert_int_equal(elf_vaddr_to_offset(f, MADE_CODE_VADDR - 1, &at), -ENOENT);
	assert_int_equal(elf_offset_to_vaddr(f, MADE_CODE_OFFSET + MADE_CODE_BYTES, &at), -ENOENT);
	assert_int_equal(at, 1);
	elf_close(f);
}

static void build_id_and_code_segment_are_described(void **state)
{
	struct made_elf m = { .note = "GNU", .note_type = NT_GNU_BUILD_ID };
	struct elf_file *f = open_made(&m);
	struct module_fact fact;

	(void)state;
	elf_describe(f, &fact);
	assert_string_equal(fact.build_id, "abcdef01");
	assert_int_equal(fact.segment_count, 1);
	assert_int_equal(fact.segment[0].vaddr, MADE_CODE_VADDR);
	assert_int_equal(fact.segment[0].file_offset, MADE_CODE_OFFSET);
	assert_int_equal(fact.segment[0].size, MADE_CODE_BYTES);
	assert_int_equal(elf_entry(f), MADE_CODE_VADDR);
	assert_int_equal(elf_machine(f), EM_X86_64);
	assert_false(elf_has_interpreter(f));
	elf_close(f);
}

static void a_build_id_too_long_to_keep_is_left_out(void **state)
{
	struct made_elf m = { .note = "GNU", .note_type = NT_GNU_BUILD_ID };
	int fd = made_elf_fd(&m);
	const uint32_t descsz = 33;
	const uint64_t filesz = 12 + 4 + 36;
	struct module_fact fact;
	struct elf_file *f;

	(void)state;
	assert_int_equal(pwrite(fd, &descsz, 4, MADE_NOTES + 4), 4);
	assert_int_equal(
		pwrite(fd, &filesz, 8,
		       sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr) + offsetof(Elf64_Phdr, p_filesz)),
		8);
	f = open_fd(fd);
	elf_describe(f, &fact);
	assert_string_equal(fact.build_id, "");
	elf_close(f);
	close(fd);
}

static void go_is_recognised_by_its_note(void **state)
{
	struct made_elf go = { .note = "Go", .note_type = 4 },
			other = { .note = "Go", .note_type = 5 };
	struct elf_file *f = open_made(&go), *g = open_made(&other);

	(void)state;
	assert_true(elf_is_go(f));
	assert_false(elf_is_go(g));
	elf_close(f);
	elf_close(g);
}

static void go_is_recognised_by_its_section(void **state)
{
	struct made_elf m = { .section = ".go.buildinfo" };
	struct elf_file *f = open_made(&m);

	(void)state;
	assert_true(elf_is_go(f));
	elf_close(f);
}

/* Removes section headers, and one hash table from PT_DYNAMIC. True when the other is there. */
static bool strip_headers(int fd, Elf64_Sxword hash_tag, Elf64_Sxword other_tag)
{
	bool found = false;
	Elf64_Ehdr h;
	Elf64_Phdr ph;
	Elf64_Dyn d;
	off_t at;

	assert_int_equal(pread(fd, &h, sizeof(h), 0), sizeof(h));
	h.e_shoff = h.e_shnum = h.e_shstrndx = 0;
	assert_int_equal(pwrite(fd, &h, sizeof(h), 0), sizeof(h));
	for (size_t i = 0; i < h.e_phnum; i++) {
		at = (off_t)(h.e_phoff + i * sizeof(ph));
		assert_int_equal(pread(fd, &ph, sizeof(ph), at), sizeof(ph));
		for (at = (off_t)ph.p_offset; ph.p_type == PT_DYNAMIC; at += sizeof(d)) {
			assert_int_equal(pread(fd, &d, sizeof(d), at), sizeof(d));
			if (d.d_tag == DT_NULL)
				return found;
			found |= d.d_tag == other_tag;
			if (d.d_tag == hash_tag)
				d.d_tag = DT_DEBUG;
			assert_int_equal(pwrite(fd, &d, sizeof(d), at), sizeof(d));
		}
	}
	return false;
}

static void expect_same_dynamic_symbols(Elf64_Sxword without_tag, Elf64_Sxword tag)
{
	struct search with = { .name = "getpid", .only_dynamic = true };
	struct search without = with;
	struct elf_file *f;
	off_t size;
	int fd = copy_libc(&size);

	f = open_fd(fd);
	assert_int_equal(elf_each_function(f, look, &with), 0);
	elf_close(f);
	if (!strip_headers(fd, without_tag, tag)) {
		close(fd);
		skip(); /* this C library has one kind only */
	}
	f = open_fd(fd);
	assert_int_equal(elf_each_function(f, look, &without), 0);
	assert_true(without.found.dynamic);
	assert_int_equal(without.found.vaddr, with.found.vaddr);
	assert_true(without.seen > 1000);
	assert_int_equal(without.seen, with.seen);
	assert_false(elf_has_symtab(f));
	elf_close(f);
	close(fd);
}

static void without_section_headers_the_gnu_hash_table_tells_the_symbols(void **state)
{
	(void)state;
	expect_same_dynamic_symbols(DT_HASH, DT_GNU_HASH);
}

static void without_section_headers_the_old_hash_table_tells_them_too(void **state)
{
	(void)state;
	expect_same_dynamic_symbols(DT_GNU_HASH, DT_HASH);
}

/* Each function that a search through all of them tells; and what is there and what is not. */
static void exported_symbols_are_found_by_their_hash(void **state)
{
	static const char *const names[] = { "getpid", "no_such_function", "stdout", "qsort_r" };
	struct search getpid_ = { .name = "getpid", .only_dynamic = true };
	struct search qsort_r_ = { .name = "qsort_r", .only_dynamic = true };
	struct elf_symbol found[4];
	struct elf_file *f;
	off_t size;
	int fd = copy_libc(&size);

	(void)state;
	f = open_fd(fd);
	assert_int_equal(elf_each_function(f, look, &getpid_), 0);
	assert_int_equal(elf_each_function(f, look, &qsort_r_), 0);
	assert_int_equal(elf_find_exported(f, names, 4, found), 0);
	assert_int_equal(found[0].vaddr, getpid_.found.vaddr);
	assert_int_equal(found[0].size, getpid_.found.size);
	assert_int_equal(found[1].vaddr, 0);
	assert_true(found[2].vaddr && found[2].size == sizeof(stdout));
	assert_int_equal(found[3].vaddr, qsort_r_.found.vaddr);
	elf_close(f);
	if (strip_headers(fd, DT_GNU_HASH, DT_HASH)) {
		f = open_fd(fd);
		assert_int_equal(elf_find_exported(f, names, 4, found), -ENOENT);
		elf_close(f);
	}
	close(fd);
}

static void only_defined_functions_with_a_name_are_told(void **state)
{
	static const struct made_symbol symbols[] = {
		{ "function", MADE_CODE_VADDR, 16 },
		{ "variable", MADE_CODE_VADDR + 16, 8, STB_GLOBAL, STT_OBJECT },
		{ "resolver", MADE_CODE_VADDR + 32, 8, STB_GLOBAL, STT_GNU_IFUNC },
		{ "own", MADE_CODE_VADDR + 64, 8, STB_LOCAL, STT_FUNC },
		{ "", MADE_CODE_VADDR + 96, 8 },
		{ "nowhere", 0, 8 },
	};
	struct made_elf m = { symbols, 6 };
	struct elf_file *f = open_made(&m);
	struct search q = { .name = "resolver" }, own = { .name = "own" };

	(void)state;
	assert_int_equal(elf_each_function(f, look, &q), 0);
	assert_int_equal(q.seen, 3);
	assert_true(q.found.ifunc);
	assert_int_equal(elf_each_function(f, look, &own), 0);
	assert_false(own.found.global);
	assert_false(own.found.dynamic);
	elf_close(f);
}

static void a_walk_stops_when_told_to(void **state)
{
	struct elf_file *f = open_self();
	size_t seen = 0;

	(void)state;
	assert_int_equal(elf_each_function(f, stop_at_third, &seen), 77);
	assert_int_equal(seen, 3);
	elf_close(f);
}

static int see_unnamed(void *ctx, const struct elf_symbol *s)
{
	struct search *q = ctx;

	assert_null(s->name);
	q->found = *s;
	q->seen++;
	return 0;
}

static void single_names_can_be_read_without_the_table(void **state)
{
	static const struct made_symbol symbols[] = { { "a_longer_name", MADE_CODE_VADDR, 16 } };
	struct made_elf m = { symbols, 1 };
	struct elf_file *f = open_made(&m);
	char name[64] = "untouched";
	struct search q = {};

	(void)state;
	assert_int_equal(elf_each_address(f, see_unnamed, &q), 0);
	assert_int_equal(q.seen, 1);
	assert_int_equal(q.found.name_ref, 1);
	assert_int_equal(elf_read_name(f, true, 1, name, sizeof(name)), -ENOENT);
	assert_int_equal(elf_read_name(f, false, 1u << 20, name, sizeof(name)), -ENOENT);
	assert_string_equal(name, "untouched");
	assert_int_equal(elf_read_name(f, false, 1, name, sizeof(name)), 13);
	assert_string_equal(name, "a_longer_name");
	assert_int_equal(elf_read_name(f, false, 1, name, 5), 4);
	assert_string_equal(name, "a_lo");
	elf_close(f);
}

static void what_is_not_an_elf_program_is_refused(void **state)
{
	struct elf_file *f = (struct elf_file *)state;
	struct made_elf m = {};
	struct err err = {};
	int fds[4] = { memfd_create("empty", MFD_CLOEXEC), open("/", O_RDONLY | O_CLOEXEC),
		       made_elf_fd(&m), made_elf_fd(&m) };

	assert_int_equal(pwrite(fds[2], "\2", 1, EI_DATA), 1);
	assert_int_equal(pwrite(fds[3], "\1", 1, offsetof(Elf64_Ehdr, e_type)), 1);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(elf_open_fd(fds[i], &f, &err), -ENOEXEC);
		assert_ptr_equal(f, state);
		assert_string_not_equal(err.text, "");
		close(fds[i]);
	}
	assert_int_equal(elf_open_fd(-1, &f, NULL), -EBADF);
}

static void a_section_is_there_when_it_has_bytes(void **state)
{
	struct elf_file *f = open_self();

	(void)state;
	assert_true(elf_has_section(f, ".text"));
	assert_false(elf_has_section(f, ".tex"));
	assert_false(elf_has_section(f, ".bss")); /* no bytes in the file */
	elf_close(f);
}

/* Without segments, of type ET_REL, its build id in a section: so does dwz leave it. */
static void a_file_that_describes_another_needs_no_segments(void **state)
{
	struct made_elf m = { .note = "GNU", .note_type = NT_GNU_BUILD_ID };
	const uint16_t none = 0, rel = ET_REL;
	const Elf64_Shdr note = { .sh_type = SHT_NOTE,
				  .sh_offset = MADE_NOTES,
				  .sh_size = sizeof(Elf64_Nhdr) + 8,
				  .sh_addralign = 4 };
	int fd = made_elf_fd(&m);
	struct module_fact fact;
	struct elf_file *f;

	(void)state;
	assert_int_equal(pwrite(fd, &none, 2, offsetof(Elf64_Ehdr, e_phnum)), 2);
	assert_int_equal(pwrite(fd, &rel, 2, offsetof(Elf64_Ehdr, e_type)), 2);
	assert_int_equal(pwrite(fd, &note, sizeof(note), MADE_SECTIONS + 3 * sizeof(note)),
			 sizeof(note));
	assert_int_equal(elf_open_fd(fd, &f, NULL), -ENOEXEC);
	assert_int_equal(elf_open_debug_fd(fd, &f), 0);
	elf_describe(f, &fact);
	assert_string_equal(fact.build_id, "abcdef01");
	assert_int_equal(fact.segment_count, 0);
	elf_close(f);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_function_of_this_program_is_found_at_its_address),
		cmocka_unit_test(lent_code_is_what_runs_in_memory),
		cmocka_unit_test(code_ends_with_its_segment),
		cmocka_unit_test(addresses_and_offsets_translate_both_ways),
		cmocka_unit_test(build_id_and_code_segment_are_described),
		cmocka_unit_test(a_build_id_too_long_to_keep_is_left_out),
		cmocka_unit_test(go_is_recognised_by_its_note),
		cmocka_unit_test(go_is_recognised_by_its_section),
		cmocka_unit_test(without_section_headers_the_gnu_hash_table_tells_the_symbols),
		cmocka_unit_test(without_section_headers_the_old_hash_table_tells_them_too),
		cmocka_unit_test(exported_symbols_are_found_by_their_hash),
		cmocka_unit_test(only_defined_functions_with_a_name_are_told),
		cmocka_unit_test(a_walk_stops_when_told_to),
		cmocka_unit_test(single_names_can_be_read_without_the_table),
		cmocka_unit_test(what_is_not_an_elf_program_is_refused),
		cmocka_unit_test(a_section_is_there_when_it_has_bytes),
		cmocka_unit_test(a_file_that_describes_another_needs_no_segments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
