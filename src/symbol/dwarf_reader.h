/*
 * Lines and inlined functions from DWARF 2 to 5, through libdw. Runs in the child process of
 * line_worker.h only: files are mapped, and libdw was not made for hostile ones.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dwarf_reader; /* opaque */

#define LINE_INLINED_MAX 32
#define LINE_FRAMES_MAX (LINE_INLINED_MAX + 1) /* and the function itself */

struct line_frame {
	const char *symbol; /* as in the file; NULL when not known */
	const char *file;   /* path at compile time; NULL when not known */
	uint32_t line;	    /* 0 when not known */
	bool inlined;
};

/*
 * fd: of the file with the DWARF; shared_fd: of the one that dwz moved parts to, or -1. Both stay
 * the caller's, and open until dwarf_reader_close(). -EBADMSG: no DWARF that can be read. -EFBIG:
 * it unpacks to more than a gigabyte. -ENOMEM.
 */
int dwarf_reader_open(int fd, int shared_fd, struct dwarf_reader **ret);
void dwarf_reader_close(struct dwarf_reader *r);
void dwarf_reader_closep(struct dwarf_reader **r);

/*
 * What covers ELF address vaddr, innermost first; the last one is not inlined. Of deeper nesting
 * the innermost are kept. Texts are borrowed from the reader. -ENOENT when nothing is known.
 */
int dwarf_reader_find(struct dwarf_reader *r, uint64_t vaddr,
		      struct line_frame ret[static LINE_FRAMES_MAX], size_t *ret_count);
