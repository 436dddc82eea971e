/*
 * Opening and reading files below root/PID, where root is the place of a proc mount ("/proc").
 * Functions return 0 or a negative errno and write their outputs only on success; -ESRCH when
 * there is no such process (any more), -ENOENT when the process is there and the file is not.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* Longer lines are refused. The longest of the kernel: a path of 4,095 newlines, each escaped. */
#define PROCIO_LINE_BYTES 32768

/* Lines of a file, read as they are asked for. 32 KiB: meant for the stack of a leaf function. */
struct procio_lines {
	int fd; /* borrowed from the caller */
	size_t start, end;
	uint64_t refused; /* lines too long, or without the newline that ends a whole line */
	char buf[PROCIO_LINE_BYTES];
};

/* Opens root/PID/name (file or folder) for reading, close-on-exec; the caller closes *ret. */
int procio_open(const char *root, uint32_t pid, const char *name, int *ret);
/* The same for root/name; `name` needs no process, so what is missing is always -ENOENT. */
int procio_open_global(const char *root, const char *name, int *ret);

/* Reads at most size - 1 bytes of root/PID/name into buf and ends them with a NUL. */
int procio_read(const char *root, uint32_t pid, const char *name, char *buf, size_t size,
		size_t *ret_len);
/* Reads the target of the link root/PID/name into buf, with a NUL; -ENAMETOOLONG if cut. */
int procio_read_link(const char *root, uint32_t pid, const char *name, char *buf, size_t size,
		     size_t *ret_len);

/*
 * Calls fn for every entry of the folder root/PID/name that is a number, in the order of /proc.
 * Stops when fn returns non-zero and returns that.
 */
int procio_each_number(const char *root, uint32_t pid, const char *name,
		       int (*fn)(void *ctx, uint32_t number), void *ctx);

void procio_lines_init(struct procio_lines *lines, int fd);
/* Returns 1 with a line, without its newline and valid until the next call; 0 at the end. */
int procio_next_line(struct procio_lines *lines, const char **ret_line, const char **ret_end);
