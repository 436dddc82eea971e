/*
 * Program counters of one address space as frames: which module and where in it, or generated
 * code. Frames are stored once and named by handles; a frame keeps its place after its code was
 * unmapped, while the same address seen later becomes a new frame.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memtrace/wire.h"
#include "model/modules.h"

enum frame_place {
	FRAME_UNPLACED = 0, /* no mapping is known there yet */
	FRAME_IN_MODULE,
	FRAME_IN_JIT, /* executable memory of no file */
};

enum frame_naming {
	NAMING_OPEN = 0, /* nobody has been asked */
	NAMING_ASKED,
	NAMING_PARTLY, /* symbol is an answer; lines and inlined functions are to come */
	NAMING_DONE,   /* symbol is the answer; NULL: it has none */
};

/* A function at a frame: the one that the code is in, or one inlined there. */
struct frame_name {
	const char *symbol; /* NULL or "": not known */
	const char *file;   /* NULL or "": not known */
	uint32_t line;	    /* 0: not known */
};

struct frame {
	uint64_t pc;
	uint64_t file_offset; /* FRAME_IN_MODULE */
	uint64_t hash;	      /* its part of a site_id; 0 until that is final */
	uint32_t module;
	uint8_t place;		    /* enum frame_place */
	uint8_t naming;		    /* enum frame_naming */
	bool interpreted;	    /* FRAME_IN_JIT: an interpreter's code, run for a function */
	uint32_t line;		    /* 0: not known */
	char *symbol;		    /* owned */
	char *file;		    /* owned; NULL: not known */
	struct frame_name *inlined; /* owned, with its texts; innermost first */
	uint8_t inlined_count;
};

/* What is known of generated code. */
struct code_name {
	const char *symbol;
	const char *file; /* NULL or "": not known */
	uint32_t line;	  /* 0: not known */
	bool interpreted;
};

struct stacks; /* opaque */

/* modules: borrowed for the life of the table. */
int stacks_new(size_t limit, const struct modules *modules, struct stacks **ret);
void stacks_free(struct stacks *t);

size_t stacks_count(const struct stacks *t);
uint64_t stacks_refused(const struct stacks *t); /* frames beyond the limit */
const struct frame *stacks_at(const struct stacks *t, uint32_t handle); /* NULL: no such */

/* Finds or adds the frame of a program counter. -ENOSPC (counted), -ENOMEM. */
int stacks_intern(struct stacks *t, uint64_t pc, uint32_t *ret);
/* Tries the unplaced frames again, after the memory map was read. */
void stacks_place(struct stacks *t);
/* Whether frames came since then whose place is not known. */
bool stacks_wants_map(const struct stacks *t);
/* The code at [start, end) went away: its addresses will mean something else. */
void stacks_forget(struct stacks *t, uint64_t start, uint64_t end);

/* ELF virtual address in the module once that is described, file offset before; else the pc. */
uint64_t stacks_offset(const struct stacks *t, const struct frame *f);

void stacks_mark_asked(struct stacks *t, uint32_t handle);
/* "" = it has no name; NULL = ask again later. -ENOENT, -ENOMEM. */
int stacks_set_name(struct stacks *t, uint32_t handle, const char *symbol);
/*
 * Innermost first, the last one is the function itself, count at least 1. more: ask again later,
 * there may be lines. -ENOENT, -ENOMEM; then nothing changes.
 */
int stacks_set_names(struct stacks *t, uint32_t handle, const struct frame_name *name, size_t count,
		     bool more);
/*
 * The same for FRAME_IN_JIT. NULL: nobody knows its name; a later call may still tell it. The first
 * answer decides how the frame enters site ids. A name stays: the address may mean something else
 * when it is asked for again. -ENOENT, -ENOMEM.
 */
int stacks_set_code_name(struct stacks *t, uint32_t handle, const struct code_name *name);

/*
 * site_id: 64-bit FNV-1a, mixed once more at the end, over the kind and one hash per frame. That of
 * a frame in a file is FNV-1a over the build id (without one the module's name) and the virtual
 * address; of generated code over its name, the file's last component and line, as far as they were
 * known at first, and a mere marker otherwise; unplaced frames are a marker. No address of this run
 * enters, so the id is the same on every host. Never 0.
 * Recursion has no part in it: a run of frames (up to 16) that follows on an equal run is left out,
 * so that every depth has the same id; of a stack that was cut at the frame limit a begun
 * repetition at its outer end is left out too. Unnamed generated code is one marker, however many
 * frames. *ret_final: false while modules of the stack are not placed and described, or generated
 * code was not asked for its name; the id can change until then.
 */
uint64_t stacks_site_id(struct stacks *t, enum mt_site_kind kind, enum mt_stack_end end,
			const uint32_t *frame, size_t n, bool *ret_final);
