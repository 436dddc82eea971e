/* Frames as people read them, and foreign text made safe for folded stacks and for XML. */
#pragma once
#include <stddef.h>

#include "profile/profile.h"

struct strbuf;

/* "parse_row", "libpq.so.5+0x4321" without a name, "[jit]+0x7f00" without a module. */
int label_frame(struct strbuf *b, const struct profile *p, const struct profile_frame *f);

/*
 * The same as one element of a folded stack: no character of it can be taken for the end of the
 * element or for the value (';' becomes ':', blanks become '_', other control characters are
 * escaped by profile_text() already). Ends in _[j], _[k] or _[i] for generated code, the kernel
 * and inlined functions, as is usual for folded stacks.
 */
int label_folded(struct strbuf *b, const struct profile *p, const struct profile_frame *f);

/* Text for XML elements and quoted attributes; what XML 1.0 cannot hold becomes U+FFFD. */
int label_xml(struct strbuf *b, const char *text);

/* What a box is coloured by. */
enum label_colour {
	LABEL_APPLICATION, /* the program itself */
	LABEL_LIBRARY,
	LABEL_SYSTEM, /* the C and C++ runtime, the loader, allocators */
	LABEL_JIT,
	LABEL_INTERPRETED,
	LABEL_KERNEL,
	LABEL_NOTE, /* no code */
	LABEL_COLOURS
};

/* The program itself is the file of the process's path or, as that may be a link, of its name. */
enum label_colour label_colour(const struct profile *p, const struct profile_frame *f,
			       const struct profile_process *process);
