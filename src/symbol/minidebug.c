/* See minidebug.h. Output grows as it comes: what a header promises reserves nothing. */
#include "symbol/minidebug.h"

#include <errno.h>
#include <lzma.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sys/elf.h"

#define DECODER_BYTES_MAX                                                       \
	((uint64_t)72 << 20) /* the largest dictionary that xz makes, and a bit \
			      */
#define FIRST_BYTES ((size_t)256 << 10)

static int grow(char **out, size_t *cap, size_t max)
{
	size_t more = *cap ? *cap * 2 : FIRST_BYTES;
	char *grown;

	if (*cap >= max)
		return -EFBIG;
	if (more > max)
		more = max;
	grown = realloc(*out, more);
	if (!grown)
		return -ENOMEM;
	*out = grown;
	*cap = more;
	return 0;
}

static int error_of(lzma_ret r)
{
	switch (r) {
	case LZMA_MEM_ERROR: return -ENOMEM;
	case LZMA_MEMLIMIT_ERROR: return -EFBIG;
	default: return -EBADMSG;
	}
}

static int decode(lzma_stream *z, size_t max, char **out, size_t *ret_size)
{
	size_t cap = 0;
	lzma_ret step;
	int r;

	do {
		if (z->avail_out == 0) {
			r = grow(out, &cap, max);
			if (r < 0)
				return r;
			z->next_out = (uint8_t *)*out + z->total_out;
			z->avail_out = cap - z->total_out;
		}
		step = lzma_code(z, LZMA_FINISH);
	} while (step == LZMA_OK);
	*ret_size = z->total_out;
	return step == LZMA_STREAM_END ? 0 : error_of(step);
}

int minidebug_unpack(const void *packed, size_t size, size_t max, char **ret, size_t *ret_size)
{
	lzma_stream z = LZMA_STREAM_INIT;
	auto_free char *out = NULL;
	lzma_ret begun;
	int r;

	begun = lzma_stream_decoder(&z, DECODER_BYTES_MAX, 0);
	if (begun != LZMA_OK)
		return error_of(begun);
	z.next_in = packed;
	z.avail_in = size;
	r = decode(&z, max, &out, ret_size);
	lzma_end(&z);
	if (r == 0)
		*ret = steal(out);
	return r;
}

/* A descriptor of memory that holds the bytes. */
static int write_memory(const char *bytes, size_t size)
{
	auto_close int fd = memfd_create("memtrace-debugdata", MFD_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	for (size_t done = 0; done < size; done += (size_t)n) {
		n = write(fd, bytes + done, size - done);
		if (n <= 0)
			return n < 0 ? -errno : -ENOSPC;
	}
	return steal_fd(&fd);
}

int minidebug_open(const struct elf_file *f, struct elf_file **ret)
{
	auto_free char *image = NULL;
	auto_close int fd = -1;
	struct elf_bytes packed;
	size_t size;
	int r;

	r = elf_section(f, ".gnu_debugdata", MINIDEBUG_PACKED_MAX, &packed);
	if (r < 0)
		return r == -E2BIG ? -EFBIG : r;
	r = minidebug_unpack(packed.bytes, packed.len, MINIDEBUG_UNPACKED_MAX, &image, &size);
	free(packed.bytes);
	if (r == 0)
		r = fd = write_memory(image, size);
	if (r >= 0)
		r = elf_open_debug_fd(fd, ret);
	return r == -ENOEXEC ? -EBADMSG : r;
}
