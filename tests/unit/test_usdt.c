/* USDT notes: operands, broken and hostile notes, prelinked addresses, semaphores. */
#include "sys/usdt.h"

#include <errno.h>
#include <stdlib.h>

#include "elf_maker.h"

#define DATA_OFFSET 0x3000u /* of a writable segment at the same address + 0x400000 */
#define DATA_VADDR 0x403000u
#define NOTES_AT 0x4000u
#define BASE_AT 0x7000u

struct writer {
	uint8_t bytes[8192];
	size_t len;
};

static void add_note(struct writer *w, const char *owner, uint64_t location, uint64_t base,
		     uint64_t semaphore, const char *texts, size_t texts_len)
{
	uint64_t address[3] = { location, base, semaphore };
	uint32_t head[3] = { strlen(owner) + 1, sizeof(address) + texts_len, 3 };

	memcpy(w->bytes + w->len, head, sizeof(head));
	w->len += sizeof(head);
	memcpy(w->bytes + w->len, owner, head[0]);
	w->len += (head[0] + 3) & ~3u;
	memcpy(w->bytes + w->len, address, sizeof(address));
	memcpy(w->bytes + w->len + sizeof(address), texts, texts_len);
	w->len += (head[1] + 3) & ~3u;
}

#define NOTE(w, location, base, semaphore, texts) \
	add_note(w, "stapsdt", location, base, semaphore, texts, sizeof(texts))
#define ALLOC                  \
	"otel_memory\0alloc\0" \
	"8@%rdi 8@%rsi 8@%rdx"

/* A program with these notes, and with .stapsdt.base at `base` unless that is 0. */
static struct elf_file *make(const struct writer *w, uint64_t base, int *ret_fd)
{
	const struct made_elf m = { .section = ".note.stapsdt" };
	const Elf64_Phdr data = { .p_type = PT_LOAD,
				  .p_flags = PF_R | PF_W,
				  .p_offset = DATA_OFFSET,
				  .p_vaddr = DATA_VADDR,
				  .p_filesz = 0x100,
				  .p_memsz = 0x200 };
	const char names[] = "\0.note.stapsdt\0.stapsdt.base";
	Elf64_Shdr sh[5] = {};
	struct elf_file *f = NULL;
	int fd = made_elf_fd(&m);
	uint16_t count = 5;

	sh[2] = (Elf64_Shdr){ .sh_type = SHT_STRTAB,
			      .sh_offset = MADE_STRINGS,
			      .sh_size = sizeof(names) };
	sh[3] = (Elf64_Shdr){
		.sh_name = 1, .sh_type = SHT_NOTE, .sh_offset = NOTES_AT, .sh_size = w->len
	};
	sh[4] = (Elf64_Shdr){ .sh_name = base ? 15 : 0,
			      .sh_type = SHT_PROGBITS,
			      .sh_offset = BASE_AT,
			      .sh_size = 1,
			      .sh_addr = base };
	assert_true(pwrite(fd, &data, sizeof(data), sizeof(Elf64_Ehdr) + sizeof(data)) > 0);
	assert_true(pwrite(fd, sh, sizeof(sh), MADE_SECTIONS) > 0);
	assert_true(pwrite(fd, names, sizeof(names), MADE_STRINGS) > 0);
	assert_true(pwrite(fd, w->bytes, w->len, NOTES_AT) > 0);
	assert_true(pwrite(fd, &count, 2, offsetof(Elf64_Ehdr, e_shnum)) == 2);
	assert_int_equal(elf_open_fd(fd, &f, NULL), 0);
	*ret_fd = fd;
	return f;
}

/* The probes otel_memory:alloc of a program with these notes. */
static int search(const struct writer *w, uint64_t base, struct usdt_probes *ret)
{
	int fd, r;
	struct elf_file *f = make(w, base, &fd);

	r = usdt_find(f, "otel_memory", "alloc", 3, ret);
	elf_close(f);
	close(fd);
	return r;
}

/* --- operands --------------------------------------------------------------------------------- */

static struct mt_usdt_arg parsed(const char *text)
{
	struct mt_usdt_spec spec;

	assert_int_equal(usdt_parse_args(text, 1, &spec), 0);
	return spec.arg[0];
}

static void check_arg(const char *text, struct mt_usdt_arg wanted)
{
	struct mt_usdt_arg a = parsed(text);

	assert_memory_equal(&a, &wanted, sizeof(a));
}

