/*
 * Allocators whose structures are not read: told by name, and that they are not. An allocator that
 * takes malloc()'s place is a shared library of its own name, or a part of the program, which then
 * has its functions among its symbols beside malloc().
 */
#include "runtime/allocators.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "sys/elf.h"
#include "sys/mapfile.h"

#define SYMBOL_BYTES_MAX (32u << 20)

static const struct {
	const char *file; /* the beginning of its name */
	enum served_by by;
} files[] = {
	{ "libjemalloc", SERVED_JEMALLOC }, { "libtcmalloc", SERVED_TCMALLOC },
	{ "libmimalloc", SERVED_MIMALLOC }, { "ld-musl-", SERVED_MUSL },
	{ "libc.musl-", SERVED_MUSL },
};

static const struct {
	const char *symbol;
	enum served_by by;
} symbols[] = {
	{ "mallctl", SERVED_JEMALLOC },
	{ "tc_malloc", SERVED_TCMALLOC },
	{ "TCMallocInternalMalloc", SERVED_TCMALLOC },
	{ "mi_malloc", SERVED_MIMALLOC },
};

static const char *file_name(const struct vma *v)
{
	const char *slash = strrchr(v->path, '/');

	return slash ? slash + 1 : v->path;
}

static enum served_by by_file(const struct vma *v)
{
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (strncmp(file_name(v), files[i].file, strlen(files[i].file)) == 0)
			return files[i].by;
	return SERVED_UNKNOWN;
}

/* Names that the program's dynamic table defines. */
static enum served_by by_names(const struct elf_bytes *table, const struct elf_bytes *names)
{
	enum served_by by = SERVED_UNKNOWN;
	bool has_malloc = false;
	Elf64_Sym s;

	for (size_t at = 0; at + sizeof(s) <= table->len; at += sizeof(s)) {
		const char *name;

		memcpy(&s, table->bytes + at, sizeof(s));
		if (s.st_shndx == SHN_UNDEF || s.st_name >= names->len)
			continue;
		name = (const char *)names->bytes + s.st_name;
		if (!memchr(name, 0, names->len - s.st_name))
			continue;
		has_malloc |= strcmp(name, "malloc") == 0;
		for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++)
			if (strcmp(name, symbols[i].symbol) == 0)
				by = symbols[i].by;
	}
	return has_malloc ? by : SERVED_UNKNOWN;
}

/* The program's own file: mapped lowest, or where it is not, what it exports does not matter. */
static enum served_by by_symbols(const struct process_view *v, const struct vma *exe)
{
	struct elf_bytes table = { 0 }, names = { 0 };
	enum served_by by = SERVED_UNKNOWN;
	struct elf_file *f;
	struct err err = { 0 };
	struct stat st;
	auto_close int fd = mapfile_open(v->proc, v->pid, exe->start, exe->end, &st);

	if (fd < 0 || elf_open_fd(fd, &f, &err))
		return SERVED_UNKNOWN;
	if (!elf_section(f, ".dynsym", SYMBOL_BYTES_MAX, &table) &&
	    !elf_section(f, ".dynstr", SYMBOL_BYTES_MAX, &names))
		by = by_names(&table, &names);
	free(table.bytes);
	free(names.bytes);
	elf_close(f);
	return by;
}

enum served_by allocator_served_by(const struct process_view *v)
{
	enum served_by by = SERVED_UNKNOWN;
	const struct vma *exe = NULL;

	for (size_t i = 0; !by && i < v->maps->count; i++) {
		const struct vma *at = &v->maps->vma[i];

		if (at->kind != VMA_FILE || !at->path[0])
			continue;
		if (!exe)
			exe = at;
		by = by_file(at);
	}
	return by || !exe ? by : by_symbols(v, exe);
}

/* A state is only to be told from none. */
static int open_as(const struct process_view *v, void **state, enum served_by by)
{
	if (allocator_served_by(v) != by)
		return -ENOENT;
	*state = malloc(1);
	return *state ? 0 : -ENOMEM;
}

void allocator_unavailable(const char *name, const char *why, struct inner_allocator *ret)
{
	*ret = (struct inner_allocator){
		.name = name,
		.known.why = why,
		.live_bytes = FACT_UNKNOWN,
		.live_count = FACT_UNKNOWN,
		.cached_bytes = FACT_UNKNOWN,
		.cached_count = FACT_UNKNOWN,
		.free_bytes = FACT_UNKNOWN,
		.free_count = FACT_UNKNOWN,
		.free_resident_bytes = FACT_UNKNOWN,
		.mapped_bytes = FACT_UNKNOWN,
		.mapped_count = FACT_UNKNOWN,
		.overhead_bytes = FACT_UNKNOWN,
		.unknown_bytes = FACT_UNKNOWN,
	};
}

#define NOT_READ(id, by, text, why)                                                      \
	static int open_##id(const struct process_view *v, void **state, const char **w) \
	{                                                                                \
		(void)w;                                                                 \
		return open_as(v, state, by);                                            \
	}                                                                                \
	static int read_##id(void *state, const struct process_view *v,                  \
			     struct inner_allocator *ret, struct inner_ranges *ranges)   \
	{                                                                                \
		(void)state, (void)v, (void)ranges;                                      \
		allocator_unavailable(text, why, ret);                                   \
		return 0;                                                                \
	}                                                                                \
	const struct walk_ops walk_##id = { text, open_##id, read_##id, free }

NOT_READ(jemalloc, SERVED_JEMALLOC, "jemalloc", "the structures of jemalloc are not read");
NOT_READ(tcmalloc, SERVED_TCMALLOC, "tcmalloc", "the structures of tcmalloc are not read");
NOT_READ(mimalloc, SERVED_MIMALLOC, "mimalloc", "the structures of mimalloc are not read");
NOT_READ(musl, SERVED_MUSL, "musl", "the structures of musl's allocator are not read");
