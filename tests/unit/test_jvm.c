/*
 * The reader of Java machines on a machine made up in this process: its tables, heap, card table
 * and counters lie in this process's own memory.
 */
#include "hsperf_maker.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "runtime/jvm.h"

#define HEAP 0xe0000000ull
#define HEAP_BYTES (64ull << 20)
#define CODE 0x7f1000000000ull
#define CARDS 0x7f2000000000ull
#define BITMAP 0x7f3000000000ull
#define TYPES_MAX 64

/* Structures of the machine, each field at an offset of 8 * its place. */
struct world {
	uint64_t structs, types; /* as exported: pointers to the tables */
	uint64_t table[TYPES_MAX][6], type[2][5], flag[8][3];
	int fields;
	uint64_t flags, flag_count;
	uint8_t on[8];
	uint64_t heap_pointer, barriers_pointer, code_low, code_high, perf_start, perf_end;
	uint64_t young_pointer, old_pointer; /* Parallel */
	uint64_t heap[256], marker[64];
	uint64_t barriers[4], cards[8], young[4], old[4], space[3][4];
	uint32_t major;
	struct hsperf_file perf;
	struct vma vma[8];
	struct vma_table maps;
	struct present_run run;
	struct present present;
	struct peek peek;
	struct process_view view;
};

static void field(struct world *w, const char *type, const char *name, const void *at,
		  uint64_t offset)
{
	uint64_t *e = w->table[w->fields++];

	assert_true(w->fields < TYPES_MAX);
	e[0] = (uintptr_t)type;
	e[1] = (uintptr_t)name;
	e[3] = at != NULL;
	e[4] = offset;
	e[5] = (uintptr_t)at;
}

static void flag(struct world *w, const char *name)
{
	uint64_t n = w->flag_count++;

	w->flag[n][0] = (uintptr_t)&w->on[n];
	w->flag[n][1] = (uintptr_t)name;
}

static void add_fields(struct world *w)
{
	field(w, "JVMFlag", "flags", &w->flags, 0);
	field(w, "JVMFlag", "numFlags", &w->flag_count, 0);
	field(w, "JVMFlag", "_addr", NULL, 0);
	field(w, "JVMFlag", "_name", NULL, 8);
	field(w, "Universe", "_collectedHeap", &w->heap_pointer, 0);
	field(w, "CollectedHeap", "_reserved", NULL, 16);
	field(w, "MemRegion", "_start", NULL, 0);
	field(w, "MemRegion", "_word_size", NULL, 8);
	field(w, "PerfMemory", "_start", &w->perf_start, 0);
	field(w, "PerfMemory", "_end", &w->perf_end, 0);
	field(w, "CodeCache", "_low_bound", &w->code_low, 0);
	field(w, "CodeCache", "_high_bound", &w->code_high, 0);
	field(w, "Abstract_VM_Version", "_vm_major_version", &w->major, 0);
	field(w, "BarrierSet", "_barrier_set", &w->barriers_pointer, 0);
	field(w, "CardTableBarrierSet", "_card_table", NULL, 8);
	field(w, "CardTable", "_whole_heap", NULL, 8);
	field(w, "CardTable", "_byte_map", NULL, 24);
	field(w, "CardTable", "_byte_map_size", NULL, 32);
	field(w, "G1CollectedHeap", "_summary_bytes_used", NULL, 40);
	field(w, "ParallelScavengeHeap", "_young_gen", &w->young_pointer, 0);
	field(w, "ParallelScavengeHeap", "_old_gen", &w->old_pointer, 0);
	field(w, "PSYoungGen", "_eden_space", NULL, 0);
	field(w, "PSYoungGen", "_from_space", NULL, 8);
	field(w, "PSOldGen", "_object_space", NULL, 16);
	field(w, "MutableSpace", "_bottom", NULL, 8);
	field(w, "MutableSpace", "_top", NULL, 16);
}

