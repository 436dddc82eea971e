/*
 * Reading the memory of another process, which goes on meanwhile: what is read can change between
 * two words. Everything read is hostile. A page that is not in memory is not to be read (see
 * present.h): the kernel would build page tables for it in the target.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct peek {
	uint32_t pid;
	uint64_t calls, bytes, failed; /* system calls, bytes read, pieces that could not be */
};

/* One piece of many. */
struct peek_at {
	uint64_t address;
	void *into; /* owned by the caller */
	size_t len; /* bytes */
	bool ok;    /* out: all of it was read */
};

/* All or nothing. -EFAULT: not mapped, or not all of it. -ESRCH, -EPERM; *ret is undefined then. */
int peek_read(struct peek *p, uint64_t address, void *ret, size_t len);
int peek_u64(struct peek *p, uint64_t address, uint64_t *ret);
int peek_u32(struct peek *p, uint64_t address, uint32_t *ret);

/*
 * Any number of pieces, up to 512 with one system call. 0 whatever could not be read; -ESRCH and
 * -EPERM: nothing more can be.
 */
int peek_read_many(struct peek *p, struct peek_at *at, size_t n);
