/*
 * Walking the function symbols of an ELF file. Symbols are streamed in small pieces; a string
 * table is read only for a walk with names, once, and then kept until elf_close().
 */
#include "sys/elf.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "sys/elf_impl.h"

#define SYMBOLS_AT_ONCE 256

struct walk {
	const struct elf_file *file;
	int (*fn)(void *ctx, const struct elf_symbol *s);
	void *ctx;
	bool names;
	uint64_t left;	     /* symbols that may still be read */
	uint64_t names_left; /* bytes of names likewise */
};

/* A table that shrank since opening gives empty names, which the walk leaves out. */
static int load_strings(const struct elf_file *f, enum elf_table_kind kind)
{
	const struct elf_table *t = &f->table[kind];
	uint64_t size = t->strings_bytes < ELF_STRINGS_MAX ? t->strings_bytes : ELF_STRINGS_MAX;
	auto_free char *strings = NULL;
	int64_t n;

	if (f->lent->strings[kind])
		return 0;
	strings = calloc(1, size + 1);
	if (!strings)
		return -ENOMEM;
	n = elf_read_some(f, t->strings_offset, strings, size);
	if (n < 0)
		return (int)n;
	strings[size] = '\0';
	f->lent->strings[kind] = steal(strings);
	return 0;
}

/* Of a 32- or 64-bit symbol, in the same layout; native byte order was checked at opening. */
static Elf64_Sym widen(const Elf32_Sym *s)
{
	return (Elf64_Sym){
		.st_name = s->st_name,
		.st_info = s->st_info,
		.st_shndx = s->st_shndx,
		.st_value = s->st_value,
		.st_size = s->st_size,
	};
}

/* 1; 0: it has none. One of ELF_NAME_MAX or more is told as "": nobody looks for it. */
static int take_name(struct walk *w, enum elf_table_kind kind, uint32_t ref, const char **ret)
{
	const char *name = w->file->lent->strings[kind] + ref;
	size_t len = strnlen(name, ELF_NAME_MAX);

	if (len > w->names_left)
		return -E2BIG;
	w->names_left -= len;
	*ret = len < ELF_NAME_MAX ? name : "";
	return len > 0;
}

static int visit(struct walk *w, enum elf_table_kind kind, const Elf64_Sym *raw)
{
	const int type = ELF64_ST_TYPE(raw->st_info);
	struct elf_symbol s = {
		.name_ref = raw->st_name,
		.vaddr = raw->st_value,
		.size = raw->st_size,
		.ifunc = type == STT_GNU_IFUNC,
		.global = ELF64_ST_BIND(raw->st_info) != STB_LOCAL,
		.dynamic = kind == ELF_TABLE_DYNSYM,
	};
	int r;

	if ((type != STT_FUNC && type != STT_GNU_IFUNC) || raw->st_shndx == SHN_UNDEF ||
	    raw->st_value == 0 || raw->st_name == 0 ||
	    raw->st_name >= w->file->table[kind].strings_bytes)
		return 0;
	if (s.size > UINT64_MAX - s.vaddr)
		s.size = 0;
	if (w->names) {
		if (raw->st_name >= ELF_STRINGS_MAX)
			return 0;
		r = take_name(w, kind, raw->st_name, &s.name);
		if (r <= 0)
			return r;
	}
	return w->fn(w->ctx, &s);
}

static int walk_table(struct walk *w, enum elf_table_kind kind)
{
	const struct elf_table *t = &w->file->table[kind];
	const size_t entry = w->file->is_64 ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym);
	union {
		Elf32_Sym s32[SYMBOLS_AT_ONCE];
		Elf64_Sym s64[SYMBOLS_AT_ONCE];
	} buf;
	uint64_t n, whole;
	int64_t bytes;
	Elf64_Sym s;
	int r;

	for (uint64_t at = 0; at < t->count; at += n) {
		n = t->count - at < SYMBOLS_AT_ONCE ? t->count - at : SYMBOLS_AT_ONCE;
		if (n > w->left)
			return -E2BIG;
		w->left -= n;
		bytes = elf_read_some(w->file, t->offset + at * entry, &buf, n * entry);
		if (bytes < 0)
			return (int)bytes;
		whole = (uint64_t)bytes / entry;
		for (uint64_t i = 0; i < whole; i++) {
			s = w->file->is_64 ? buf.s64[i] : widen(&buf.s32[i]);
			r = visit(w, kind, &s);
			if (r != 0)
				return r;
		}
		if (whole < n)
			return -EBADMSG;
	}
	return 0;
}

static int walk_all(struct walk *w)
{
	int r, first = 0;

	for (enum elf_table_kind kind = 0; kind < ELF_TABLES; kind++) {
		if (!w->file->table[kind].present)
			continue;
		r = w->names ? load_strings(w->file, kind) : 0;
		if (r == 0)
			r = walk_table(w, kind);
		/* One broken table leaves the other readable. */
		if (r != 0 && r != -EBADMSG)
			return r;
		if (first == 0)
			first = r;
	}
	return first;
}

int elf_each_function(const struct elf_file *f, int (*fn)(void *ctx, const struct elf_symbol *s),
		      void *ctx)
{
	struct walk w = {
		f, fn, ctx, true, .left = ELF_SYMBOLS_MAX, .names_left = ELF_NAMES_BYTES_MAX,
	};

	return walk_all(&w);
}

int elf_each_address(const struct elf_file *f, int (*fn)(void *ctx, const struct elf_symbol *s),
		     void *ctx)
{
	struct walk w = { f, fn, ctx, .names = false, .left = ELF_SYMBOLS_MAX };

	return walk_all(&w);
}

int elf_read_name(const struct elf_file *f, bool dynamic, uint32_t name_ref, char *ret, size_t size)
{
	const struct elf_table *t = &f->table[dynamic ? ELF_TABLE_DYNSYM : ELF_TABLE_SYMTAB];
	uint64_t left;
	char buf[ELF_NAME_MAX];
	size_t len;
	int64_t n;

	if (size == 0)
		return -EINVAL;
	if (!t->present || name_ref == 0 || name_ref >= t->strings_bytes)
		return -ENOENT;
	left = t->strings_bytes - name_ref;
	left = left < sizeof(buf) ? left : sizeof(buf);
	n = elf_read_some(f, t->strings_offset + name_ref, buf, left);
	if (n <= 0)
		return n < 0 ? (int)n : -EBADMSG;
	len = strnlen(buf, (size_t)n);
	if (len == 0)
		return -ENOENT;
	if (len > size - 1)
		len = size - 1;
	memcpy(ret, buf, len);
	ret[len] = '\0';
	return (int)len;
}
