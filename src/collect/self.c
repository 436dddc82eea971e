/* The file offset of our own code, from the program headers that the loader shows us. */
#include "collect/self.h"

#include <errno.h>
#include <link.h>
#include <stdint.h>
#include <stdlib.h>

struct wanted {
	uintptr_t addr;
	unsigned long offset;
	int found;
};

static int look_at(struct dl_phdr_info *info, size_t size, void *ctx)
{
	struct wanted *w = ctx;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		uintptr_t start = info->dlpi_addr + p->p_vaddr;

		if (p->p_type != PT_LOAD || w->addr < start || w->addr >= start + p->p_filesz)
			continue;
		w->offset = w->addr - start + p->p_offset;
		w->found = 1;
	}
	return 1; /* the first object is the executable; no other is of interest */
}

int self_file_offset(const void *function, unsigned long *ret)
{
	struct wanted w = { .addr = (uintptr_t)function };

	dl_iterate_phdr(look_at, &w);
	if (!w.found)
		return -ENOENT;
	*ret = w.offset;
	return 0;
}

const char *self_btf_override(void)
{
	const char *path = getenv("MEMTRACE_BTF");

	return path && *path ? path : NULL;
}

const char *self_btf_path(void)
{
	const char *path = self_btf_override();

	return path ? path : "/sys/kernel/btf/vmlinux";
}
