#include "runtime/jvm_direct.h"

#include <string.h>

#include "runtime/view.h"

#define LOADERS_MAX 4096
#define CLASSES_MAX 8192 /* in one look: 10 ms; a large server's boot loader has 5,000 */
#define PARTS_MAX 32	 /* looks for one walk: a list that long has no end */
#define LOOK_AGAIN 8
#define MIRROR_WORDS_MAX 512
#define STATIC_WORDS_MAX 64 /* java.nio.Bits of OpenJDK 17 has 7 */
#define COUNTERS 3
#define VALUE_AT 16 /* of a long, in an object without other fields */
#define BITS "java/nio/Bits"
#define ATOMIC_LONG "java/util/concurrent/atomic/AtomicLong"

static const struct hotspot_field wanted[JVM_CLASS_FACTS] = {
	[JC_GRAPH] = { "ClassLoaderDataGraph", "_head" },
	[JC_NEXT_LOADER] = { "ClassLoaderData", "_next" },
	[JC_LOADER] = { "ClassLoaderData", "_class_loader" },
	[JC_CLASSES] = { "ClassLoaderData", "_klasses" },
	[JC_NEXT_CLASS] = { "Klass", "_next_link" },
	[JC_NAME] = { "Klass", "_name" },
	[JC_NAME_LENGTH] = { "Symbol", "_length" },
	[JC_NAME_BODY] = { "Symbol", "_body" },
	[JC_MIRROR] = { "Klass", "_java_mirror" },
	[JC_STATIC_WORDS] = { "InstanceKlass", "_static_field_size" },
	[JC_MIRROR_WORDS] = { "java_lang_Class", "_oop_size_offset" },
	[JC_CLASS_WORD] = { "oopDesc", "_metadata._klass" },
	[JC_OOP_BASE] = { "CompressedOops", "_base" },
	[JC_OOP_SHIFT] = { "CompressedOops", "_shift" },
	[JC_CLASS_BASE] = { "CompressedKlassPointers", "_base" },
	[JC_CLASS_SHIFT] = { "CompressedKlassPointers", "_shift" },
	[JC_OOP_BASE_17] = { "CompressedOops", "_narrow_oop._base" },
	[JC_OOP_SHIFT_17] = { "CompressedOops", "_narrow_oop._shift" },
	[JC_CLASS_BASE_17] = { "CompressedKlassPointers", "_narrow_klass._base" },
	[JC_CLASS_SHIFT_17] = { "CompressedKlassPointers", "_narrow_klass._shift" },
};

static bool get_u32(const struct process_view *v, uint64_t at, uint32_t *ret)
{
	return view_read(v, at, ret, sizeof(*ret)) == 0;
}

/* --- learning */

/* How short references are made long, by either pair of names. */
static bool learn_scale(const struct jvm_direct *d, const struct process_view *v,
			enum jvm_class_fact base, enum jvm_class_fact base_17, uint64_t *ret_base,
			uint32_t *ret_shift)
{
	enum jvm_class_fact f = d->fact[base] == HOTSPOT_ABSENT ? base_17 : base;

	return d->fact[f] != HOTSPOT_ABSENT && d->fact[f + 1] != HOTSPOT_ABSENT &&
	       view_u64(v, d->fact[f], ret_base) == 0 && get_u32(v, d->fact[f + 1], ret_shift) &&
	       *ret_shift <= 16;
}

/*
 * The boot loader has no Java object, as have those of hidden classes that it made; it is the first
 * one of all, and they are in front of it.
 */
static bool find_boot(struct jvm_direct *d, const struct process_view *v)
{
	uint64_t loader, handle, last = 0;

	if (view_u64(v, d->fact[JC_GRAPH], &loader) < 0)
		return false;
	for (int i = 0; loader && i < LOADERS_MAX; i++) {
		if (view_u64(v, loader + d->fact[JC_LOADER], &handle) < 0)
			return false;
		last = handle ? 0 : loader;
		if (view_u64(v, loader + d->fact[JC_NEXT_LOADER], &loader) < 0)
			return false;
	}
	d->boot = loader ? 0 : last;
	return d->boot != 0;
}

