/*
 * Finding the separate debug file of a program or library, as gdb and elfutils do: by its build id
 * below /usr/lib/debug/.build-id, then by the name and CRC-32 in its section .gnu_debuglink; first
 * in the traced process's own root, then on this host. Paths and files are hostile: they are
 * resolved inside that root, opened only when they are regular files, and believed only when they
 * prove to belong.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct elf_file;
struct debug_search; /* opaque */

#define DEBUG_FILE_BYTES_MAX ((uint64_t)1 << 30) /* larger ones are refused */

/* Where to look; texts are copied. */
struct debug_place {
	const char *root;     /* the process's root folder for us; NULL when it cannot be reached */
	const char *host;     /* ours; "/" */
	const char *name;     /* of the file, in that root: absolute; NULL or "" when not known */
	const char *build_id; /* lower-case hex; NULL or "" when it has none */
};

/* What was found at a place and not used. */
struct debug_refusals {
	uint64_t broken;     /* not a regular file, no ELF file, too large */
	uint64_t mismatched; /* the debug file of another build */
};

/* f: borrowed until debug_search_free(). -ENOMEM. */
int debug_search_new(const struct elf_file *f, const struct debug_place *place,
		     struct debug_search **ret);
void debug_search_free(struct debug_search *s);
void debug_search_freep(struct debug_search **s);

/*
 * Looks on. 0: *ret is the debug file, the caller closes it. -EAGAIN: a large file is being
 * compared, call again. -ENOENT: there is none. -ENOMEM and the like: call again later.
 */
int debug_search_step(struct debug_search *s, struct elf_file **ret);
struct debug_refusals debug_search_refusals(const struct debug_search *s);
/* Where the last one was found, in its root; valid until debug_search_free(). "" before. */
const char *debug_search_path(const struct debug_search *s);

/* A debug file that came from elsewhere; fd stays the caller's. -ENOENT when it is another's. */
int debug_file_open(int fd, const char *build_id, struct debug_refusals *count,
		    struct elf_file **ret);

/*
 * The file that `f` shares its DWARF with (section .gnu_debugaltlink, made by dwz); path_of_f: in
 * its root, from where a relative name goes. -ENOENT when it names none or it cannot be found.
 */
int debug_file_open_shared(const struct elf_file *f, const char *path_of_f,
			   const struct debug_place *place, struct debug_refusals *count,
			   struct elf_file **ret);
