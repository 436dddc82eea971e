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

#define TEXTS 0x1000 /* 64 bytes each */
#define STRUCTS 0x4000
#define TYPES 0x6000
#define FLAGS 0x7000
#define FLAG_BYTES 24
#define QUEUE 0x8000
#define CACHE 0x10000000ull /* the code cache */

/* An image of the process's memory: addresses are offsets. */
struct image {
	int mem;
	int texts, structs;
};

static void put(const struct image *m, uint64_t at, const void *bytes, size_t n)
{
	assert_int_equal(pwrite(m->mem, bytes, n, (off_t)at), n);
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
static struct image image_make(uint8_t preserve)
{
	struct image m = { .mem = memfd_create("hotspot", MFD_CLOEXEC) };
	uint64_t type[5] = { text(&m, "JVMFlag"), 0, 0, 0, FLAG_BYTES };

	assert_true(m.mem >= 0);
	assert_int_equal(ftruncate(m.mem, 0x20000), 0);
	field(&m, "JVMFlag", "flags", 1, 0x100);
	field(&m, "JVMFlag", "numFlags", 1, 0x108);
	field(&m, "JVMFlag", "_name", 0, 8);
	field(&m, "JVMFlag", "_addr", 0, 0);
	field(&m, "CodeCache", "_low_bound", 1, 0x110);
	field(&m, "CodeCache", "_high_bound", 1, 0x118);
	field(&m, "Unrelated", "_code", 1, 0x120);
	field(&m, "AbstractInterpreter", "_code", 1, 0x128);
	field(&m, "StubQueue", "_stub_buffer", 0, 8);
	field(&m, "StubQueue", "_buffer_limit", 0, 20);
	field(&m, "StubRoutines", "_call_stub_return_address", 1, 0x130);
	put(&m, TYPES, type, sizeof(type));
	put_word(&m, 0x100, FLAGS);
	put_word(&m, 0x108, 2);
	put_word(&m, 0x110, CACHE);
	put_word(&m, 0x118, CACHE + 0x100000);
	put_word(&m, 0x128, QUEUE);
	put_word(&m, 0x130, CACHE + 0x8123);
	put_word(&m, QUEUE + 8, CACHE + 0x10000);
	put(&m, QUEUE + 20, &(int32_t){ 0x4000 }, 4);
	put_word(&m, FLAGS + 8, text(&m, "UseSomething"));
	put_word(&m, FLAGS + FLAG_BYTES, 0x140);
	put_word(&m, FLAGS + FLAG_BYTES + 8, text(&m, "PreserveFramePointer"));
	put(&m, 0x140, &preserve, 1);
	put_word(&m, 0x10, STRUCTS);
	put_word(&m, 0x18, TYPES);
	return m;
}

static const struct hotspot tables = { .structs = 0x10, .types = 0x18 };

static void the_code_that_keeps_frame_pointers_is_found(void **state)
{
	struct image m = image_make(0);
	struct hotspot_code code;

	(void)state;
	assert_int_equal(hotspot_read(m.mem, &tables, &code), 0);
	assert_int_equal(code.start, CACHE);
	assert_int_equal(code.end, CACHE + 0x100000);
	assert_int_equal(code.kept_start, CACHE + 0x8122); /* the call before the return address */
	assert_int_equal(code.kept_end, CACHE + 0x14000);
	assert_false(code.frame_pointers);
	close(m.mem);
	m = image_make(1);
	assert_int_equal(hotspot_read(m.mem, &tables, &code), 0);
	assert_true(code.frame_pointers);
	close(m.mem);
}

static void a_machine_that_is_still_starting_is_asked_again(void **state)
{
	static const uint64_t unset[] = { 0x10, 0x18, 0x110, 0x118, 0x128, 0x130, QUEUE + 8 };
	struct hotspot_code code;

	(void)state;
	for (size_t i = 0; i < sizeof(unset) / sizeof(unset[0]); i++) {
		struct image m = image_make(0);

		put_word(&m, unset[i], 0);
		assert_int_equal(hotspot_read(m.mem, &tables, &code), -EAGAIN);
		close(m.mem);
	}
}

static void tables_that_make_no_sense_are_refused(void **state)
{
	static const struct {
		uint64_t at, word;
	} lie[] = {
		{ 0x10, UINT64_MAX }, /* outside of memory */
		{ 0x10, 0x1f000 },    /* zeroes */
		{ 0x18, 0x1f000 },
		{ STRUCTS, TEXTS + 1 }, /* a type of another name */
		{ TYPES + 32, 0 },	/* flags of no size, or of a large one */
		{ TYPES + 32, UINT64_MAX },
		{ STRUCTS + 2 * 48 + 32, 1ull << 40 }, /* a name far off in its flag */
		{ 0x100, UINT64_MAX - 8 },
		{ 0x108, 1 }, /* the flag is behind the last one */
		{ FLAGS + FLAG_BYTES, UINT64_MAX },
		{ 0x118, CACHE - 1 }, /* a cache that ends before it begins */
		{ 0x118, CACHE + (1ull << 40) },
		{ 0x130, CACHE - 0x1000 }, /* outside of it */
		{ QUEUE + 8, CACHE + 0xfff00 },
		{ QUEUE + 20, 0xffffffff80000000 }, /* of negative size */
	};
	struct hotspot_code code;

	(void)state;
	for (size_t i = 0; i < sizeof(lie) / sizeof(lie[0]); i++) {
		struct image m = image_make(0);
		int r;

		put_word(&m, lie[i].at, lie[i].word);
		r = hotspot_read(m.mem, &tables, &code);
		if (r != -EIO && r != -EAGAIN)
			fail_msg("lie %zu was believed: %d", i, r);
		close(m.mem);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_code_that_keeps_frame_pointers_is_found),
		cmocka_unit_test(a_machine_that_is_still_starting_is_asked_again),
		cmocka_unit_test(tables_that_make_no_sense_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