void jvm_direct_learn(struct jvm_direct *d, const struct process_view *v,
		      struct hotspot_memory *memory, uint64_t structs)
{
	hotspot_fields(memory, structs, wanted, JVM_CLASS_FACTS, d->fact);
	for (int f = 0; f < JC_NEEDED; f++)
		if (d->fact[f] == HOTSPOT_ABSENT)
			d->why = "the machine's tables do not tell of its classes: where Java "
				 "counts "
				 "its direct buffers is not known";
	if (d->why)
		return;
	if ((d->short_oops &&
	     !learn_scale(d, v, JC_OOP_BASE, JC_OOP_BASE_17, &d->oop_base, &d->oop_shift)) ||
	    (d->short_classes &&
	     !learn_scale(d, v, JC_CLASS_BASE, JC_CLASS_BASE_17, &d->class_base, &d->class_shift)))
		d->why = "the machine's tables do not tell how references are made: where Java "
			 "counts its direct buffers is not known";
}

/* --- the two classes */

static bool is_named(const struct jvm_direct *d, const struct process_view *v, uint64_t symbol,
		     const char *name, bool *ret)
{
	char text[64];
	size_t len = strlen(name);

	if (view_read(v, symbol + d->fact[JC_NAME_BODY], text, len) < 0)
		return false;
	*ret = memcmp(text, name, len) == 0;
	return true;
}

/* What of a class is read at once: its name and the class behind it. False: it cannot be. */
static bool read_class(const struct jvm_direct *d, const struct process_view *v, uint64_t class,
		       uint64_t *ret_name, uint64_t *ret_next)
{
	uint64_t name = class + d->fact[JC_NAME], next = class + d->fact[JC_NEXT_CLASS];
	struct peek_at at[2] = { { name, ret_name, sizeof(*ret_name), false },
				 { next, ret_next, sizeof(*ret_next), false } };

	return view_has(v, name, sizeof(name)) && view_has(v, next, sizeof(next)) &&
	       peek_read_many(v->peek, at, 2) == 0 && at[0].ok && at[1].ok;
}

/* False: it cannot be told which class it is. */
static bool look_at_name(struct jvm_direct *d, const struct process_view *v, uint64_t class,
			 uint64_t symbol)
{
	uint16_t len;
	bool is = false, ok = true;

	if (view_read(v, symbol + d->fact[JC_NAME_LENGTH], &len, sizeof(len)) < 0)
		return false;
	if (len == sizeof(BITS) - 1) {
		ok = is_named(d, v, symbol, BITS, &is);
		d->bits = is ? class : d->bits;
	} else if (len == sizeof(ATOMIC_LONG) - 1) {
		ok = is_named(d, v, symbol, ATOMIC_LONG, &is);
		d->atomic_long = is ? class : d->atomic_long;
	}
	return ok;
}

/*
 * Goes on through the classes. Those that came since the last walk are in front; one that could not
 * be read makes the next walk begin anew.
 */
static void walk_classes(struct jvm_direct *d, const struct process_view *v)
{
	uint64_t name, next;

	if (d->wait) {
		d->wait--;
		return;
	}
	if (!d->at) {
		d->until = d->whole ? d->newest : 0;
		if (view_u64(v, d->boot + d->fact[JC_CLASSES], &d->newest) < 0)
			return;
		d->at = d->newest;
		d->whole = true;
	}
	for (int i = 0; d->at && d->at != d->until; i++) {
		if (i == CLASSES_MAX && ++d->parts < PARTS_MAX)
			return; /* the rest at the next look */
		if (i == CLASSES_MAX) {
			d->whole = false;
			break;
		}
		if (!read_class(d, v, d->at, &name, &next)) {
			d->whole = false;
			break;
		}
		d->whole &= look_at_name(d, v, d->at, name);
		d->at = next;
	}
	d->at = d->parts = 0;
	d->wait = d->whole ? 0 : LOOK_AGAIN;
}

/* --- the counters */

