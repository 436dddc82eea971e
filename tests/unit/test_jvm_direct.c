/*
 * Java's count of its direct buffers, in a machine made up in this process: class loaders, classes
 * and the objects that static fields point to.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "runtime/jvm_direct.h"

#define FIELDS_MAX 32
#define SHIFT 3

struct symbol_name {
	uint16_t length;
	char body[46];
};

/* Words: 0 next, 1 name, 2 mirror's handle; and how many words of statics (int at 24). */
struct class_image {
	uint64_t next, name, handle;
	uint32_t statics, padding;
};

/* The heap: the mirror of java.nio.Bits, then three counters; all offsets are from its start. */
struct heap_image {
	uint64_t mirror[8];	/* [1]: how many words; statics are the last three */
	uint64_t counter[4][4]; /* [1]: class, [2]: value */
};

struct world {
	uint64_t structs, table[FIELDS_MAX][6];
	int fields;
	uint64_t graph, app[4], hidden[4], boot[4]; /* loaders: 0 next, 1 object, 2 classes */
	struct class_image class[4];
	struct symbol_name name[4];
	uint64_t handle;
	uint32_t words_at;
	uint64_t oop_base, class_base;
	uint32_t oop_shift, class_shift;
	struct heap_image *heap; /* page aligned, so that short references reach it */
	struct present_run run;
	struct present present;
	struct peek peek;
	struct process_view view;
	struct jvm_direct direct;
};

static void field(struct world *w, const char *type, const char *name, const void *at,
		  uint64_t offset)
{
	uint64_t e[6] = { (uintptr_t)type, (uintptr_t)name, 0, at != NULL, offset, (uintptr_t)at };

	assert_true(w->fields < FIELDS_MAX - 1);
	memcpy(w->table[w->fields++], e, sizeof(e));
}

static void add_fields(struct world *w)
{
	field(w, "ClassLoaderDataGraph", "_head", &w->graph, 0);
	field(w, "ClassLoaderData", "_next", NULL, 0);
	field(w, "ClassLoaderData", "_class_loader", NULL, 8);
	field(w, "ClassLoaderData", "_klasses", NULL, 16);
	field(w, "Klass", "_next_link", NULL, offsetof(struct class_image, next));
	field(w, "Klass", "_name", NULL, offsetof(struct class_image, name));
	field(w, "Klass", "_java_mirror", NULL, offsetof(struct class_image, handle));
	field(w, "InstanceKlass", "_static_field_size", NULL,
	      offsetof(struct class_image, statics));
	field(w, "Symbol", "_length", NULL, offsetof(struct symbol_name, length));
	field(w, "Symbol", "_body", NULL, offsetof(struct symbol_name, body));
	field(w, "java_lang_Class", "_oop_size_offset", &w->words_at, 0);
	field(w, "oopDesc", "_metadata._klass", NULL, 8);
	field(w, "CompressedOops", "_base", &w->oop_base, 0);
	field(w, "CompressedOops", "_shift", &w->oop_shift, 0);
	field(w, "CompressedKlassPointers", "_base", &w->class_base, 0);
	field(w, "CompressedKlassPointers", "_shift", &w->class_shift, 0);
}

/* Newest first: an own class, java.nio.Bits, AtomicLong, Object. */
static void add_classes(struct world *w)
{
	static const char *const names[] = { "java/nio/Bytes", "java/nio/Bits",
					     "java/util/concurrent/atomic/AtomicLong",
					     "java/lang/Object" };

	for (int i = 0; i < 4; i++) {
		w->name[i].length = strlen(names[i]);
		memcpy(w->name[i].body, names[i], strlen(names[i]));
		w->class[i].name = (uintptr_t)&w->name[i];
		w->class[i].next = i < 3 ? (uintptr_t)&w->class[i + 1] : 0;
	}
	w->class[1].handle = (uintptr_t)&w->handle;
	w->class[1].statics = 3;
	w->graph = (uintptr_t)w->app;
	w->app[0] = (uintptr_t)w->hidden;
	w->hidden[0] = (uintptr_t)w->boot; /* of the boot loader's own: without an object, too */
	w->app[1] = (uintptr_t)&w->handle;
	w->boot[2] = (uintptr_t)&w->class[0];
}

