/* Where a Java machine keeps its classes, in a machine made up in this process. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "runtime/jvm_metaspace.h"

#define BLOCK (4ull << 20)
#define FIELDS 8

struct constants_image {
	uint64_t tags, holder;
};

struct class_image {
	uint64_t next, loader, constants;
	int32_t layout, padding;
};

struct loader_image {
	uint64_t next, classes;
};

struct world {
	uint64_t graph, table[FIELDS + 1][6];
	int fields;
	struct loader_image loader[2];
	uint8_t *blocks; /* four of them; classes in the first two, constants in the third */
	struct class_image *class[4];
	struct constants_image *constants[4];
	struct vma vma[8];
	struct vma_table maps;
	struct present_run run;
	struct present present;
	struct peek peek;
	struct process_view view;
	struct jvm_metaspace m;
};

static void field(struct world *w, const char *type, const char *name, const void *at,
		  uint64_t offset)
{
	uint64_t e[6] = { (uintptr_t)type, (uintptr_t)name, 0, at != NULL, offset, (uintptr_t)at };

	memcpy(w->table[w->fields++], e, sizeof(e));
}

static void add_fields(struct world *w)
{
	field(w, "ClassLoaderDataGraph", "_head", &w->graph, 0);
	field(w, "ClassLoaderData", "_next", NULL, offsetof(struct loader_image, next));
	field(w, "ClassLoaderData", "_klasses", NULL, offsetof(struct loader_image, classes));
	field(w, "Klass", "_next_link", NULL, offsetof(struct class_image, next));
	field(w, "Klass", "_class_loader_data", NULL, offsetof(struct class_image, loader));
	field(w, "Klass", "_layout_helper", NULL, offsetof(struct class_image, layout));
	field(w, "InstanceKlass", "_constants", NULL, offsetof(struct class_image, constants));
	field(w, "ConstantPool", "_pool_holder", NULL, offsetof(struct constants_image, holder));
}

/* Two loaders of two classes each. */
static void add_classes(struct world *w)
{
	for (int i = 0; i < 4; i++) {
		struct loader_image *loader = &w->loader[i / 2];

		w->class[i] = (struct class_image *)(w->blocks + i / 2 * BLOCK + 4096 + i * 64);
		w->constants[i] = (struct constants_image *)(w->blocks + 2 * BLOCK + 4096 + i * 64);
		*w->class[i] = (struct class_image){ .next = loader->classes,
						     .loader = (uintptr_t)loader,
						     .constants = (uintptr_t)w->constants[i],
						     .layout = 16 };
		w->constants[i]->holder = (uintptr_t)w->class[i];
		loader->classes = (uintptr_t)w->class[i];
	}
	w->graph = (uintptr_t)&w->loader[0];
	w->loader[0].next = (uintptr_t)&w->loader[1];
}

static void map(struct world *w, uint64_t start, uint64_t end, bool writable, uint64_t inode)
{
	w->vma[w->maps.count++] = (struct vma){
		.start = start, .end = end, .readable = true, .writable = writable, .inode = inode
	};
}

static struct world *world_new(void)
{
	struct world *w = calloc(1, sizeof(*w));
	uint64_t at;

