/* Whole sections and segments of ELF files: plain, compressed, damaged, without headers. */
#include "sys/elf.h"

#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

#include "elf_maker.h"

#define AT 0x3000u /* where tests put the bytes of a section */
#define MAX 100000u

static struct elf_file *open_fd(int fd)
{
	struct elf_file *f = NULL;

	assert_int_equal(elf_open_fd(fd, &f, NULL), 0);
	return f;
}

/* A file whose section ".some" has this header, and these bytes at AT. */
static struct elf_file *make(Elf64_Shdr h, const void *bytes, size_t len, int *ret_fd)
{
	const struct made_elf m = { .section = ".some" };
	const off_t at = MADE_SECTIONS + 3 * sizeof(h);
	Elf64_Shdr now;
	int fd = made_elf_fd(&m);

	assert_int_equal(pread(fd, &now, sizeof(now), at), sizeof(now));
	h.sh_name = now.sh_name;
	assert_int_equal(pwrite(fd, &h, sizeof(h), at), sizeof(h));
	if (len)
		assert_int_equal(pwrite(fd, bytes, len, AT), len);
	*ret_fd = fd;
	return open_fd(fd);
}

static int read_some(Elf64_Shdr h, const void *bytes, size_t len, struct elf_bytes *ret)
{
	struct elf_file *f;
	int fd, r;

	f = make(h, bytes, len, &fd);
	r = elf_section(f, ".some", MAX, ret);
	elf_close(f);
	close(fd);
	return r;
}

static void a_section_is_read_by_name(void **state)
{
	const Elf64_Shdr h = {
		.sh_type = SHT_PROGBITS, .sh_offset = AT, .sh_size = 5, .sh_addr = 0x777000
	};
	struct elf_bytes b = {};
	struct elf_file *f;
	int fd;

	(void)state;
	f = make(h, "hello", 5, &fd);
	assert_int_equal(elf_section(f, ".some", 5, &b), 0);
	assert_int_equal(b.len, 5);
	assert_memory_equal(b.bytes, "hello", 5);
	assert_int_equal(b.vaddr, 0x777000);
	assert_false(b.to_segment_end);
	free(b.bytes);
	b.len = 99;
	assert_int_equal(elf_section(f, ".other", 5, &b), -ENOENT);
	assert_int_equal(elf_section(f, ".some", 4, &b), -E2BIG);
	assert_int_equal(b.len, 99);
	elf_close(f);
	close(fd);
}

static void a_section_that_is_not_there_is_not_read(void **state)
{
	struct elf_bytes b = {};

	(void)state;
	assert_int_equal(read_some((Elf64_Shdr){ .sh_type = SHT_NOBITS, .sh_size = 5 }, "", 0, &b),
			 -ENOENT);
	assert_int_equal(read_some((Elf64_Shdr){ .sh_type = SHT_PROGBITS }, "", 0, &b), -ENOENT);
	assert_int_equal(read_some((Elf64_Shdr){ .sh_type = SHT_PROGBITS,
						 .sh_offset = 1u << 20,
						 .sh_size = 5 },
				   "", 0, &b),
			 -EBADMSG);
	assert_int_equal(read_some((Elf64_Shdr){ .sh_type = SHT_PROGBITS,
						 .sh_offset = UINT64_MAX - 2,
						 .sh_size = 5 },
				   "", 0, &b),
			 -EBADMSG);
}

static void a_file_that_shrinks_gives_no_section(void **state)
{
	const Elf64_Shdr h = { .sh_type = SHT_PROGBITS, .sh_offset = AT, .sh_size = 0x4000 };
	struct elf_bytes b = {};
	struct elf_file *f;
	int fd;

	(void)state;
	f = make(h, "x", 1, &fd);
	assert_int_equal(ftruncate(fd, AT + 0x2000), 0);
	assert_int_equal(elf_section(f, ".some", MAX, &b), -EBADMSG);
	assert_null(b.bytes);
	elf_close(f);
	close(fd);
}

/* zlib's bytes of `len` letters behind a header that claims `claimed`. */
static size_t compress_letters(uint8_t *ret, size_t size, size_t len, uint64_t claimed)
{
	Elf64_Chdr h = { .ch_type = ELFCOMPRESS_ZLIB, .ch_size = claimed, .ch_addralign = 1 };
	uint8_t *letters = malloc(len);
	uLongf n = size - sizeof(h);

	memset(letters, 'a', len);
	memcpy(ret, &h, sizeof(h));
	assert_int_equal(compress(ret + sizeof(h), &n, letters, len), Z_OK);
	free(letters);
	return n + sizeof(h);
}