/* 40 MiB of 64 are mapped to be written; 10 + 2 + 20 MiB are in use. */
static void fill_heap(struct world *w)
{
	static const uint64_t used_mb[] = { 10, 2, 20 };

	w->heap_pointer = (uintptr_t)w->heap;
	w->heap[2] = HEAP;
	w->heap[3] = HEAP_BYTES / 8;
	w->heap[5] = 33 << 20; /* as G1 has it */
	w->barriers_pointer = (uintptr_t)w->barriers;
	w->barriers[1] = (uintptr_t)w->cards;
	w->cards[1] = HEAP;
	w->cards[2] = HEAP_BYTES / 8;
	w->cards[3] = CARDS;
	w->cards[4] = HEAP_BYTES / 512 + 4096;
	w->young_pointer = (uintptr_t)w->young;
	w->old_pointer = (uintptr_t)w->old;
	for (int i = 0; i < 3; i++) {
		w->space[i][1] = HEAP + i * (16ull << 20);
		w->space[i][2] = w->space[i][1] + (used_mb[i] << 20);
	}
	w->young[0] = (uintptr_t)w->space[0];
	w->young[1] = (uintptr_t)w->space[1];
	w->old[2] = (uintptr_t)w->space[2];
	w->code_low = CODE;
	w->code_high = CODE + (48ull << 20);
}

static void map(struct world *w, uint64_t start, uint64_t end, bool writable)
{
	w->vma[w->maps.count++] =
		(struct vma){ .start = start, .end = end, .readable = true, .writable = writable };
}

static struct world *world_new(const char *gc)
{
	static const char *const names[] = { "UseSerialGC", "UseG1GC", "UseParallelGC", "UseZGC" };
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	add_fields(w);
	fill_heap(w);
	for (int i = 0; i < 4; i++) {
		w->on[i] = strcmp(gc, names[i]) == 0;
		flag(w, names[i]);
	}
	w->flags = (uintptr_t)w->flag;
	w->type[0][0] = (uintptr_t) "JVMFlag";
	w->type[0][4] = sizeof(w->flag[0]);
	w->structs = (uintptr_t)w->table;
	w->types = (uintptr_t)w->type;
	w->major = 17;
	w->perf = hsperf_begin();
	hsperf_number(&w->perf, "sun.gc.generation.0.space.0.used", 5 << 20);
	hsperf_text(&w->perf, "java.property.java.version", "17.0.15");
	w->perf_start = (uintptr_t)w->perf.bytes;
	w->perf_end = w->perf_start + sizeof(w->perf.bytes);
	w->maps.vma = w->vma;
	map(w, HEAP, HEAP + (40 << 20), true);
	map(w, HEAP + (40 << 20), HEAP + HEAP_BYTES, false);
	w->run = (struct present_run){ 0x1000, 1ull << 47, 0 };
	w->present.in = (struct present_runs){ &w->run, 1, 1, (1ull << 47) - 0x1000, false };
	w->peek.pid = getpid();
	w->view = (struct process_view){ "/proc", w->peek.pid, &w->maps, &w->present, &w->peek };
	return w;
}

static int learn(struct world *w, struct jvm *ret)
{
	const struct hotspot tables = { (uintptr_t)&w->structs, (uintptr_t)&w->types };
	const char *why = NULL;
	int r = jvm_learn(&w->view, &tables, ret, &why);

	assert_true(!r || why);
	return r;
}

static const struct inner_range *range_of(const struct inner_ranges *r, enum inner_use use)
{
	for (size_t i = 0; i < r->count; i++)
		if (r->range[i].use == use)
			return &r->range[i];
	return NULL;
}

