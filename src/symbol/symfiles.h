/*
 * The files that a symbolizer knows, and which of them are in memory: an open ELF file with its
 * table of functions each. Bounded; the least recently used gives way.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct debug_search;
struct elf_file;
struct symbol_file;
struct symbolizer_cfg;
struct symbolizer_stats;
struct symfiles; /* opaque */
struct symtable;

/* One known file; changed by symfiles.c only. Valid until the next symfiles_add(). */
struct symfile {
	uint32_t number;
	char *key;	   /* owned: the identity */
	char *path;	   /* owned */
	char *name, *root; /* owned: where debug files are looked for; NULL when not known */
	bool has_build_id; /* then key is the build id */
	uint64_t inode;	   /* 0: not known */
	int error;	   /* why it cannot be read; 0 when nobody tried, or it can */
	bool pending;	   /* asked for, not loaded yet */
	bool fetching;	   /* its debug file is asked for at servers: symfiles_fetch() */
	int fetched_fd;	   /* owned: that file, to be loaded; -1 */
	bool lineless;	   /* was loaded, and there are no lines for it */
	uint64_t used;	   /* turn of the last question */

	/*
	 * Owned, and there once it is loaded (table is not NULL). They may go away at the next
	 * symfiles_load() of another file.
	 */
	struct elf_file *elf;
	struct symtable *table;
	struct elf_file *extra;	      /* more symbols or DWARF; NULL when there is none */
	struct elf_file *shared;      /* of which extra, or elf, has parts; NULL likewise */
	const struct elf_file *dwarf; /* elf, extra or NULL: has lines */
	struct debug_search *search;  /* while it is being loaded */
	bool packed;		      /* extra is in memory */
	size_t bytes;		      /* memory that counts against the limit of tables */
};

int symfiles_new(const struct symbolizer_cfg *cfg, struct symfiles **ret);
void symfiles_free(struct symfiles *s);

/* See symbolizer_add_file(). */
int symfiles_add(struct symfiles *s, const struct symbol_file *file, uint32_t *ret);

/* The file of that number, now the most recently used one; NULL when its slot was given away. */
struct symfile *symfiles_find(struct symfiles *s, uint32_t number);

/*
 * Opens f and builds its table, unless it is there. A failure that will not pass is remembered in
 * f->error and returned at once from then on. -EAGAIN: not all is read yet, call again.
 */
int symfiles_load(struct symfiles *s, struct symfile *f);

/*
 * For a file that is `fetching`: true when its debug file has come; f is to be loaded again then,
 * and what was found out about it before is out of date.
 */
bool symfiles_fetch(struct symfiles *s, struct symfile *f);
bool symfiles_is_fetching(const struct symfiles *s); /* any file */

/* Notes that f is waited for; loading it ends that. */
void symfiles_await(struct symfiles *s, struct symfile *f);

/* Fills the members that are about files and tables. */
void symfiles_get_stats(const struct symfiles *s, struct symbolizer_stats *ret);