static int read_compressed(size_t len, uint64_t claimed, size_t cut, struct elf_bytes *ret)
{
	uint8_t bytes[4096];
	const size_t n = compress_letters(bytes, sizeof(bytes), len, claimed) - cut;

	return read_some((Elf64_Shdr){ .sh_type = SHT_PROGBITS,
				       .sh_flags = SHF_COMPRESSED,
				       .sh_addralign = 1,
				       .sh_offset = AT,
				       .sh_size = n },
			 bytes, n, ret);
}

static void compressed_bytes_are_inflated(void **state)
{
	struct elf_bytes b = {};

	(void)state;
	assert_int_equal(read_compressed(MAX, MAX, 0, &b), 0);
	assert_int_equal(b.len, MAX);
	for (size_t i = 0; i < b.len; i++)
		assert_int_equal(b.bytes[i], 'a');
	free(b.bytes);
}

static void compressed_bytes_that_lie_are_refused(void **state)
{
	struct elf_bytes b = {};

	(void)state;
	assert_int_equal(read_compressed(MAX + 1, MAX + 1, 0, &b), -E2BIG);
	assert_int_equal(read_compressed(1000, UINT64_MAX, 0, &b), -E2BIG);
	assert_int_equal(read_compressed(1000, 2000, 0, &b), -EBADMSG);
	assert_int_equal(read_compressed(2000, 1000, 0, &b), -EBADMSG);
	assert_int_equal(read_compressed(1000, 1000, 6, &b), -EBADMSG);
	assert_int_equal(read_some((Elf64_Shdr){ .sh_type = SHT_PROGBITS,
						 .sh_flags = SHF_COMPRESSED,
						 .sh_offset = AT,
						 .sh_size = 7 },
				   "\1\0\0\0\0\0\0", 7, &b),
			 -EBADMSG);
	assert_null(b.bytes);
}

/* The C library without section headers has the same .eh_frame, and more after it. */
static void eh_frame_is_found_without_section_headers(void **state)
{
	const uint8_t none[sizeof(uint16_t) * 2] = {};
	struct elf_bytes with = {}, without = {};
	const uint64_t nowhere = 0;
	struct elf_file *f;
	off_t size;
	int fd = copy_libc(&size);

	(void)state;
	f = open_fd(fd);
	assert_int_equal(elf_eh_frame(f, MAX * 10, &with), 0);
	elf_close(f);
	assert_int_equal(pwrite(fd, &nowhere, 8, offsetof(Elf64_Ehdr, e_shoff)), 8);
	assert_int_equal(pwrite(fd, none, 4, offsetof(Elf64_Ehdr, e_shnum)), 4);
	f = open_fd(fd);
	assert_int_equal(elf_eh_frame(f, MAX * 10, &without), 0);
	assert_true(without.to_segment_end);
	assert_int_equal(without.vaddr, with.vaddr);
	assert_true(without.len >= with.len);
	assert_memory_equal(without.bytes, with.bytes, with.len);
	free(without.bytes);
	/* What does not fit is cut: the entries themselves say where they end. */
	assert_int_equal(elf_eh_frame(f, 4096, &without), 0);
	assert_int_equal(without.len, 4096);
	free(without.bytes);
	free(with.bytes);
	elf_close(f);
	close(fd);
}

/* A file whose PT_GNU_EH_FRAME begins with these bytes, at the start of the code. */
static int find_through_header(const void *header, uint64_t vaddr, struct elf_bytes *ret)
{
	const Elf64_Phdr ph = { .p_type = PT_GNU_EH_FRAME, .p_vaddr = vaddr, .p_filesz = 12 };
	const struct made_elf m = {};
	struct elf_file *f;
	int fd = made_elf_fd(&m), r;

	assert_int_equal(pwrite(fd, &ph, sizeof(ph), sizeof(Elf64_Ehdr) + sizeof(ph)), sizeof(ph));
	assert_int_equal(pwrite(fd, header, 12, MADE_CODE_OFFSET), 12);
	f = open_fd(fd);
	r = elf_eh_frame(f, MAX, ret);
	elf_close(f);
	close(fd);
	return r;
}

static void assert_found(const void *header, uint64_t vaddr)
{
	struct elf_bytes b = {};

	assert_int_equal(find_through_header(header, MADE_CODE_VADDR, &b), 0);
	assert_int_equal(b.vaddr, vaddr);
	assert_int_equal(b.len, MADE_CODE_VADDR + MADE_CODE_BYTES - vaddr);
	free(b.bytes);
}

