#include "app/java.h"

#include <errno.h>
#include <string.h>

#include "app/modules_scan.h"
#include "app/resident.h"
#include "app/tracee.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "runtime/hotspot_vm.h"
#include "runtime/runtime.h"
#include "sys/maps.h"

#define EAGER 16 /* looks at each of which a machine that starts is asked */

/* Generated code below and above what keeps frame pointers. */
static void tell_unwinder(struct tracee *t, const struct hotspot_code *code)
{
	t->bare[0][0] = code->start;
	t->bare[0][1] = code->kept_start;
	t->bare[1][0] = code->kept_end;
	t->bare[1][1] = code->end;
	tracee_tell_code(t);
	log_info("process %u: Java's compiled code keeps no frame pointers; stacks end there "
		 "(-XX:+PreserveFramePointer makes them whole)",
		 t->pid);
}

/* Only what is in memory is read of the process. */
static int read_tables(const struct tracee *t, struct hotspot_code *ret)
{
	auto_clean(resident_done) struct resident all = { .count = 0 };
	auto_clean(maps_done) struct vma_table maps = { 0 };
	auto_clean(hotspot_memory_done) struct hotspot_memory memory = { .fd = -1 };
	struct peek peek = { .pid = t->pid };
	struct process_view view = { .proc = t->run->proc,
				     .pid = t->pid,
				     .maps = &maps,
				     .present = &all.present,
				     .peek = &peek };
	int r = maps_read(t->run->proc, t->pid, &maps);

	if (!r)
		r = resident_scan(t->run->proc, t->pid, &maps, &all);
	if (r)
		return r;
	hotspot_memory_open(&view, t->java.tables.structs, &memory);
	return hotspot_read(&memory, &t->java.tables, ret);
}

/* One that does not come up is asked ever less often. */
static void read_code(struct tracee *t)
{
	struct hotspot_code code;
	int r;

	if (t->java.wait) {
		t->java.wait--;
		return;
	}
	r = read_tables(t, &code);
	if (r == -EAGAIN) {
		t->java.wait = t->java.tries / EAGER;
		t->java.tries++;
		return;
	}
	t->java.state = JAVA_KNOWN;
	if (r)
		log_warn("process %u: where Java's code lies could not be read (%s); stacks "
			 "through it may lack frames",
			 t->pid, strerror(-r));
	else if (!code.frame_pointers)
		tell_unwinder(t, &code);
}

void java_look(struct tracee *t, const struct vma_table *maps)
{
	for (size_t i = 0; maps && t->java.state == JAVA_NONE && i < maps->count; i++) {
		const struct vma *v = &maps->vma[i];
		int r = hotspot_is_mapped(v)
				? hotspot_find(t->run->proc, t->pid, v, &t->java.tables)
				: -EAGAIN;

		if (r == 0 || r == -ENOENT)
			t->java.state = r ? JAVA_KNOWN : JAVA_STARTING;
	}
	if (t->java.state == JAVA_STARTING)
		read_code(t); /* a few milliseconds */
}