static void operands_are_read(void **state)
{
	(void)state;
	check_arg("8@%rdi", (struct mt_usdt_arg){
				    .from = MT_USDT_REGISTER, .bytes = 8, .reg = 7, .index = 255 });
	check_arg("-4@%r9d", (struct mt_usdt_arg){ .from = MT_USDT_REGISTER,
						   .bytes = 4,
						   .is_signed = 1,
						   .reg = 9,
						   .index = 255 });
	check_arg("1@%sil", (struct mt_usdt_arg){
				    .from = MT_USDT_REGISTER, .bytes = 1, .reg = 6, .index = 255 });
	check_arg("-4@$-5", (struct mt_usdt_arg){ .value = -5,
						  .from = MT_USDT_CONSTANT,
						  .bytes = 4,
						  .is_signed = 1,
						  .index = 255 });
	check_arg("8@$0xffffffffffffffff",
		  (struct mt_usdt_arg){
			  .value = -1, .from = MT_USDT_CONSTANT, .bytes = 8, .index = 255 });
	check_arg("-4@-20(%rbp)", (struct mt_usdt_arg){ .value = -20,
							.from = MT_USDT_MEMORY,
							.bytes = 4,
							.is_signed = 1,
							.reg = 5,
							.index = 255 });
	check_arg("8@(%rsp)", (struct mt_usdt_arg){
				      .from = MT_USDT_MEMORY, .bytes = 8, .reg = 4, .index = 255 });
	check_arg("2@16(%rax,%r12,8)", (struct mt_usdt_arg){ .value = 16,
							     .from = MT_USDT_MEMORY,
							     .bytes = 2,
							     .reg = 0,
							     .index = 12,
							     .scale_log2 = 3 });
	check_arg("8@(%rax,%rcx)",
		  (struct mt_usdt_arg){ .from = MT_USDT_MEMORY, .bytes = 8, .reg = 0, .index = 1 });
}

static void what_cannot_be_read_is_refused(void **state)
{
	static const char *const malformed[] = {
		"",	     "8",
		"@%rax",     "3@%rax",
		"8%rax",     "8@",
		"8@%rax,",   "8@$",
		"8@$-",	     "8@(%rax",
		"8@(rax)",   "8@(%rax,%rcx,3)",
		"8@%",	     "-@%rax",
		"8@(%rax,)", "8@(%rax,%rcx,16)",
		"88@%rax",   "8@$99999999999999999999",
	};
	static const char *const beyond[] = { "8@%xmm0",  "8@%ah",    "8f@%rax", "8@sum(%rip)",
					      "8@(%rip)", "8@(%eax)", "8@4",	 "8@.LC0(%rax)" };
	struct mt_usdt_spec spec, before;

	(void)state;
	memset(&spec, 0x5a, sizeof(spec));
	before = spec;
	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++)
		if (usdt_parse_args(malformed[i], 1, &spec) != -EINVAL)
			fail_msg("accepted: '%s'", malformed[i]);
	for (size_t i = 0; i < sizeof(beyond) / sizeof(beyond[0]); i++)
		if (usdt_parse_args(beyond[i], 1, &spec) != -ENOTSUP)
			fail_msg("not told apart: '%s'", beyond[i]);
	assert_int_equal(usdt_parse_args("8@%rax 8@%rbx", 3, &spec), -EINVAL);
	assert_int_equal(usdt_parse_args("8@%rax", MT_USDT_ARGS + 1, &spec), -EINVAL);
	assert_memory_equal(&spec, &before, sizeof(spec));
	assert_int_equal(usdt_parse_args("8@%rax 8@%rbx  4@$1 junk", 3, &spec), 0);
}

/* --- notes ------------------------------------------------------------------------------------ */

static void a_probe_is_found_where_it_is_in_the_file(void **state)
{
	struct writer w = {};
	struct usdt_probes p = {};

	(void)state;
	NOTE(&w, MADE_CODE_VADDR + 0x20, 0x500000, DATA_VADDR + 6, ALLOC);
	NOTE(&w, MADE_CODE_VADDR + 0x30, 0x500000, 0, "otel_memory\0free\0008@%rdi");
	NOTE(&w, MADE_CODE_VADDR + 0x40, 0x500000, 0, "other\0alloc\0008@%rdi 8@%rsi 8@%rdx");
	NOTE(&w, MADE_CODE_VADDR + 0x50, 0x500000, 0, ALLOC);
	assert_int_equal(search(&w, 0x500000, &p), 0);
	assert_int_equal(p.count, 2);
	assert_int_equal(p.refused, 0);
	assert_int_equal(p.probe[0].location, MADE_CODE_OFFSET + 0x20);
	assert_int_equal(p.probe[0].semaphore, DATA_OFFSET + 6);
	assert_int_equal(p.probe[0].spec.arg[2].reg, 2);
	assert_int_equal(p.probe[1].location, MADE_CODE_OFFSET + 0x50);
	assert_int_equal(p.probe[1].semaphore, 0);
}

static void addresses_move_with_the_base(void **state)
{
	struct writer w = {};
	struct usdt_probes p = {};

	(void)state;
	NOTE(&w, MADE_CODE_VADDR + 0x20 - 0x10000, 0x4f0000, DATA_VADDR + 6 - 0x10000, ALLOC);
	assert_int_equal(search(&w, 0x500000, &p), 0);
	assert_int_equal(p.probe[0].location, MADE_CODE_OFFSET + 0x20);
	assert_int_equal(p.probe[0].semaphore, DATA_OFFSET + 6);
	/* without the section that says where it went they are believed */
	assert_int_equal(search(&w, 0, &p), 0);
	assert_int_equal(p.count, 0);
	assert_int_equal(p.refused, 1);
}

