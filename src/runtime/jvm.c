#include "runtime/jvm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "runtime/hotspot.h"
#include "runtime/hotspot_vm.h"
#include "runtime/hsperf.h"
#include "runtime/view.h"

#define HEAP_BYTES_MAX (1ull << 46)
#define CODE_BYTES_MAX (2048ull << 20) /* the machine's own limit */
#define CARD_BYTES 512		       /* of heap for one byte of the card table */
#define CARDS_SLACK (2ull << 20)       /* a guard card, rounded up to a page of any size */
#define Z_HEAP "/memfd:java_heap"

static const struct hotspot_field wanted[JVM_FACTS] = {
	[JF_HEAP] = { "Universe", "_collectedHeap" },
	[JF_RESERVED] = { "CollectedHeap", "_reserved" },
	[JF_START] = { "MemRegion", "_start" },
	[JF_WORDS] = { "MemRegion", "_word_size" },
	[JF_PERF_START] = { "PerfMemory", "_start" },
	[JF_PERF_END] = { "PerfMemory", "_end" },
	[JF_CODE_LOW] = { "CodeCache", "_low_bound" },
	[JF_CODE_HIGH] = { "CodeCache", "_high_bound" },
	[JF_MAJOR] = { "Abstract_VM_Version", "_vm_major_version" },
	[JF_BARRIERS] = { "BarrierSet", "_barrier_set" },
	[JF_CARDS] = { "CardTableBarrierSet", "_card_table" },
	[JF_CARDS_HEAP] = { "CardTable", "_whole_heap" },
	[JF_CARDS_MAP] = { "CardTable", "_byte_map" },
	[JF_CARDS_BYTES] = { "CardTable", "_byte_map_size" },
	[JF_G1_USED] = { "G1CollectedHeap", "_summary_bytes_used" },
	[JF_SHENANDOAH_USED] = { "ShenandoahHeap", "_used" },
	[JF_PARALLEL_YOUNG] = { "ParallelScavengeHeap", "_young_gen" },
	[JF_PARALLEL_OLD] = { "ParallelScavengeHeap", "_old_gen" },
	[JF_PARALLEL_EDEN] = { "PSYoungGen", "_eden_space" },
	[JF_PARALLEL_FROM] = { "PSYoungGen", "_from_space" },
	[JF_PARALLEL_SPACE] = { "PSOldGen", "_object_space" },
	[JF_PARALLEL_BOTTOM] = { "MutableSpace", "_bottom" },
	[JF_PARALLEL_TOP] = { "MutableSpace", "_top" },
	[JF_SERIAL_YOUNG] = { "SerialHeap", "_young_gen" },
	[JF_SERIAL_OLD] = { "SerialHeap", "_old_gen" },
	[JF_SERIAL_YOUNG_17] = { "GenCollectedHeap", "_young_gen" },
	[JF_SERIAL_OLD_17] = { "GenCollectedHeap", "_old_gen" },
	[JF_SERIAL_EDEN] = { "DefNewGeneration", "_eden_space" },
	[JF_SERIAL_FROM] = { "DefNewGeneration", "_from_space" },
	[JF_SERIAL_SPACE] = { "TenuredGeneration", "_the_space" },
	[JF_SERIAL_BOTTOM] = { "ContiguousSpace", "_bottom" },
	[JF_SERIAL_BOTTOM_17] = { "Space", "_bottom" },
	[JF_SERIAL_TOP] = { "ContiguousSpace", "_top" },
	[JF_SHENANDOAH_GLOBAL] = { "ShenandoahHeap", "_global_generation" },
	[JF_SHENANDOAH_GLOBAL_USED] = { "ShenandoahGeneration", "_used" },
	[JF_Z_HEAP] = { "ZCollectedHeap", "_heap" },
	[JF_Z_PAGES] = { "ZHeap", "_page_allocator" },
	[JF_Z_USED] = { "ZPageAllocator", "_used" },
	[JF_Z_NODES] = { "ZNUMA", "_count" },
	[JF_Z_PARTITIONS] = { "ZPageAllocator", "_partitions" },
	[JF_Z_PARTITION_AT] = { "ZPerNUMAZPartition", "_addr" },
	[JF_Z_PARTITION_USED] = { "ZPartition", "_used" },
};

