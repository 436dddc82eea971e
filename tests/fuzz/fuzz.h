/* What fuzz targets share. A target is one function of bytes; a claim that does not hold ends it.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CLAIM(what)                                                                               \
	do {                                                                                      \
		if (!(what)) {                                                                    \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #what); \
			abort();                                                                  \
		}                                                                                 \
	} while (0)

/* A file in memory with these bytes: always the same descriptor, which stays open. */
static inline int fuzz_file(const void *bytes, size_t size)
{
	static int fd = -1;

	if (fd < 0)
		fd = memfd_create("fuzz", MFD_CLOEXEC);
	CLAIM(fd >= 0 && ftruncate(fd, 0) == 0);
	CLAIM(pwrite(fd, bytes, size, 0) == (ssize_t)size);
	return fd;
}

/* Takes a number from the front of the input; 0 when it is used up. */
static inline uint64_t fuzz_take(const uint8_t **data, size_t *size, size_t bytes)
{
	uint64_t n = 0;

	if (bytes > *size)
		bytes = *size;
	memcpy(&n, *data, bytes);
	*data += bytes;
	*size -= bytes;
	return n;
}