static void probes_that_cannot_be_attached_are_counted(void **state)
{
	struct writer w = {};
	struct usdt_probes p = {};

	(void)state;
	NOTE(&w, 0x123, 0, 0, ALLOC);					 /* no segment */
	NOTE(&w, DATA_VADDR, 0, 0, ALLOC);				 /* not code */
	NOTE(&w, MADE_CODE_VADDR, 0, MADE_CODE_VADDR, ALLOC);		 /* a semaphore in code */
	NOTE(&w, MADE_CODE_VADDR, 0, DATA_VADDR + 0x180, ALLOC);	 /* not in the file */
	NOTE(&w, MADE_CODE_VADDR, 0, DATA_VADDR + 1, ALLOC);		 /* odd */
	NOTE(&w, MADE_CODE_VADDR, 0, 0, "otel_memory\0alloc\0008@%rdi"); /* too few */
	NOTE(&w, UINT64_MAX, 0, 0, ALLOC);
	assert_int_equal(search(&w, 0, &p), 0);
	assert_int_equal(p.count, 0);
	assert_int_equal(p.refused, 7);
}

static void more_places_than_there_is_room_for_are_counted(void **state)
{
	struct writer w = {};
	struct usdt_probes p = {};

	(void)state;
	for (size_t i = 0; i < USDT_PROBES_MAX + 3; i++)
		NOTE(&w, MADE_CODE_VADDR + i, 0, 0, "otel_memory\0alloc\0001@$1 1@$1 1@$1");
	assert_int_equal(search(&w, 0, &p), 0);
	assert_int_equal(p.count, USDT_PROBES_MAX);
	assert_int_equal(p.refused, 3);
	assert_int_equal(p.probe[USDT_PROBES_MAX - 1].location,
			 MADE_CODE_OFFSET + USDT_PROBES_MAX - 1);
}

static void files_without_such_probes_have_none(void **state)
{
	struct writer w = {};
	struct usdt_probes p = { .count = 99 };

	(void)state;
	NOTE(&w, MADE_CODE_VADDR, 0, 0, "otel_memory\0free\0008@%rdi");
	add_note(&w, "stapsdx", MADE_CODE_VADDR, 0, 0, ALLOC, sizeof(ALLOC));
	assert_int_equal(search(&w, 0, &p), -ENOENT);
	assert_int_equal(p.count, 99);
}

/* A note that ends too early, in every way, ends the search and not memtrace. */
static void notes_that_are_cut_off_are_left(void **state)
{
	struct usdt_probes p = {};

	(void)state;
	for (size_t cut = 1; cut < 100; cut++) {
		struct writer w = {};

		NOTE(&w, MADE_CODE_VADDR, 0, 0, ALLOC);
		if (cut >= w.len)
			break;
		w.len -= cut;
		assert_int_equal(search(&w, 0, &p), -ENOENT);
	}
	for (size_t len = 0; len < sizeof(ALLOC); len++) { /* texts without their end */
		struct writer w = {};

		add_note(&w, "stapsdt", MADE_CODE_VADDR, 0, 0, ALLOC, len);
		w.bytes[w.len - 1] = len % 4 ? w.bytes[w.len - 1] : 'x';
		search(&w, 0, &p);
	}
}

static int count_notes(void *ctx, const struct usdt_note *n)
{
	(void)n;
	return ++*(int *)ctx == 2 ? 7 : 0;
}

static void the_walk_ends_when_it_is_told_to(void **state)
{
	struct writer w = {};
	int seen = 0;

	(void)state;
	for (int i = 0; i < 3; i++)
		NOTE(&w, 1, 2, 3, ALLOC);
	assert_int_equal(usdt_each_note(w.bytes, w.len, count_notes, &seen), 7);
	assert_int_equal(seen, 2);
	seen = -5;
	assert_int_equal(usdt_each_note(w.bytes, w.len - 1, count_notes, &seen), -EBADMSG);
	assert_int_equal(seen, -3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(operands_are_read),
		cmocka_unit_test(what_cannot_be_read_is_refused),
		cmocka_unit_test(a_probe_is_found_where_it_is_in_the_file),
		cmocka_unit_test(addresses_move_with_the_base),
		cmocka_unit_test(probes_that_cannot_be_attached_are_counted),
		cmocka_unit_test(more_places_than_there_is_room_for_are_counted),
		cmocka_unit_test(files_without_such_probes_have_none),
		cmocka_unit_test(notes_that_are_cut_off_are_left),
		cmocka_unit_test(the_walk_ends_when_it_is_told_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