static bool known(const struct jvm *j, enum jvm_fact f)
{
	return j->fact[f] != HOTSPOT_ABSENT;
}

/* --- what does not change in the life of a machine */

/* Which collector it has, and how it makes references. */
static int learn_flags(struct hotspot_memory *m, uint64_t structs, uint64_t types, struct jvm *j)
{
	static const char *const names[] = { "UseG1GC",
					     "UseParallelGC",
					     "UseSerialGC",
					     "UseShenandoahGC",
					     "UseZGC",
					     "UseCompressedOops",
					     "UseCompressedClassPointers",
					     "UseCompactObjectHeaders" };
	bool on[8] = { false };
	struct hotspot_flags flags;
	int r = hotspot_flags_find(m, structs, types, &flags);

	if (r)
		return r;
	hotspot_flags_read(m, &flags, names, 8, on);
	for (int i = 0; i < 5; i++)
		if (on[i])
			j->gc = JVM_G1 + i;
	j->direct.short_oops = on[5];
	j->direct.short_classes = on[6];
	if (j->gc != JVM_G1 && j->gc != JVM_PARALLEL && j->gc != JVM_SERIAL)
		j->direct.why = "Java's count of its direct buffers is read with G1, Parallel and "
				"Serial only: with others objects move while they are looked at";
	else if (on[7])
		j->direct.why = "objects have compact headers: Java's count of its direct buffers "
				"is not read";
	return 0;
}

/* The range reserved for the heap, and what is mapped there. */
static int learn_heap(const struct process_view *v, struct jvm *j, const char **why)
{
	uint64_t at, words;

	if (view_u64(v, j->fact[JF_HEAP], &j->heap) < 0 || !j->heap)
		return -EAGAIN;
	at = j->heap + j->fact[JF_RESERVED];
	if (view_u64(v, at + j->fact[JF_START], &j->start) < 0 ||
	    view_u64(v, at + j->fact[JF_WORDS], &words) < 0)
		return -EAGAIN;
	if (j->gc == JVM_Z && !j->start && !words)
		return 0;
	if (!j->start || !words)
		return -EAGAIN;
	*why = "the machine's tables make no sense: its heap is not where they say";
	if (j->start % 4096 || words > HEAP_BYTES_MAX / 8 || words * 8 % 4096)
		return -EIO;
	j->end = j->start + words * 8;
	if (j->end < j->start)
		return -EIO;
	return view_writable(v, j->start, j->end) ? 0 : -EAGAIN;
}

/* What the tables say, read from `m`. */
static int learn_tables(const struct process_view *v, const struct hotspot *tables,
			struct hotspot_memory *m, struct jvm *j, const char **why)
{
	uint64_t structs, types;
	uint32_t major;
	int r;

	*why = "the Java machine is still starting";
	if (view_u64(v, tables->structs, &structs) < 0 || view_u64(v, tables->types, &types) < 0 ||
	    !structs || !types)
		return -EAGAIN;
	hotspot_fields(m, structs, wanted, JVM_FACTS, j->fact);
	*why = "the machine's tables do not tell where its heap is";
	for (enum jvm_fact f = JF_HEAP; f <= JF_WORDS; f++)
		if (!known(j, f))
			return -EIO;
	r = learn_flags(m, structs, types, j);
	if (r)
		return r;
	*why = "the Java machine is still starting";
	r = learn_heap(v, j, why);
	if (r)
		return r;
	if (!j->direct.why)
		jvm_direct_learn(&j->direct, v, m, structs);
	if (known(j, JF_MAJOR) && view_read(v, j->fact[JF_MAJOR], &major, sizeof(major)) == 0) {
		snprintf(j->version, sizeof(j->version), "%u", major);
		jvm_metaspace_learn(&j->metaspace, m, structs, major);
	}
	return 0;
}

