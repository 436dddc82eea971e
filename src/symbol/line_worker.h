/*
 * Asks a child process for lines and inlined functions, so that neither the size of debug
 * information nor what is wrong with it can stop, kill or bloat this process: the child has no
 * privileges, works while this process goes on, and is replaced when it dies or takes too long.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "symbol/dwarf_reader.h"
#include "symbol/line_child.h"

struct line_worker; /* opaque */

struct line_worker_cfg {
	uint64_t (*now_ns)(void); /* a monotonic clock */
	uint64_t patience_ns;	  /* for one answer; then the child is killed */
	uint32_t children_max;	  /* children started in a life, then no more answers */
};

struct line_worker_stats {
	uint32_t children; /* started */
	uint64_t lost;	   /* questions that killed their child, or that it never answered */
	uint64_t cpu_ns;   /* of all children, as of their last answers */
};

/* An answer; texts are valid until the next line_worker_receive(). */
struct line_answer {
	uint32_t file;
	uint64_t vaddr;
	/* 0; -ENOENT: nothing known; -ECHILD: the child was lost over it; -ESTALE: ask again; or
	 * why the file could not be read */
	int error;
	size_t count;
	struct line_frame frames[LINE_FRAMES_MAX]; /* innermost first */
};

/* -ENOMEM. No child is started before the first question. */
int line_worker_new(const struct line_worker_cfg *cfg, struct line_worker **ret);
void line_worker_free(struct line_worker *w);

/* The file with the lines: fd has them, shared_fd what it shares with others, or -1. Borrowed. */
struct line_file {
	uint32_t number; /* chosen by the caller; another file gets another number */
	int fd, shared_fd;
};

/*
 * Never blocks. -EAGAIN: too many questions are open, or out of memory or descriptors. -EIO: there
 * will be no more answers.
 */
int line_worker_ask(struct line_worker *w, const struct line_file *file, uint64_t vaddr);

/* The next answer, if there is one: 1 when *ret was filled, else 0. Never blocks. */
int line_worker_receive(struct line_worker *w, struct line_answer *ret);

size_t line_worker_open_questions(const struct line_worker *w);
int line_worker_fd(const struct line_worker *w);  /* readable when an answer is there; -1: none */
int line_worker_pid(const struct line_worker *w); /* of the child; 0: none */
void line_worker_get_stats(const struct line_worker *w, struct line_worker_stats *ret);
