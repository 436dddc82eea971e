/*
 * The tables in which a Java virtual machine of the HotSpot family describes itself to debuggers:
 * gHotSpotVMStructs (fields of its structures) and gHotSpotVMTypes, as vmStructs.hpp of OpenJDK
 * declares their entries, and the flags that they lead to. They belong to the process: nothing in
 * them is believed beyond its bounds.
 *
 * The machine itself never reads most of the names in them: their pages are not in its memory. What
 * is not there is read from the file that is mapped there, never from the process.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct process_view;

#define HOTSPOT_PAGE 4096
#define HOTSPOT_PAGES 8

/* A page as it was read; what is read of it counts for the life of this, which is one look. */
struct hotspot_page {
	uint64_t at; /* 0: none */
	size_t len;  /* fewer at the end of the file */
	uint8_t bytes[HOTSPOT_PAGE];
};

struct hotspot_memory {
	const struct process_view *view; /* borrowed */
	uint64_t inode, dev;		 /* of libjvm.so */
	int fd;				 /* owned: of it; -1: only what is in memory is read */
	struct hotspot_page page[HOTSPOT_PAGES];
};

/* `at`: an address in what is mapped of libjvm.so. hotspot_memory_done() in any case. */
void hotspot_memory_open(const struct process_view *v, uint64_t at, struct hotspot_memory *ret);
void hotspot_memory_done(struct hotspot_memory *m);

#define HOTSPOT_ABSENT UINT64_MAX
#define HOTSPOT_FLAGS_MAX 4096 /* OpenJDK 17 has 1270 */

struct hotspot_field {
	const char *type, *name;
};

/*
 * For each wanted field its offset in an object, of a static one its address; HOTSPOT_ABSENT where
 * the machine does not tell. The number of those found.
 */
size_t hotspot_fields(struct hotspot_memory *m, uint64_t table, const struct hotspot_field *wanted,
		      size_t n, uint64_t *ret);

/* Bytes of an object. -ENOENT. */
int hotspot_type_size(struct hotspot_memory *m, uint64_t table, const char *type, uint64_t *ret);

/* The table of flags. */
struct hotspot_flags {
	uint64_t first, count, bytes; /* where, how many, size of one */
	uint64_t name, value;	      /* offsets of pointers in one */
};

/* 0 or -EIO; the tables as pointed to by gHotSpotVMStructs and gHotSpotVMTypes. */
int hotspot_flags_find(struct hotspot_memory *m, uint64_t structs, uint64_t types,
		       struct hotspot_flags *ret);
/* Values of flags that are bool; `ret` of one that is not there stays. The number found. */
size_t hotspot_flags_read(struct hotspot_memory *m, const struct hotspot_flags *f,
			  const char *const *names, size_t n, bool *ret);

/* 0 when it cannot be read. */
uint64_t hotspot_word(struct hotspot_memory *m, uint64_t at);
bool hotspot_bytes(struct hotspot_memory *m, uint64_t at, void *ret, size_t n);