int jvm_learn(const struct process_view *v, const struct hotspot *tables, struct jvm *ret,
	      const char **why)
{
	auto_clean(hotspot_memory_done) struct hotspot_memory m = { .fd = -1 };
	struct jvm j = { .gc = JVM_GC_OTHER };
	int r;

	hotspot_memory_open(v, tables->structs, &m);
	r = learn_tables(v, tables, &m, &j, why);
	if (!r)
		*ret = j;
	return r;
}

/* --- ranges */

/* ZGC: what is mapped of its file, in as many views as it has; *committed of one view. */
static int add_z_heap(const struct process_view *v, struct inner_ranges *ranges,
		      uint64_t *committed)
{
	uint64_t first = 0, bytes = 0;
	int r = 0;

	for (size_t i = 0; !r && i < v->maps->count; i++) {
		const struct vma *m = &v->maps->vma[i];

		if (strcmp(m->path, Z_HEAP) || !m->shared)
			continue;
		/* views lie at powers of two, each at least twice as high as the one before */
		if (!first)
			first = m->start;
		if (m->start < 2 * first)
			bytes += m->end - m->start;
		r = inner_ranges_add(ranges, m->start, m->end, INNER_HEAP);
	}
	*committed = bytes ? bytes : FACT_UNKNOWN;
	return r;
}

static int add_code(const struct jvm *j, const struct process_view *v, struct inner_ranges *ranges)
{
	uint64_t low, high;

	if (!known(j, JF_CODE_LOW) || !known(j, JF_CODE_HIGH) ||
	    view_u64(v, j->fact[JF_CODE_LOW], &low) < 0 ||
	    view_u64(v, j->fact[JF_CODE_HIGH], &high) < 0 || !low || high < low ||
	    high - low > CODE_BYTES_MAX || (low < j->end && high > j->start))
		return 0;
	return inner_ranges_add(ranges, low, high, INNER_CODE);
}

/* The card table: one byte for CARD_BYTES of the whole heap. */
static int add_cards(const struct jvm *j, const struct process_view *v, struct inner_ranges *ranges)
{
	uint64_t set, table, start, words, map, bytes, need = (j->end - j->start) / CARD_BYTES;

	if (j->gc != JVM_G1 && j->gc != JVM_PARALLEL && j->gc != JVM_SERIAL)
		return 0;
	for (enum jvm_fact f = JF_BARRIERS; f <= JF_CARDS_BYTES; f++)
		if (!known(j, f))
			return 0;
	if (view_u64(v, j->fact[JF_BARRIERS], &set) < 0 ||
	    view_u64(v, set + j->fact[JF_CARDS], &table) < 0 ||
	    view_u64(v, table + j->fact[JF_CARDS_HEAP] + j->fact[JF_START], &start) < 0 ||
	    view_u64(v, table + j->fact[JF_CARDS_HEAP] + j->fact[JF_WORDS], &words) < 0 ||
	    view_u64(v, table + j->fact[JF_CARDS_MAP], &map) < 0 ||
	    view_u64(v, table + j->fact[JF_CARDS_BYTES], &bytes) < 0)
		return 0;
	if (start != j->start || words != (j->end - j->start) / 8 || bytes < need ||
	    bytes > need + CARDS_SLACK || map % 4096 || map + bytes < map ||
	    (map < j->end && map + bytes > j->start))
		return 0;
	return inner_ranges_add(ranges, map, map + bytes, INNER_RUNTIME);
}

/* --- figures */

static bool read_perf(const struct jvm *j, const struct process_view *v, struct hsperf *ret)
{
	uint64_t start, end;
	uint8_t *bytes;
	bool ok;

	if (!known(j, JF_PERF_START) || !known(j, JF_PERF_END) ||
	    view_u64(v, j->fact[JF_PERF_START], &start) < 0 ||
	    view_u64(v, j->fact[JF_PERF_END], &end) < 0 || !start || end <= start ||
	    end - start > HSPERF_BYTES_MAX)
		return false;
	/* it is filled from its start: what is not in memory at its end was never used */
	for (uint64_t page = start & ~4095ull; page < end; page += 4096)
		if (!view_has(v, page, 1))
			end = page;
	if (start >= end)
		return false;
	bytes = malloc(end - start);
	ok = bytes && peek_read(v->peek, start, bytes, end - start) == 0 &&
	     hsperf_parse(bytes, end - start, ret) == 0;
	free(bytes);
	return ok;
}