static void put_reference(struct world *w, int i, const void *object)
{
	uint32_t low = object ? ((uintptr_t)object - w->oop_base) >> SHIFT : 0;

	memcpy((uint8_t *)&w->heap->mirror[5] + 4 * i, &low, sizeof(low));
}

/* 20 MB reserved by 20 buffers. */
static void fill_heap(struct world *w)
{
	static const uint64_t value[] = { 20000000, 19999000, 20 };

	w->oop_base = (uintptr_t)w->heap - 4096;
	w->oop_shift = SHIFT;
	w->class_base = (uintptr_t)w->class & ~7ull;
	w->words_at = 8;
	w->handle = (uintptr_t)w->heap->mirror;
	w->heap->mirror[1] = 8;
	for (int i = 0; i < 3; i++) {
		w->heap->counter[i][1] = (uintptr_t)&w->class[2] - w->class_base;
		w->heap->counter[i][2] = value[i];
		put_reference(w, i + 1, w->heap->counter[i]); /* the first is no object */
	}
}

static struct world *world_new(void)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	assert_int_equal(posix_memalign((void **)&w->heap, 4096, 4096), 0);
	memset(w->heap, 0, 4096);
	add_fields(w);
	add_classes(w);
	fill_heap(w);
	w->run = (struct present_run){ 0x1000, 1ull << 47, 0 };
	w->present.in = (struct present_runs){ &w->run, 1, 1, (1ull << 47) - 0x1000, false };
	w->peek.pid = getpid();
	w->view = (struct process_view){ "/proc", w->peek.pid, NULL, &w->present, &w->peek };
	w->direct.short_oops = w->direct.short_classes = true;
	return w;
}

static void world_free(struct world *w)
{
	free(w->heap);
	free(w);
}

static void learn(struct world *w)
{
	struct hotspot_memory memory = { .view = &w->view, .fd = -1 };

	jvm_direct_learn(&w->direct, &w->view, &memory, (uintptr_t)w->table);
}

static struct inner_buffers look(struct world *w)
{
	struct inner_buffers b = { .bytes = FACT_UNKNOWN, .count = FACT_UNKNOWN };

	jvm_direct_read(&w->direct, &w->view, (uintptr_t)w->heap, (uintptr_t)w->heap + 4096, &b);
	assert_true(b.known.how ? b.bytes != FACT_UNKNOWN : b.bytes == FACT_UNKNOWN);
	assert_true(b.known.how || b.known.why);
	return b;
}

static void the_counters_of_the_class_are_read(void **state)
{
	struct world *w = world_new();
	struct inner_buffers b;
	uint64_t calls;

	(void)state;
	learn(w);
	b = look(w);
	assert_true(b.known.exact);
	assert_int_equal(b.bytes, 20000000);
	assert_int_equal(b.count, 20);
	calls = w->peek.calls;
	w->heap->counter[0][2] = 30000000;
	assert_int_equal(look(w).bytes, 30000000);
	assert_true(w->peek.calls - calls < 20); /* the classes are known by now */
	world_free(w);
}

static void references_may_be_long(void **state)
{
	struct world *w = world_new();

	(void)state;
	w->direct.short_oops = w->direct.short_classes = false;
	for (int i = 0; i < 3; i++) {
		w->heap->mirror[5 + i] = (uintptr_t)w->heap->counter[i];
		w->heap->counter[i][1] = (uintptr_t)&w->class[2];
	}
	learn(w);
	assert_int_equal(look(w).bytes, 20000000);
	world_free(w);
}