static void its_place_comes_in_several_forms(void **state)
{
	struct elf_bytes b = {};

	(void)state;
	assert_found("\1\x1b\0\0\x10\0\0\0\0\0\0\0", MADE_CODE_VADDR + 0x14);
	assert_found("\1\x1c\0\0\x10\0\0\0\0\0\0\0", MADE_CODE_VADDR + 0x14);
	assert_found("\1\x03\0\0\x20\x10\x40\0\0\0\0\0", 0x401020);
	assert_found("\1\x04\0\0\x20\x10\x40\0\0\0\0\0", 0x401020);
	assert_int_equal(find_through_header("\1\x1b\0\0\0\0\0\x40\0\0\0\0", MADE_CODE_VADDR, &b),
			 -EBADMSG); /* nowhere */
	assert_int_equal(find_through_header("\2\x1b\0\0\x10\0\0\0\0\0\0\0", MADE_CODE_VADDR, &b),
			 -EBADMSG); /* version */
	assert_int_equal(find_through_header("\1\x01\0\0\x10\0\0\0\0\0\0\0", MADE_CODE_VADDR, &b),
			 -EBADMSG); /* format */
	assert_int_equal(find_through_header("\1\x3b\0\0\x10\0\0\0\0\0\0\0", MADE_CODE_VADDR, &b),
			 -EBADMSG); /* relative to what? */
	assert_int_equal(find_through_header("\1\x1b\0\0\x10\0\0\0\0\0\0\0", 0x99000000, &b),
			 -EBADMSG);
	assert_null(b.bytes);
}

static void segments_of_code_are_listed(void **state)
{
	const Elf64_Phdr data = {
		.p_type = PT_LOAD, .p_flags = PF_R | PF_W, .p_vaddr = 0x10000, .p_filesz = 16
	};
	const struct made_elf m = {};
	struct elf_code_segment s[2] = {};
	uint8_t byte[8] = {};
	struct elf_file *f;
	int fd = made_elf_fd(&m);

	(void)state;
	assert_int_equal(pwrite(fd, &data, sizeof(data), sizeof(Elf64_Ehdr) + sizeof(data)),
			 sizeof(data));
	f = open_fd(fd);
	assert_int_equal(elf_code_segments(f, s, 2), 1);
	assert_int_equal(s[0].vaddr, MADE_CODE_VADDR);
	assert_int_equal(s[0].offset, MADE_CODE_OFFSET);
	assert_int_equal(s[0].bytes, MADE_CODE_BYTES);
	assert_int_equal(elf_code_segments(f, NULL, 0), 1);
	/* Data can be read too, up to its end. */
	assert_int_equal(elf_read_at(f, 0x10000, byte, 4), 4);
	assert_memory_equal(byte, ELFMAG, SELFMAG);
	assert_int_equal(elf_read_at(f, 0x1000c, byte, 8), 4);
	assert_int_equal(elf_read_at(f, 0x10010, byte, 8), -ENOENT);
	elf_close(f);
	close(fd);
}

static void an_image_in_memory_is_a_file_too(void **state)
{
	const struct made_elf m = { .section = ".some" };
	struct elf_file *f = NULL;
	static uint8_t image[0x9000];
	struct err err = {};
	int fd = made_elf_fd(&m);

	(void)state;
	assert_int_equal(pread(fd, image, sizeof(image), 0), sizeof(image));
	close(fd);
	assert_int_equal(elf_open_memory(image, sizeof(image), &f, NULL), 0);
	memset(image, 0, sizeof(image));
	assert_int_equal(elf_entry(f), MADE_CODE_VADDR);
	elf_close(f);
	f = NULL;
	assert_int_equal(elf_open_memory(image, sizeof(image), &f, &err), -ENOEXEC);
	assert_int_equal(elf_open_memory(image, 0, &f, NULL), -ENOEXEC);
	assert_null(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_section_is_read_by_name),
		cmocka_unit_test(a_section_that_is_not_there_is_not_read),
		cmocka_unit_test(a_file_that_shrinks_gives_no_section),
		cmocka_unit_test(compressed_bytes_are_inflated),
		cmocka_unit_test(compressed_bytes_that_lie_are_refused),
		cmocka_unit_test(eh_frame_is_found_without_section_headers),
		cmocka_unit_test(its_place_comes_in_several_forms),
		cmocka_unit_test(segments_of_code_are_listed),
		cmocka_unit_test(an_image_in_memory_is_a_file_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