/* Shenandoah's counts of its concurrent cycles are not among them. */
static void fill_collections(const struct jvm *j, const struct hsperf *perf,
			     struct inner_collections *ret)
{
	uint64_t young = perf->young_collections, full = perf->other_collections;

	ret->known = j->gc != JVM_SHENANDOAH && (young != FACT_UNKNOWN || full != FACT_UNKNOWN);
	ret->young = young == FACT_UNKNOWN ? 0 : young;
	ret->full = full == FACT_UNKNOWN ? 0 : full;
}

static void fill_used(const struct jvm *j, const struct process_view *v, struct inner_runtime *ret)
{
	uint64_t used = jvm_used(j, v);
	struct hsperf perf;

	ret->heap.used_bytes = FACT_UNKNOWN;
	if (read_perf(j, v, &perf)) {
		if (perf.version[0])
			memcpy(ret->version, perf.version, sizeof(ret->version));
		fill_collections(j, &perf, &ret->collections);
		if (perf.used_bytes <= ret->heap.committed_bytes) {
			ret->heap.used_bytes = perf.used_bytes;
			ret->heap.used_as_of = "the last collection";
		}
	}
	if (used <= ret->heap.committed_bytes) {
		ret->heap.used_bytes = used;
		ret->heap.used_as_of = NULL;
	}
}

int jvm_read(struct jvm *j, const struct process_view *v, struct inner_runtime *ret,
	     struct inner_ranges *ranges)
{
	size_t first = ranges->count;
	int r;

	*ret = (struct inner_runtime){ .name = "jvm" };
	memcpy(ret->version, j->version, sizeof(ret->version));
	ret->buffers = (struct inner_buffers){
		.bytes = FACT_UNKNOWN,
		.count = FACT_UNKNOWN,
		.resident_bytes = FACT_UNKNOWN,
	};
	ret->heap.known.exact = true;
	ret->heap.heaps = 1;
	if (j->end) {
		ret->heap.known.how = "the range reserved for Java's heap, by the machine's own "
				      "tables";
		ret->heap.committed_bytes = view_writable(v, j->start, j->end);
		r = inner_ranges_add(ranges, j->start, j->end, INNER_HEAP);
	} else {
		ret->heap.known.how = "mappings of ZGC's heap";
		r = add_z_heap(v, ranges, &ret->heap.committed_bytes);
	}
	if (!r)
		r = add_code(j, v, ranges);
	if (!r)
		r = add_cards(j, v, ranges);
	if (!r)
		r = jvm_bitmaps_add(j, v, ranges);
	if (!r)
		r = jvm_metaspace_add(&j->metaspace, v, ranges);
	if (r)
		return r;
	view_sum(v, ranges, first, &ret->heap);
	fill_used(j, v, ret);
	jvm_direct_read(&j->direct, v, j->start, j->end, &ret->buffers);
	return 0;
}

/* --- the reader */

static int jvm_open(const struct process_view *v, void **state, const char **why)
{
	struct hotspot tables;
	struct jvm *j;
	int r = -ENOENT;

	for (size_t i = 0; r == -ENOENT && i < v->maps->count; i++) {
		const struct vma *m = &v->maps->vma[i];

		if (hotspot_is_mapped(m))
			r = hotspot_find(v->proc, v->pid, m, &tables);
	}
	if (r == -ENOENT)
		return r;
	*why = "libjvm.so cannot be read";
	if (r)
		return r;
	j = calloc(1, sizeof(*j));
	if (!j)
		return -ENOMEM;
	r = jvm_learn(v, &tables, j, why);
	if (r)
		free(j);
	else
		*state = j;
	return r;
}

static int read_state(void *state, const struct process_view *v, struct inner_runtime *ret,
		      struct inner_ranges *ranges)
{
	return jvm_read(state, v, ret, ranges);
}

const struct runtime_ops runtime_jvm = { "jvm", jvm_open, read_state, free };