static void a_class_that_comes_later_is_seen_then(void **state)
{
	struct world *w = world_new();
	struct inner_buffers b;
	uint64_t calls;

	(void)state;
	w->boot[2] = (uintptr_t)&w->class[2]; /* neither Bits nor what came after it */
	learn(w);
	b = look(w);
	assert_true(b.known.exact);
	assert_int_equal(b.bytes, 0);
	assert_int_equal(b.count, 0);
	calls = w->peek.calls;
	look(w);
	assert_int_equal(w->peek.calls - calls, 1); /* there is no newer class */
	w->boot[2] = (uintptr_t)&w->class[0];
	assert_int_equal(look(w).bytes, 20000000);
	world_free(w);
}

static void a_list_of_another_loader_is_no_zero(void **state)
{
	struct world *w = world_new();

	(void)state;
	w->boot[2] = (uintptr_t)&w->class[3]; /* without a class that is always there */
	learn(w);
	assert_false(look(w).known.exact);
	world_free(w);
}

static void a_list_that_cannot_be_read_is_no_zero(void **state)
{
	struct world *w = world_new();

	(void)state;
	w->class[0].next = 0x10; /* ends in memory that is not there */
	learn(w);
	assert_false(look(w).known.exact);
	w->class[0].next = (uintptr_t)&w->class[1];
	for (int i = 0; i < 8; i++)
		assert_false(look(w).known.exact); /* it is not tried each time */
	assert_int_equal(look(w).bytes, 20000000);
	world_free(w);
}

static void a_list_without_end_is_left(void **state)
{
	struct world *w = world_new();

	(void)state;
	w->class[0].next = (uintptr_t)&w->class[0];
	learn(w);
	for (int i = 0; i < 3; i++)
		assert_false(look(w).known.exact);
	w->app[0] = (uintptr_t)w->app; /* and no boot loader */
	w->direct.boot = 0;
	assert_false(look(w).known.exact);
	world_free(w);
}

static void counters_that_disagree_are_not_told(void **state)
{
	(void)state;
	for (int i = 0; i < 8; i++) {
		struct world *w = world_new();
		struct {
			uint64_t *at, word;
		} const lie[] = {
			{ &w->heap->counter[0][2], 19998999 }, /* less reserved than given out */
			{ &w->heap->counter[0][2], UINT64_MAX },
			{ &w->heap->counter[2][2], 19999001 }, /* more buffers than bytes */
			{ &w->heap->counter[1][1], 0 },	       /* of another class */
			{ &w->handle, 0x10 },
			{ &w->heap->mirror[1], 1ull << 20 },
			{ &w->heap->mirror[1], 2 },
			{ &w->class[1].handle, 0 },
		};

		learn(w);
		*lie[i].at = lie[i].word;
		assert_false(look(w).known.exact);
		world_free(w);
	}
}

static void a_fourth_counter_is_one_too_many(void **state)
{
	struct world *w = world_new();

	(void)state;
	memcpy(w->heap->counter[3], w->heap->counter[2], sizeof(w->heap->counter[3]));
	put_reference(w, 0, w->heap->counter[3]);
	learn(w);
	assert_false(look(w).known.exact);
	world_free(w);
}

static void tables_that_do_not_tell_are_said_so(void **state)
{
	struct world *w = world_new();

	(void)state;
	w->table[4][0] = (uintptr_t) "Unrelated";
	learn(w);
	assert_non_null(w->direct.why);
	assert_ptr_equal(look(w).known.why, w->direct.why);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_counters_of_the_class_are_read),
		cmocka_unit_test(references_may_be_long),
		cmocka_unit_test(a_class_that_comes_later_is_seen_then),
		cmocka_unit_test(a_list_of_another_loader_is_no_zero),
		cmocka_unit_test(a_list_that_cannot_be_read_is_no_zero),
		cmocka_unit_test(a_list_without_end_is_left),
		cmocka_unit_test(counters_that_disagree_are_not_told),
		cmocka_unit_test(a_fourth_counter_is_one_too_many),
		cmocka_unit_test(tables_that_do_not_tell_are_said_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