	assert_non_null(w);
	w->blocks =
		mmap(NULL, 5 * BLOCK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(w->blocks != MAP_FAILED);
	w->blocks += BLOCK - (uintptr_t)w->blocks % BLOCK;
	at = (uintptr_t)w->blocks;
	add_fields(w);
	add_classes(w);
	map(w, at - 8192, at + 65536, true, 0);
	map(w, at + 65536, at + BLOCK, false, 0);
	map(w, at + BLOCK, at + 2 * BLOCK, true, 7); /* an archive's */
	map(w, at + 2 * BLOCK, at + 4 * BLOCK, true, 0);
	w->maps.vma = w->vma;
	w->run = (struct present_run){ 0x1000, 1ull << 47, 0 };
	w->present.in = (struct present_runs){ &w->run, 1, 1, (1ull << 47) - 0x1000, false };
	w->peek.pid = getpid();
	w->view = (struct process_view){ "/proc", w->peek.pid, &w->maps, &w->present, &w->peek };
	return w;
}

static void world_free(struct world *w)
{
	munmap(w->blocks, 4 * BLOCK);
	free(w);
}

static void learn(struct world *w, uint32_t major)
{
	struct hotspot_memory memory = { .view = &w->view, .fd = -1 };

	jvm_metaspace_learn(&w->m, &memory, (uintptr_t)w->table, major);
}

/* Bytes of what is found at this look, all of it the runtime's. */
static uint64_t look(struct world *w)
{
	struct inner_ranges r = { .count = 0 };
	uint64_t sum = 0;

	assert_int_equal(jvm_metaspace_add(&w->m, &w->view, &r), 0);
	for (size_t i = 0; i < r.count; i++) {
		assert_int_equal(r.range[i].use, INNER_RUNTIME);
		sum += r.range[i].end - r.range[i].start;
	}
	inner_ranges_done(&r);
	return sum;
}

static void blocks_around_classes_and_constants_are_found(void **state)
{
	struct world *w = world_new();
	uint64_t calls;

	(void)state;
	learn(w, 17);
	assert_int_equal(look(w), 65536 + BLOCK);
	assert_int_equal(w->m.count, 3); /* the archive's, too, of which nothing is added */
	calls = w->peek.calls;
	assert_int_equal(look(w), 65536 + BLOCK);
	assert_int_equal(w->peek.calls - calls, 1); /* the witnesses only */
	world_free(w);
}

static void a_block_whose_witness_has_gone_is_left_out(void **state)
{
	struct world *w = world_new();

	(void)state;
	learn(w, 17);
	look(w);
	for (int i = 0; i < 4; i++)
		w->constants[i]->holder = 0;
	assert_int_equal(look(w), 65536);
	world_free(w);
}

static void what_does_not_point_back_is_no_class(void **state)
{
	struct world *w = world_new();

	(void)state;
	w->class[1]->loader = (uintptr_t)&w->loader[1]; /* the first loader's first class */
	for (int i = 2; i < 4; i++)
		w->constants[i]->holder = (uintptr_t)w->class[0];
	learn(w, 17);
	assert_int_equal(look(w), 0);
	assert_int_equal(w->m.count, 1);
	world_free(w);
}

static void arrays_have_no_constants(void **state)
{
	struct world *w = world_new();

	(void)state;
	for (int i = 0; i < 4; i++)
		w->class[i]->layout = -1;
	learn(w, 17);
	assert_int_equal(look(w), 65536);
	world_free(w);
}

static void older_machines_are_not_guessed_at(void **state)
{
	struct world *w = world_new();

	(void)state;
	learn(w, 11);
	w->peek.calls = 0;
	assert_int_equal(look(w), 0);
	assert_int_equal(w->peek.calls, 0);
	world_free(w);
}

/* Lists that go round or lead nowhere: each look ends. */
static void hostile_lists_end(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++) {
		struct world *w = world_new();
		struct {
			uint64_t *at, word;
		} const lie[] = {
			{ &w->class[1] -> next, (uintptr_t)w -> class[1] },
			{ &w->loader[1].next, (uintptr_t)&w->loader[0] },
			{ &w->class[1] -> next, 0x10 },
			{ &w->loader[0].next, UINT64_MAX - 8 },
			{ &w->table[3][4], UINT64_MAX - 16 }, /* where a class has the next one */
		};

		*lie[i].at = lie[i].word;
		learn(w, 17);
		for (int k = 0; k < 3; k++)
			assert_true(look(w) <= 65536 + BLOCK);
		world_free(w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_around_classes_and_constants_are_found),
		cmocka_unit_test(a_block_whose_witness_has_gone_is_left_out),
		cmocka_unit_test(what_does_not_point_back_is_no_class),
		cmocka_unit_test(arrays_have_no_constants),
		cmocka_unit_test(older_machines_are_not_guessed_at),
		cmocka_unit_test(hostile_lists_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
