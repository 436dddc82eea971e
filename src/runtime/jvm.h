/* Java virtual machines of the HotSpot family; the parts of the reader that jvm.c puts together. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "runtime/hotspot.h"
#include "runtime/jvm_direct.h"
#include "runtime/jvm_metaspace.h"
#include "runtime/runtime.h"

enum jvm_gc { JVM_GC_OTHER, JVM_G1, JVM_PARALLEL, JVM_SERIAL, JVM_SHENANDOAH, JVM_Z };

/* What is looked up in the machine's tables: HOTSPOT_ABSENT where it does not tell. */
enum jvm_fact {
	JF_HEAP, /* Universe: the heap, whichever it is */
	JF_RESERVED,
	JF_START,
	JF_WORDS,
	JF_PERF_START,
	JF_PERF_END,
	JF_CODE_LOW,
	JF_CODE_HIGH,
	JF_MAJOR,
	JF_BARRIERS, /* the card table ... */
	JF_CARDS,
	JF_CARDS_HEAP,
	JF_CARDS_MAP,
	JF_CARDS_BYTES,
	JF_G1_USED, /* what is in use, by collector ... */
	JF_SHENANDOAH_USED,
	JF_PARALLEL_YOUNG,
	JF_PARALLEL_OLD,
	JF_PARALLEL_EDEN,
	JF_PARALLEL_FROM,
	JF_PARALLEL_SPACE,
	JF_PARALLEL_BOTTOM,
	JF_PARALLEL_TOP,
	JF_SERIAL_YOUNG,
	JF_SERIAL_OLD,
	JF_SERIAL_YOUNG_17, /* the same in OpenJDK 17 */
	JF_SERIAL_OLD_17,
	JF_SERIAL_EDEN,
	JF_SERIAL_FROM,
	JF_SERIAL_SPACE,
	JF_SERIAL_BOTTOM,
	JF_SERIAL_BOTTOM_17,
	JF_SERIAL_TOP,
	JF_SHENANDOAH_GLOBAL, /* since OpenJDK 24 */
	JF_SHENANDOAH_GLOBAL_USED,
	JF_Z_HEAP,
	JF_Z_PAGES,
	JF_Z_USED,
	JF_Z_NODES, /* since OpenJDK 25: one partition for each NUMA node */
	JF_Z_PARTITIONS,
	JF_Z_PARTITION_AT,
	JF_Z_PARTITION_USED,
	JVM_FACTS
};

#define JVM_BITMAPS_MAX 4

struct jvm {
	uint64_t fact[JVM_FACTS];
	enum jvm_gc gc;
	uint64_t heap;	     /* the object; it does not move */
	uint64_t start, end; /* reserved for the heap; both 0: ZGC */
	char version[32];
	uint64_t bitmap[JVM_BITMAPS_MAX]; /* where they are described; kept between looks */
	int bitmaps;
	struct jvm_direct direct;
	struct jvm_metaspace metaspace;
};

/* From the tables of a running machine. -EAGAIN: not set up yet; others with *why. */
int jvm_learn(const struct process_view *v, const struct hotspot *tables, struct jvm *ret,
	      const char **why);

/* Bytes of objects at this moment as the collector itself has them; FACT_UNKNOWN. */
uint64_t jvm_used(const struct jvm *j, const struct process_view *v);

/* Adds G1's mark bitmaps. -ENOMEM. */
int jvm_bitmaps_add(struct jvm *j, const struct process_view *v, struct inner_ranges *ranges);

int jvm_read(struct jvm *j, const struct process_view *v, struct inner_runtime *ret,
	     struct inner_ranges *ranges);
