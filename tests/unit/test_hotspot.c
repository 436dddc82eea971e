/* What a Java virtual machine's own tables say, and what is made of tables that lie. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/hotspot.h"
#include "runtime/hotspot_vm.h"
#include "runtime/runtime.h"

#define BASE 0x330000000000ull
#define BYTES 0x20000
#define AT(offset) (BASE + (offset))
#define TEXTS AT(0x1000) /* 64 bytes each */
#define STRUCTS AT(0x4000)
#define TYPES AT(0x6000)
#define FLAGS AT(0x7000)
#define FLAG_BYTES 24
#define QUEUE AT(0x8000)
#define CACHE 0x10000000ull /* the code cache */

/* An image of the machine's memory, which is this process's, and of the file that is mapped there.
 */
struct image {
	int mem;
	int texts, structs;
	struct vma vma;
	struct vma_table maps;
	struct present present;
	struct peek peek;
	struct process_view view;
	struct hotspot_memory memory;
};

static void put(const struct image *m, uint64_t at, const void *bytes, size_t n)
{
	assert_int_equal(pwrite(m->mem, bytes, n, (off_t)(at - BASE)), n);
}

static void put_word(const struct image *m, uint64_t at, uint64_t word)
{
	put(m, at, &word, sizeof(word));
}

static uint64_t text(struct image *m, const char *s)
{
	uint64_t at = TEXTS + 64 * m->texts++;

	put(m, at, s, strlen(s) + 1);
	return at;
}

/* is_static: `value` is the address of the field; else its offset. */
static void field(struct image *m, const char *type, const char *name, int is_static,
		  uint64_t value)
{
	uint64_t e[6] = { text(m, type), text(m, name), 0, is_static, 0, 0 };

	e[is_static ? 5 : 4] = value;
	put(m, STRUCTS + sizeof(e) * m->structs++, e, sizeof(e));
}

/* A machine whose code cache is 1 MiB, with the interpreter at 64 KiB in it. */
static struct image *image_make(uint8_t preserve)
{
	static struct image image;
	struct image *m = &image;
	uint64_t type[5] = { 0, 0, 0, 0, FLAG_BYTES };

	image = (struct image){ .mem = memfd_create("hotspot", MFD_CLOEXEC) };
	assert_true(m->mem >= 0);
	assert_int_equal(ftruncate(m->mem, BYTES), 0);
	assert_true(mmap((void *)BASE, BYTES, PROT_READ, MAP_SHARED | MAP_FIXED_NOREPLACE, m->mem,
			 0) == (void *)BASE);
	m->vma = (struct vma){
		.start = BASE, .end = AT(BYTES), .readable = true, .kind = VMA_FILE, .inode = 7
	};
	m->maps = (struct vma_table){ .vma = &m->vma, .count = 1 };
	present_add(&m->present.in, BASE, AT(BYTES));
	m->peek.pid = getpid();
	m->view = (struct process_view){ "/nowhere", m->peek.pid, &m->maps, &m->present, &m->peek };
	m->memory = (struct hotspot_memory){ .view = &m->view, .inode = 7, .fd = -1 };
	type[0] = text(m, "JVMFlag");
	field(m, "JVMFlag", "flags", 1, AT(0x100));
	field(m, "JVMFlag", "numFlags", 1, AT(0x108));
	field(m, "JVMFlag", "_name", 0, 8);
	field(m, "JVMFlag", "_addr", 0, 0);
	field(m, "CodeCache", "_low_bound", 1, AT(0x110));
	field(m, "CodeCache", "_high_bound", 1, AT(0x118));
	field(m, "Unrelated", "_code", 1, AT(0x120));
	field(m, "AbstractInterpreter", "_code", 1, AT(0x128));
	field(m, "StubQueue", "_stub_buffer", 0, 8);
	field(m, "StubQueue", "_buffer_limit", 0, 20);
	field(m, "StubRoutines", "_call_stub_return_address", 1, AT(0x130));
	put(m, TYPES, type, sizeof(type));
	put_word(m, AT(0x100), FLAGS);
	put_word(m, AT(0x108), 2);
	put_word(m, AT(0x110), CACHE);
	put_word(m, AT(0x118), CACHE + 0x100000);
	put_word(m, AT(0x128), QUEUE);
	put_word(m, AT(0x130), CACHE + 0x8123);
	put_word(m, QUEUE + 8, CACHE + 0x10000);
	put(m, QUEUE + 20, &(int32_t){ 0x4000 }, 4);
	put_word(m, FLAGS + 8, text(m, "UseSomething"));
	put_word(m, FLAGS + FLAG_BYTES, AT(0x140));
	put_word(m, FLAGS + FLAG_BYTES + 8, text(m, "PreserveFramePointer"));
	put(m, AT(0x140), &preserve, 1);
	put_word(m, AT(0x10), STRUCTS);
	put_word(m, AT(0x18), TYPES);
	return m;
}

