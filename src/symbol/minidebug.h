/*
 * MiniDebugInfo: the symbol table that some distributions leave in a stripped file, compressed, in
 * section .gnu_debugdata (described in gdb's manual). Unpacked with liblzma, within limits.
 */
#pragma once
#include <stddef.h>

struct elf_file;

#define MINIDEBUG_PACKED_MAX ((size_t)16 << 20)
#define MINIDEBUG_UNPACKED_MAX ((size_t)64 << 20)

/*
 * The ELF file inside of f, in memory; the caller closes it. -ENOENT when there is none, -EFBIG
 * beyond a limit of size or of the memory for unpacking, -EBADMSG when it is not an ELF file packed
 * by xz, -ENOMEM.
 */
int minidebug_open(const struct elf_file *f, struct elf_file **ret);

/* The unpacking alone. The caller frees *ret. */
int minidebug_unpack(const void *packed, size_t size, size_t max, char **ret, size_t *ret_size);
