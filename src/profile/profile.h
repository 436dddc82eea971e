/*
 * A profile: call paths with what they hold, of one or several processes, from a recording or from
 * a live run. Building goes process -> tick -> sites of that tick, in the order in which memtrace
 * tells them; profile_settle() then turns what was told into the values that are drawn.
 *
 * What a path grew is its live bytes when it was told last, less those when it was told first: only
 * what was measured. A path that is missing from a report that had room for it held nothing then.
 * Only memory has bytes: paths that open descriptors or start threads are counted and left out.
 *
 * The add functions return 0, -ENOSPC at a limit (counted in `refused`) or -ENOMEM.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profile/intern.h"

#define PROFILE_UNKNOWN UINT64_MAX /* a number that was not measured */
#define PROFILE_FRAMES_MAX 640	   /* of a stack: records have 512 at most */
#define PROFILE_SITES_MAX (1u << 20)
#define PROFILE_PROCESSES_MAX 16384
#define PROFILE_TEXT_MAX 1024 /* bytes of a name; longer ones are cut */

enum profile_value {
	PROFILE_LIVE,		 /* bytes held at the end */
	PROFILE_GROWING,	 /* bytes more than when the path was told first */
	PROFILE_ALLOCATED,	 /* bytes allocated since tracing began */
	PROFILE_COUNT,		 /* blocks held at the end */
	PROFILE_ALLOCATED_COUNT, /* blocks allocated since tracing began */
	PROFILE_VALUES
};

/* "live", "growing", "allocated", "count", "allocated_count". */
const char *profile_value_name(enum profile_value value);

enum profile_frame_kind {
	PROFILE_NATIVE = 1,
	PROFILE_JIT,
	PROFILE_INTERPRETED,
	PROFILE_KERNEL,
	PROFILE_NOTE, /* not code: `symbol` says what stands here */
};

/* Names are numbers of profile.text, 0 where not known. No padding: compared byte by byte. */
struct profile_frame {
	uint64_t offset; /* ELF virtual address in the module; the address without one */
	uint32_t module, build_id, symbol, file;
	uint32_t line;
	uint16_t kind; /* enum profile_frame_kind */
	uint16_t inlined;
};

struct profile_process {
	uint32_t pid;
	uint32_t comm, exe;	/* texts */
	uint64_t begun_ns;	/* CLOCK_REALTIME when tracing began; 0 when not known */
	double first_s, last_s; /* of the first and last tick; NAN before */
	uint32_t ticks;
	bool ended; /* its last tick is whole */

	uint64_t top;	      /* sites in a report at most; PROFILE_UNKNOWN */
	uint64_t told;	      /* sites of this tick */
	uint64_t told_before; /* of the tick before it */
	uint64_t heap_bytes;  /* live blocks of all sites as of the last tick, or unknown */
	uint64_t heap_count;
	uint64_t hidden_bytes; /* settled: of sites that the last tick did not tell */
	uint64_t hidden_count;
};

struct profile_site {
	uint32_t process;   /* index */
	uint32_t id, class; /* texts */
	uint32_t kind;	    /* text: "heap", "mmap", "brk" */
	uint32_t stack;	    /* number in profile.stacks; 0 without frames */
	uint32_t end;	    /* text: why the stack ends; 0 when it is complete */
	uint32_t owner; /* index into the stack: the function that asked; past its end: not known */
	uint32_t tick;	/* last told at this tick of its process, from 1 */
	uint32_t first_tick;
	bool estimated;
	bool grown_known;     /* settled: told twice, or known to have held nothing before */
	bool current;	      /* settled: told at the end of its process */
	uint64_t first_bytes; /* live when it was told first */
	uint64_t live_bytes, live_count, allocated_bytes, allocated_count; /* as told last */
	uint64_t value[PROFILE_VALUES];					   /* settled */
};

/* What a reader of the values should know; filled by profile_settle(). */
struct profile_notes {
	size_t current;	   /* sites told at the end of their process */
	size_t gone;	   /* told earlier only, and not known to hold nothing: live not known */
	size_t told_once;  /* growth not known */
	size_t incomplete; /* current stacks that do not reach the thread's start */
	size_t estimated;  /* current sites whose figures are samples */
	size_t unended;	   /* processes whose recording breaks off */
	uint64_t hidden_bytes, hidden_count; /* heap held by sites that were not told */
	double span_s;			     /* longest time between two ticks of a process */
};

struct profile {
	struct intern text, frames, stacks, site_keys;
	struct profile_process *processes; /* owned */
	size_t process_count, process_cap;
	struct profile_site *sites; /* owned */
	size_t site_count, site_cap;
	uint64_t refused;	/* sites and processes beyond a limit */
	uint64_t without_bytes; /* site lines of descriptors, sockets and threads */
	struct profile_notes notes;
};

int profile_new(struct profile **ret);
void profile_free(struct profile *p);
void profile_freep(struct profile **p);

/* Foreign text, cleaned and cut; 0 in *ret for NULL and "". */
int profile_text(struct profile *p, const char *foreign, uint32_t *ret);

/* The file of the program itself, where that is known better than by its path. */
int profile_set_program(struct profile *p, size_t process, const char *file);

/* A further process, also one that has a pid that was seen before. */
int profile_add_process(struct profile *p, uint32_t pid, const char *comm, const char *exe,
			size_t *ret);

/* What holds at one moment; heap_bytes and heap_count are over all sites, or PROFILE_UNKNOWN. */
void profile_tick(struct profile *p, size_t process, double elapsed_s, uint64_t heap_bytes,
		  uint64_t heap_count);

struct profile_site_told {
	const char *key;	  /* what tells it apart in its process; NULL: the id */
	const char *id;		  /* same path, same id */
	const char *class, *kind; /* as in the output contract */
	const char *end;	  /* why the stack is not complete; NULL when it is */
	const uint32_t *frames;	  /* numbers of profile.frames, innermost first */
	size_t frame_count;	  /* beyond PROFILE_FRAMES_MAX the outermost are left out */
	uint64_t owner;		  /* index into frames: the function that asked; or unknown */
	bool estimated;
	uint64_t live_bytes, live_count, allocated_bytes, allocated_count; /* or unknown */
	bool first_known;     /* who tells knows what it held first: */
	uint64_t first_bytes; /* used instead of what was told first */
};

int profile_add_frame(struct profile *p, const struct profile_frame *f, uint32_t *ret);
int profile_add_site(struct profile *p, size_t process, const struct profile_site_told *told);

/* Fills values and notes; may be called again after further additions. */
void profile_settle(struct profile *p);

const struct profile_frame *profile_frame_at(const struct profile *p, uint32_t number);
/* Numbers of frames, innermost first; NULL and 0 for stack 0. */
const uint32_t *profile_stack_at(const struct profile *p, uint32_t number, size_t *ret_count);

/* Sums over sites, with what was not told where that is known (live bytes and blocks). */
uint64_t profile_total(const struct profile *p, enum profile_value value);

static inline uint64_t profile_plus(uint64_t a, uint64_t b)
{
	uint64_t r;

	return __builtin_add_overflow(a, b, &r) ? UINT64_MAX : r;
}
