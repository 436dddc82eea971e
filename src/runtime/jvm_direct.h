/*
 * Direct buffers of a Java machine: java.nio.Bits counts them, in three AtomicLongs that its static
 * fields point to (bytes reserved, bytes of capacity, buffers; since Java 9). The class is found in
 * the boot loader's list, each counter by the class of the object, and their values are checked
 * against each other. Only for collectors that move objects while the program stands still.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "runtime/hotspot_vm.h"
#include "runtime/runtime.h"

enum jvm_class_fact {
	JC_GRAPH, /* the list of class loaders */
	JC_NEXT_LOADER,
	JC_LOADER, /* the Java object of one: none for the boot loader */
	JC_CLASSES,
	JC_NEXT_CLASS,
	JC_NAME,
	JC_NAME_LENGTH,
	JC_NAME_BODY,
	JC_MIRROR,
	JC_STATIC_WORDS,
	JC_MIRROR_WORDS,
	JC_CLASS_WORD, /* where an object has its class */
	JC_NEEDED,
	JC_OOP_BASE = JC_NEEDED, /* of short references, by two names each ... */
	JC_OOP_SHIFT,
	JC_CLASS_BASE,
	JC_CLASS_SHIFT,
	JC_OOP_BASE_17,
	JC_OOP_SHIFT_17,
	JC_CLASS_BASE_17,
	JC_CLASS_SHIFT_17,
	JVM_CLASS_FACTS
};

/* What is known of one machine; kept between looks. Zeroed at first. */
struct jvm_direct {
	const char *why; /* it cannot be told at all; static */
	uint64_t fact[JVM_CLASS_FACTS];
	bool short_oops, short_classes;
	uint64_t oop_base, class_base;
	uint32_t oop_shift, class_shift;
	uint64_t boot; /* the loader */
	/* the walk through its classes, which is newest first: from `at`; what is known at `until`
	 */
	uint64_t at, until, newest;
	bool whole;		    /* all classes have been seen, and could be */
	uint32_t parts;		    /* looks that the walk has taken */
	uint32_t wait;		    /* looks until a walk that was not whole is tried again */
	uint64_t bits, atomic_long; /* the two classes; 0: not seen yet */
};

/* `memory` as for hotspot_fields(); d->short_oops and short_classes are set before. */
void jvm_direct_learn(struct jvm_direct *d, const struct process_view *v,
		      struct hotspot_memory *memory, uint64_t structs);

void jvm_direct_read(struct jvm_direct *d, const struct process_view *v, uint64_t heap_start,
		     uint64_t heap_end, struct inner_buffers *ret);
