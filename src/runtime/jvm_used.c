/* What each collector has in use, from its own structures. */
#include "runtime/hotspot_vm.h"
#include "runtime/jvm.h"
#include "runtime/view.h"

/* The pointer or number in the field at `object`. False: it cannot be told. */
static bool get(const struct jvm *j, const struct process_view *v, uint64_t object,
		enum jvm_fact field, uint64_t *ret)
{
	return j->fact[field] != HOTSPOT_ABSENT && view_u64(v, object + j->fact[field], ret) == 0 &&
	       *ret;
}

/* Adds what lies between two fields of the space that `field` of object points to. */
static bool add_space(const struct jvm *j, const struct process_view *v, uint64_t object,
		      enum jvm_fact field, enum jvm_fact bottom, enum jvm_fact top, uint64_t *sum)
{
	uint64_t space, from, to;

	if (!get(j, v, object, field, &space) || !get(j, v, space, bottom, &from) ||
	    !get(j, v, space, top, &to) || from < j->start || from > to || to > j->end)
		return false;
	*sum += to - from;
	return true;
}

static uint64_t parallel_used(const struct jvm *j, const struct process_view *v)
{
	uint64_t young, old, sum = 0;

	if (get(j, v, 0, JF_PARALLEL_YOUNG, &young) && get(j, v, 0, JF_PARALLEL_OLD, &old) &&
	    add_space(j, v, young, JF_PARALLEL_EDEN, JF_PARALLEL_BOTTOM, JF_PARALLEL_TOP, &sum) &&
	    add_space(j, v, young, JF_PARALLEL_FROM, JF_PARALLEL_BOTTOM, JF_PARALLEL_TOP, &sum) &&
	    add_space(j, v, old, JF_PARALLEL_SPACE, JF_PARALLEL_BOTTOM, JF_PARALLEL_TOP, &sum))
		return sum;
	return FACT_UNKNOWN;
}

static uint64_t serial_used(const struct jvm *j, const struct process_view *v)
{
	bool is_17 = j->fact[JF_SERIAL_YOUNG] == HOTSPOT_ABSENT;
	enum jvm_fact bottom = j->fact[JF_SERIAL_BOTTOM] == HOTSPOT_ABSENT ? JF_SERIAL_BOTTOM_17
									   : JF_SERIAL_BOTTOM;
	uint64_t young, old, sum = 0;

	if (get(j, v, j->heap, is_17 ? JF_SERIAL_YOUNG_17 : JF_SERIAL_YOUNG, &young) &&
	    get(j, v, j->heap, is_17 ? JF_SERIAL_OLD_17 : JF_SERIAL_OLD, &old) &&
	    add_space(j, v, young, JF_SERIAL_EDEN, bottom, JF_SERIAL_TOP, &sum) &&
	    add_space(j, v, young, JF_SERIAL_FROM, bottom, JF_SERIAL_TOP, &sum) &&
	    add_space(j, v, old, JF_SERIAL_SPACE, bottom, JF_SERIAL_TOP, &sum))
		return sum;
	return FACT_UNKNOWN;
}

static uint64_t shenandoah_used(const struct jvm *j, const struct process_view *v)
{
	uint64_t all, used;

	if (get(j, v, j->heap, JF_SHENANDOAH_USED, &used))
		return used;
	if (get(j, v, j->heap, JF_SHENANDOAH_GLOBAL, &all) &&
	    get(j, v, all, JF_SHENANDOAH_GLOBAL_USED, &used))
		return used;
	return FACT_UNKNOWN;
}

/* Pages of the heap that are given out; of one partition, where there are no more. */
static uint64_t z_used(const struct jvm *j, const struct process_view *v)
{
	uint64_t pages, partition, used;
	uint32_t nodes;

	if (j->fact[JF_Z_HEAP] == HOTSPOT_ABSENT || j->fact[JF_Z_PAGES] == HOTSPOT_ABSENT)
		return FACT_UNKNOWN;
	pages = j->heap + j->fact[JF_Z_HEAP] + j->fact[JF_Z_PAGES];
	if (get(j, v, pages, JF_Z_USED, &used))
		return used;
	if (j->fact[JF_Z_NODES] == HOTSPOT_ABSENT || j->fact[JF_Z_PARTITIONS] == HOTSPOT_ABSENT ||
	    view_read(v, j->fact[JF_Z_NODES], &nodes, sizeof(nodes)) < 0 || nodes != 1)
		return FACT_UNKNOWN;
	if (get(j, v, pages + j->fact[JF_Z_PARTITIONS], JF_Z_PARTITION_AT, &partition) &&
	    get(j, v, partition, JF_Z_PARTITION_USED, &used))
		return used;
	return FACT_UNKNOWN;
}

uint64_t jvm_used(const struct jvm *j, const struct process_view *v)
{
	uint64_t used;

	switch (j->gc) {
	case JVM_G1: /* without the regions that threads allocate from now */
		return get(j, v, j->heap, JF_G1_USED, &used) ? used : FACT_UNKNOWN;
	case JVM_SHENANDOAH: return shenandoah_used(j, v);
	case JVM_Z: return z_used(j, v);
	case JVM_PARALLEL: return parallel_used(j, v);
	case JVM_SERIAL: return serial_used(j, v);
	default: return FACT_UNKNOWN;
	}
}
