/*
 * The memory map of one address space as /proc last showed it, and the files whose code is mapped
 * there. A module stays known, under its index, after it was unmapped: stacks refer to it.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "decode/fact.h"

#define MODULE_NONE UINT32_MAX

/* One line of the map, without its path. */
struct map_line {
	uint64_t start, end;
	uint64_t file_offset;
	uint32_t module; /* MODULE_NONE unless code of a file or of the kernel's ([vdso]) */
	uint8_t kind;	 /* enum vma_kind */
	bool executable;
	bool stale; /* changed since it was read: not to be believed */
};

struct module {
	char path[FACT_PATH_BYTES];
	uint64_t dev, inode;
	uint64_t start, end; /* of one executable mapping, as last seen; 0 when it is not mapped */
	bool deleted;
	bool described; /* fact holds what could be found out */
	bool allocator;
	bool main_exe;
	struct module_fact fact;
};

struct modules; /* opaque */

int modules_new(size_t limit, size_t line_limit, struct modules **ret);
void modules_free(struct modules *t);

/*
 * Takes over a reading of the map that began at now_ns: n lines sorted by address; lines that
 * overlap the one before are left out. -ENOMEM leaves the old one.
 */
int modules_set_vmas(struct modules *t, const struct vma *vma, size_t n, uint64_t now_ns);
/*
 * Marks lines within [start, end): something was mapped or unmapped there at now_ns. True when
 * code was. Changes before the last reading are in it already.
 */
bool modules_touch(struct modules *t, uint64_t start, uint64_t end, uint64_t now_ns);

size_t modules_line_count(const struct modules *t);
const struct map_line *modules_lines(const struct modules *t);
/* The line that holds addr; NULL when none does or it is stale. */
const struct map_line *modules_line_of(const struct modules *t, uint64_t addr);

size_t modules_count(const struct modules *t);
const struct module *modules_at(const struct modules *t, uint32_t index); /* NULL: no such */
/* Modules and lines beyond the limits, the most of any reading. */
uint64_t modules_refused(const struct modules *t);

/* fact NULL: nothing could be found out. -ENOENT. */
int modules_describe(struct modules *t, uint32_t index, const struct module_fact *fact,
		     bool allocator);
/* Path of the process's executable: which module is the main one. */
void modules_set_exe(struct modules *t, const char *path);
/* The name under which the program was started, where its file has several. */
void modules_set_exe_name(struct modules *t, const char *name);
const char *modules_exe_name(const struct modules *t); /* "" when it was not told */

/* Code that the kernel mapped without a file; its path is a name in brackets. */
bool module_is_special(const struct module *m);
/* Whether a line's code belongs to a module, as opposed to having been generated. */
bool modules_line_has_module(const struct map_line *l);

/* Last component of a module's path. */
const char *module_name(const struct module *m);
/* ELF virtual address of a file offset; the offset itself when the file does not say. */
uint64_t module_vaddr(const struct module *m, uint64_t file_offset);
