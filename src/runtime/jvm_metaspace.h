/*
 * Where a Java machine keeps its classes (metaspace), since OpenJDK 16: it is made up of root
 * chunks, aligned at multiples of 4 MiB and of nothing else. The machine lists its loaders and
 * their classes; where a class or its constants lie, the 4 MiB around them are metaspace. A class
 * is known by pointing back at its loader, constants by pointing back at their class.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "runtime/hotspot_vm.h"
#include "runtime/runtime.h"

#define METASPACE_BLOCKS_MAX 512 /* 2 GiB */

enum jvm_meta_fact {
	JM_GRAPH,
	JM_NEXT_LOADER,
	JM_CLASSES,
	JM_NEXT_CLASS,
	JM_LOADER,
	JM_LAYOUT, /* above 0 in classes of objects that are no arrays */
	JM_CONSTANTS,
	JM_HOLDER,
	JVM_META_FACTS
};

/* What proves a block: the word that still stands there. */
struct meta_block {
	uint64_t start, witness, word;
};

/* Kept between looks; zeroed at first. */
struct jvm_metaspace {
	bool can; /* the machine's tables tell enough */
	uint64_t fact[JVM_META_FACTS];
	struct meta_block block[METASPACE_BLOCKS_MAX];
	size_t count;
	bool walking;
	uint64_t loader, class; /* the next class to look at, 0: the next loader's first */
	uint32_t parts;		/* looks that the walk has taken */
	uint32_t wait;		/* looks until the next walk */
};

/* `memory` as for hotspot_fields(). */
void jvm_metaspace_learn(struct jvm_metaspace *m, struct hotspot_memory *memory, uint64_t structs,
			 uint32_t major);

/* Adds what is mapped of metaspace, as far as it is known by now. -ENOMEM. */
int jvm_metaspace_add(struct jvm_metaspace *m, const struct process_view *v,
		      struct inner_ranges *ranges);