static bool is_atomic_long(const struct jvm_direct *d, const struct process_view *v,
			   uint64_t object)
{
	uint64_t class;
	uint32_t low;

	if (!d->short_classes)
		return view_u64(v, object + d->fact[JC_CLASS_WORD], &class) == 0 &&
		       class == d->atomic_long;
	return get_u32(v, object + d->fact[JC_CLASS_WORD], &low) &&
	       d->class_base + ((uint64_t)low << d->class_shift) == d->atomic_long;
}

/* Reads the static fields of java.nio.Bits; the bytes read, 0: cannot be. */
static size_t read_statics(const struct jvm_direct *d, const struct process_view *v, uint64_t start,
			   uint64_t end, uint8_t ret[STATIC_WORDS_MAX * 8])
{
	uint64_t handle, mirror;
	uint32_t at, words, statics;

	if (view_u64(v, d->bits + d->fact[JC_MIRROR], &handle) < 0 || !handle ||
	    view_u64(v, handle, &mirror) < 0 || mirror < start || mirror >= end ||
	    !get_u32(v, d->fact[JC_MIRROR_WORDS], &at) || at > MIRROR_WORDS_MAX * 8 ||
	    !get_u32(v, mirror + at, &words) || words > MIRROR_WORDS_MAX ||
	    !get_u32(v, d->bits + d->fact[JC_STATIC_WORDS], &statics) ||
	    statics > STATIC_WORDS_MAX || statics >= words ||
	    view_read(v, mirror + (words - statics) * 8, ret, statics * 8) < 0)
		return 0;
	return statics * 8;
}

/* The values of all AtomicLongs that static fields point to; how many, at most COUNTERS + 1. */
static int read_counters(const struct jvm_direct *d, const struct process_view *v, uint64_t start,
			 uint64_t end, uint64_t ret[COUNTERS + 1])
{
	uint8_t bytes[STATIC_WORDS_MAX * 8];
	size_t len = read_statics(d, v, start, end, bytes), step = d->short_oops ? 4 : 8;
	int n = 0;

	for (size_t i = 0; i + step <= len && n <= COUNTERS; i += step) {
		uint64_t object = 0;

		memcpy(&object, bytes + i, step);
		if (d->short_oops)
			object = object ? d->oop_base + (object << d->oop_shift) : 0;
		if (object >= start && object < end && object % 8 == 0 &&
		    is_atomic_long(d, v, object) && view_u64(v, object + VALUE_AT, &ret[n]) == 0)
			n++;
	}
	return n;
}

static void fill(const uint64_t value[COUNTERS + 1], int n, struct inner_buffers *ret)
{
	/* reserved, capacity, count: pages round up what is reserved, and no buffer counts twice */
	if (n != COUNTERS || value[0] > INT64_MAX || value[1] > value[0] || value[2] > value[1]) {
		ret->known.why = "the counters of java.nio.Bits could not be verified at this look";
		return;
	}
	ret->known =
		(struct inner_known){ .exact = true,
				      .how = "direct buffers, by the counters of java.nio.Bits" };
	ret->bytes = value[0];
	ret->count = value[2];
}

void jvm_direct_read(struct jvm_direct *d, const struct process_view *v, uint64_t heap_start,
		     uint64_t heap_end, struct inner_buffers *ret)
{
	uint64_t value[COUNTERS + 1];

	ret->known.why = d->why;
	if (d->why)
		return;
	if (!d->boot && !find_boot(d, v)) {
		ret->known.why = "the machine's list of class loaders cannot be read";
		return;
	}
	if (!d->bits || !d->atomic_long)
		walk_classes(d, v);
	if (d->bits && d->atomic_long) {
		fill(value, read_counters(d, v, heap_start, heap_end, value), ret);
	} else if (d->whole && !d->at && d->atomic_long) {
		ret->known = (struct inner_known){
			.exact = true,
			.how = "java.nio.Bits, which counts direct buffers, is not loaded"
		};
		ret->bytes = ret->count = 0;
	} else {
		ret->known.why = "the class that counts Java's direct buffers was not found yet";
	}
}
