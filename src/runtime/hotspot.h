/*
 * What a Java virtual machine of the HotSpot family tells debuggers about its generated code: it
 * describes its own structures in tables (gHotSpotVMStructs, gHotSpotVMTypes) that libjvm.so
 * exports. Compiled code uses the frame pointer as a data register unless the machine was started
 * with -XX:+PreserveFramePointer; the interpreter and the entry from native code always keep it.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct hotspot_memory;
struct vma;

/* Addresses in the process of the pointers to the two tables. */
struct hotspot {
	uint64_t structs, types;
};

struct hotspot_code {
	uint64_t start, end;	       /* the code cache */
	uint64_t kept_start, kept_end; /* within it: interpreter and entry stub */
	bool frame_pointers;	       /* compiled code keeps frame pointers too */
};

/* Code of a libjvm.so, by its name. */
bool hotspot_is_mapped(const struct vma *v);

/*
 * In the libjvm.so behind a mapping of the process. -ENOENT: not of this family; others: it could
 * not be read this time.
 */
int hotspot_find(const char *proc, uint32_t pid, const struct vma *v, struct hotspot *ret);

/* -EAGAIN: the machine has not set itself up yet; -EIO: its tables make no sense. */
int hotspot_read(struct hotspot_memory *m, const struct hotspot *h, struct hotspot_code *ret);
