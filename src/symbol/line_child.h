/*
 * The child process of line_worker.h: reads DWARF without privileges, and what it and its parent
 * tell each other, one datagram each, answers in the order of the questions.
 */
#pragma once
#include <stdint.h>

#define LINE_SLOTS 8		      /* files open in the child at a time */
#define LINE_ANSWER_BYTES (56u << 10) /* names that do not fit are left out */
#define LINE_TEXT_BYTES 4096u	      /* longer names and paths are left out */

/* With `files` descriptors: 0 (the slot holds the file), 1, or 2 (the second is shared DWARF). */
struct line_question {
	uint64_t vaddr;
	uint32_t slot, files;
};

/* Followed by `frames` times struct line_answer_frame and its texts. */
struct line_answer_head {
	int32_t error; /* 0 or a negative errno: of dwarf_reader_open(), dwarf_reader_find() */
	uint32_t frames;
	uint64_t cpu_ns; /* of the child, so far */
};

/* Followed by the symbol and the path, without NUL; 0 bytes: not known. */
struct line_answer_frame {
	uint32_t line;
	uint16_t symbol_bytes, file_bytes;
	uint32_t inlined;
};

_Static_assert(sizeof(struct line_question) == 16, "question");
_Static_assert(sizeof(struct line_answer_head) == 16, "head");
_Static_assert(sizeof(struct line_answer_frame) == 12, "frame");

/* Does not return: serves `socket` until the other end is closed. parent: its process id. */
_Noreturn void line_child_run(int socket, int parent);