static void heap_code_and_cards_are_found(void **state)
{
	struct world *w = world_new("UseG1GC");
	struct inner_ranges ranges = { .count = 0 };
	struct inner_runtime r;
	struct jvm j;

	(void)state;
	assert_int_equal(learn(w, &j), 0);
	assert_int_equal(jvm_read(&j, &w->view, &r, &ranges), 0);
	assert_string_equal(r.version, "17.0.15");
	assert_true(r.heap.known.exact && r.heap.known.how);
	assert_int_equal(r.heap.committed_bytes, 40 << 20);
	assert_int_equal(r.heap.used_bytes, 33 << 20);
	assert_null(r.heap.used_as_of);
	assert_int_equal(r.heap.resident_bytes, HEAP_BYTES);
	assert_int_equal(ranges.count, 3);
	assert_int_equal(range_of(&ranges, INNER_HEAP)->start, HEAP);
	assert_int_equal(range_of(&ranges, INNER_HEAP)->end, HEAP + HEAP_BYTES);
	assert_int_equal(range_of(&ranges, INNER_CODE)->start, CODE);
	assert_int_equal(range_of(&ranges, INNER_RUNTIME)->start, CARDS);
	assert_true(r.buffers.bytes == FACT_UNKNOWN && r.buffers.known.why);
	inner_ranges_done(&ranges);
	free(w);
}

static void used_is_summed_or_as_of_the_last_collection(void **state)
{
	struct world *w = world_new("UseParallelGC");
	struct inner_ranges ranges = { .count = 0 };
	struct inner_runtime r;
	struct jvm j;

	(void)state;
	assert_int_equal(learn(w, &j), 0);
	assert_int_equal(jvm_read(&j, &w->view, &r, &ranges), 0);
	assert_int_equal(r.heap.used_bytes, 32 << 20);
	assert_null(r.heap.used_as_of);
	w->space[1][1] = HEAP + HEAP_BYTES - 8;
	w->space[1][2] = HEAP + HEAP_BYTES + 8; /* a space that ends outside of the heap */
	assert_int_equal(jvm_read(&j, &w->view, &r, &ranges), 0);
	assert_int_equal(r.heap.used_bytes, 5 << 20);
	assert_string_equal(r.heap.used_as_of, "the last collection");
	w->perf.bytes[0] = 0; /* no counters either */
	assert_int_equal(jvm_read(&j, &w->view, &r, &ranges), 0);
	assert_true(r.heap.used_bytes == FACT_UNKNOWN);
	assert_string_equal(r.version, "17");
	inner_ranges_done(&ranges);
	free(w);
}

static void bitmaps_are_known_by_what_describes_them(void **state)
{
	struct world *w = world_new("UseG1GC");
	uint64_t bitmap[] = { HEAP, HEAP_BYTES / 8, 0, BITMAP, HEAP_BYTES / 8 };
	struct inner_ranges ranges = { .count = 0 };
	struct inner_runtime r;
	struct jvm j;

	(void)state;
	w->heap[100] = (uintptr_t)w->marker;
	memcpy(w->marker + 7, bitmap, sizeof(bitmap));
	bitmap[3] += HEAP_BYTES / 64;
	memcpy(w->marker + 20, bitmap, sizeof(bitmap));
	assert_int_equal(learn(w, &j), 0);
	assert_int_equal(jvm_read(&j, &w->view, &r, &ranges), 0);
	assert_int_equal(ranges.count, 5);
	inner_ranges_settle(&ranges);
	assert_int_equal(ranges.range[3].start, BITMAP);
	assert_int_equal(ranges.range[3].end, BITMAP + 2 * HEAP_BYTES / 64);
	assert_int_equal(ranges.range[3].use, INNER_RUNTIME);
	ranges.count = 0;
	w->marker[8]++; /* that one is none now: both are looked for anew */
	w->marker[20 + 4]--;
	assert_int_equal(jvm_read(&j, &w->view, &r, &ranges), 0);
	assert_int_equal(jvm_read(&j, &w->view, &r, &ranges), 0);
	assert_int_equal(ranges.count, 6);
	inner_ranges_done(&ranges);
	free(w);
}

