/*
 * The code that the kernel maps into every process without a file ([vdso]): a whole ELF image in
 * the process's memory. The process may have changed it: it is no more to be trusted than a file.
 */
#pragma once
#include <stdint.h>

#define VDSO_BYTES_MAX (1u << 20) /* those of today's kernels have 8 KiB */

/*
 * Copies the image mapped at [start, end) into a file in memory, which reads like a mapped file's
 * own; the caller closes *ret. root: where proc is mounted. -ESRCH, -EFBIG, -EIO when it cannot be
 * read whole, or why no file could be made; *ret is written only on success.
 */
int vdso_copy(const char *root, uint32_t pid, uint64_t start, uint64_t end, int *ret);
