/* The file behind a mapping, opened as it is mapped, whatever its name means now. */
#pragma once
#include <stdint.h>
#include <sys/stat.h>

struct elf_file;
struct vma;

/*
 * Opens root/PID/map_files/START-END for reading, close-on-exec, without blocking on what is no
 * regular file: -EACCES for that. *st is of the file. Returns the descriptor, the caller's, or a
 * negative errno.
 */
int mapfile_open(const char *root, uint32_t pid, uint64_t start, uint64_t end, struct stat *st);

/*
 * The same, and opens it as ELF: *ret is the caller's. *ret_bias, which may be NULL, is what it is
 * mapped above its own addresses; -ENOENT when no segment of it is mapped there. Others as of
 * elf_open_fd().
 */
int mapfile_open_elf(const char *root, uint32_t pid, const struct vma *v, struct elf_file **ret,
		     uint64_t *ret_bias);
