/* A descriptor that only names the file is looked at first: opening a device or a pipe may block.
 */
#include "sys/mapfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "sys/elf.h"
#include "sys/maps.h"

int mapfile_open(const char *root, uint32_t pid, uint64_t start, uint64_t end, struct stat *st)
{
	auto_close int fd = -1;
	char path[96];
	int opened;

	snprintf(path, sizeof(path), "%s/%u/map_files/%lx-%lx", root, pid, (unsigned long)start,
		 (unsigned long)end);
	fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0 || fstat(fd, st))
		return -errno;
	if (!S_ISREG(st->st_mode))
		return -EACCES;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	opened = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	return opened < 0 ? -errno : opened;
}

int mapfile_open_elf(const char *root, uint32_t pid, const struct vma *v, struct elf_file **ret,
		     uint64_t *ret_bias)
{
	auto_clean(elf_closep) struct elf_file *f = NULL;
	auto_close int fd = -1;
	struct stat st;
	uint64_t vaddr;
	int r;

	fd = mapfile_open(root, pid, v->start, v->end, &st);
	if (fd < 0)
		return fd;
	r = elf_open_fd(fd, &f, NULL);
	if (!r && ret_bias)
		r = elf_offset_to_vaddr(f, v->file_offset, &vaddr);
	if (r)
		return r;
	if (ret_bias)
		*ret_bias = v->start - vaddr;
	*ret = steal(f);
	return 0;
}