static void image_done(struct image *m)
{
	hotspot_memory_done(&m->memory);
	present_done(&m->present);
	munmap((void *)BASE, BYTES);
	close(m->mem);
}

static const struct hotspot tables = { .structs = AT(0x10), .types = AT(0x18) };

static void the_code_that_keeps_frame_pointers_is_found(void **state)
{
	struct image *m = image_make(0);
	struct hotspot_code code;

	(void)state;
	assert_int_equal(hotspot_read(&m->memory, &tables, &code), 0);
	assert_int_equal(code.start, CACHE);
	assert_int_equal(code.end, CACHE + 0x100000);
	assert_int_equal(code.kept_start, CACHE + 0x8122); /* the call before the return address */
	assert_int_equal(code.kept_end, CACHE + 0x14000);
	assert_false(code.frame_pointers);
	image_done(m);
	m = image_make(1);
	assert_int_equal(hotspot_read(&m->memory, &tables, &code), 0);
	assert_true(code.frame_pointers);
	image_done(m);
}

static void a_machine_that_is_still_starting_is_asked_again(void **state)
{
	static const uint64_t unset[] = { AT(0x10),  AT(0x18),	AT(0x110), AT(0x118),
					  AT(0x128), AT(0x130), QUEUE + 8 };
	struct hotspot_code code;

	(void)state;
	for (size_t i = 0; i < sizeof(unset) / sizeof(unset[0]); i++) {
		struct image *m = image_make(0);

		put_word(m, unset[i], 0);
		assert_int_equal(hotspot_read(&m->memory, &tables, &code), -EAGAIN);
		image_done(m);
	}
}

static void tables_that_make_no_sense_are_refused(void **state)
{
	static const struct {
		uint64_t at, word;
	} lie[] = {
		{ AT(0x10), UINT64_MAX },  /* outside of memory */
		{ AT(0x10), AT(0x1f000) }, /* zeroes */
		{ AT(0x18), AT(0x1f000) },
		{ STRUCTS, TEXTS + 1 }, /* a type of another name */
		{ TYPES + 32, 0 },	/* flags of no size, or of a large one */
		{ TYPES + 32, UINT64_MAX },
		{ STRUCTS + 2 * 48 + 32, 1ull << 40 }, /* a name far off in its flag */
		{ AT(0x100), UINT64_MAX - 8 },
		{ AT(0x108), 1 }, /* the flag is behind the last one */
		{ FLAGS + FLAG_BYTES, UINT64_MAX },
		{ AT(0x118), CACHE - 1 }, /* a cache that ends before it begins */
		{ AT(0x118), CACHE + (1ull << 40) },
		{ AT(0x130), CACHE - 0x1000 }, /* outside of it */
		{ QUEUE + 8, CACHE + 0xfff00 },
		{ QUEUE + 20, 0xffffffff80000000 }, /* of negative size */
	};
	struct hotspot_code code;

	(void)state;
	for (size_t i = 0; i < sizeof(lie) / sizeof(lie[0]); i++) {
		struct image *m = image_make(0);
		int r;

		put_word(m, lie[i].at, lie[i].word);
		r = hotspot_read(&m->memory, &tables, &code);
		if (r != -EIO && r != -EAGAIN)
			fail_msg("lie %zu was believed: %d", i, r);
		image_done(m);
	}
}

/* Another look. */
static void forget(struct image *m, int fd)
{
	hotspot_memory_done(&m->memory);
	m->memory = (struct hotspot_memory){ .view = &m->view, .inode = 7, .fd = fd };
}

/* Names that the machine never read are not in its memory: they are read from its file. */
static void what_is_not_in_memory_is_read_from_the_file(void **state)
{
	struct image *m = image_make(1);
	struct hotspot_code code;

	(void)state;
	present_done(&m->present);
	present_add(&m->present.in, BASE, TEXTS);
	present_add(&m->present.in, STRUCTS, AT(BYTES));
	assert_int_equal(hotspot_read(&m->memory, &tables, &code), -EIO);
	assert_int_equal(m->peek.failed, 0);
	forget(m, dup(m->mem));
	/* were they read from the process, that would fail */
	assert_int_equal(mprotect((void *)TEXTS, STRUCTS - TEXTS, PROT_NONE), 0);
	assert_int_equal(hotspot_read(&m->memory, &tables, &code), 0);
	assert_true(code.frame_pointers);
	assert_int_equal(m->peek.failed, 0);
	present_add(&m->present.swapped, TEXTS, STRUCTS); /* then it is not what the file has */
	forget(m, dup(m->mem));
	assert_int_equal(hotspot_read(&m->memory, &tables, &code), -EIO);
	image_done(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_code_that_keeps_frame_pointers_is_found),
		cmocka_unit_test(a_machine_that_is_still_starting_is_asked_again),
		cmocka_unit_test(tables_that_make_no_sense_are_refused),
		cmocka_unit_test(what_is_not_in_memory_is_read_from_the_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