static void views_of_one_heap_are_committed_once(void **state)
{
	struct world *w = world_new("UseZGC");
	struct inner_ranges ranges = { .count = 0 };
	struct inner_runtime r;
	struct jvm j;

	(void)state;
	w->heap[2] = w->heap[3] = 0;
	w->maps.count = 0;
	for (uint64_t view = 1ull << 42; view <= 1ull << 44; view *= 2) {
		for (int i = 0; i < 2; i++) {
			struct vma *m = &w->vma[w->maps.count];

			map(w, view + i * (8 << 20), view + i * (8 << 20) + (4 << 20), true);
			m->shared = m->deleted = true;
			memcpy(m->path, "/memfd:java_heap", 17);
		}
	}
	assert_int_equal(learn(w, &j), 0);
	assert_int_equal(jvm_read(&j, &w->view, &r, &ranges), 0);
	assert_int_equal(r.heap.committed_bytes, 8 << 20);
	assert_int_equal(r.heap.resident_bytes, 24 << 20);
	assert_string_equal(r.heap.used_as_of, "the last collection");
	inner_ranges_done(&ranges);
	free(w);
}

static void a_machine_that_is_starting_is_asked_again(void **state)
{
	struct jvm j;

	(void)state;
	for (int i = 0; i < 5; i++) {
		struct world *w = world_new("UseG1GC");
		uint64_t *const unset[] = { &w->structs, &w->types, &w->heap_pointer, &w->heap[2],
					    &w->heap[3] };

		*unset[i] = 0;
		assert_int_equal(learn(w, &j), -EAGAIN);
		free(w);
	}
}

static void tables_that_lie_about_the_heap_are_refused(void **state)
{
	struct jvm j;

	(void)state;
	for (int i = 0; i < 6; i++) {
		struct world *w = world_new("UseG1GC");
		struct {
			uint64_t *at, word;
		} const lie[] = {
			{ &w->heap[2], HEAP + 8 },     { &w->heap[3], 1ull << 60 },
			{ &w->heap[3], 513 },	       { &w->heap[2], UINT64_MAX - 4095 },
			{ &w->flags, UINT64_MAX - 8 }, { &w->heap_pointer, 8 },
		};
		int r;

		*lie[i].at = lie[i].word;
		r = learn(w, &j);
		if (i == 4)
			assert_int_equal(r, 0); /* which collector is not known: all the same */
		else
			assert_true(r == -EIO || r == -EAGAIN);
		free(w);
	}
}

/* Code and cards that cannot be are left out, and the heap stands. */
static void what_does_not_fit_is_left_out(void **state)
{
	(void)state;
	for (int i = 0; i < 7; i++) {
		struct world *w = world_new("UseG1GC");
		struct inner_ranges ranges = { .count = 0 };
		struct inner_runtime r;
		struct jvm j;
		struct {
			uint64_t *at, word;
		} const lie[] = {
			{ &w->code_high, CODE - 1 }, { &w->code_high, 1ull << 46 },
			{ &w->code_low, HEAP },	     { &w->cards[1], HEAP + 4096 },
			{ &w->cards[3], HEAP },	     { &w->cards[4], 1ull << 40 },
			{ &w->barriers[1], 0x10 },
		};

		assert_int_equal(learn(w, &j), 0);
		*lie[i].at = lie[i].word;
		assert_int_equal(jvm_read(&j, &w->view, &r, &ranges), 0);
		assert_int_equal(ranges.count, 2);
		assert_non_null(range_of(&ranges, INNER_HEAP));
		inner_ranges_done(&ranges);
		free(w);
	}
}

static void nothing_is_read_that_is_not_in_memory(void **state)
{
	struct world *w = world_new("UseG1GC");
	struct jvm j;

	(void)state;
	w->present.in.count = 0;
	w->present.in.bytes = 0;
	assert_int_equal(learn(w, &j), -EAGAIN);
	assert_int_equal(w->peek.calls, 0);
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heap_code_and_cards_are_found),
		cmocka_unit_test(used_is_summed_or_as_of_the_last_collection),
		cmocka_unit_test(bitmaps_are_known_by_what_describes_them),
		cmocka_unit_test(views_of_one_heap_are_committed_once),
		cmocka_unit_test(a_machine_that_is_starting_is_asked_again),
		cmocka_unit_test(tables_that_lie_about_the_heap_are_refused),
		cmocka_unit_test(what_does_not_fit_is_left_out),
		cmocka_unit_test(nothing_is_read_that_is_not_in_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
