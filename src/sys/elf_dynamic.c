/*
 * Dynamic symbols of a file without section headers: PT_DYNAMIC says where they are, and a hash
 * table says how many (DT_HASH directly; DT_GNU_HASH by the end of its last chain). Every number
 * is the file's own word: reads are bounded and nothing is believed beyond the end of the file.
 */
#include "sys/elf_impl.h"

#include <elf.h>
#include <errno.h>

#include "sys/elf.h"

#define DYNAMIC_ENTRIES_MAX 4096
#define WORDS_AT_ONCE 1024

struct dynamic_tags {
	uint64_t symtab, strtab, strings_bytes, entry_bytes, hash, gnu_hash; /* 0: missing */
};

static void store_tag(struct dynamic_tags *t, uint64_t tag, uint64_t value)
{
	switch (tag) {
	case DT_SYMTAB: t->symtab = value; break;
	case DT_STRTAB: t->strtab = value; break;
	case DT_STRSZ: t->strings_bytes = value; break;
	case DT_SYMENT: t->entry_bytes = value; break;
	case DT_HASH: t->hash = value; break;
	case DT_GNU_HASH: t->gnu_hash = value; break;
	default: break;
	}
}

static int read_tags(const struct elf_file *f, struct dynamic_tags *ret)
{
	const size_t size = f->is_64 ? sizeof(Elf64_Dyn) : sizeof(Elf32_Dyn);
	uint64_t count = f->dynamic_bytes / size;
	struct dynamic_tags t = {};
	union {
		Elf32_Dyn d32;
		Elf64_Dyn d64;
	} d;
	int r;

	if (count > DYNAMIC_ENTRIES_MAX)
		count = DYNAMIC_ENTRIES_MAX;
	for (uint64_t i = 0; i < count; i++) {
		r = elf_read_all(f, f->dynamic_offset + i * size, &d, size);
		if (r < 0)
			return r;
		if ((f->is_64 ? (uint64_t)d.d64.d_tag : (uint64_t)d.d32.d_tag) == DT_NULL)
			break;
		if (f->is_64)
			store_tag(&t, (uint64_t)d.d64.d_tag, d.d64.d_un.d_val);
		else
			store_tag(&t, (uint64_t)d.d32.d_tag, d.d32.d_un.d_val);
	}
	*ret = t;
	return 0;
}

/* Symbol number one past the chain that begins at symbol `index`: its last word has bit 0 set. */
static int find_chain_end(const struct elf_file *f, uint64_t chains, uint64_t index, uint64_t base,
			  uint64_t *ret)
{
	uint32_t word[WORDS_AT_ONCE];
	int64_t n;

	while (index - base < ELF_SYMBOLS_MAX) {
		n = elf_read_some(f, chains + (index - base) * sizeof(*word), word, sizeof(word));
		if (n < (int64_t)sizeof(*word))
			return -EBADMSG;
		for (size_t i = 0; i < (size_t)n / sizeof(*word); i++, index++) {
			if (word[i] & 1) {
				*ret = index + 1;
				return 0;
			}
		}
	}
	return -EBADMSG;
}

/* Layout: 4 words of header, the Bloom filter in address-sized words, buckets, chains. */
static int count_gnu_hash(const struct elf_file *f, uint64_t offset, uint64_t *ret)
{
	uint32_t head[4], word[WORDS_AT_ONCE], last = 0;
	uint64_t buckets, left;
	int r;

	r = elf_read_all(f, offset, head, sizeof(head));
	if (r < 0)
		return r;
	if (head[0] > ELF_SYMBOLS_MAX)
		return -EBADMSG;
	buckets = offset + sizeof(head) + (uint64_t)head[2] * (f->is_64 ? 8 : 4);
	for (uint64_t at = 0; at < head[0]; at += WORDS_AT_ONCE) {
		left = head[0] - at < WORDS_AT_ONCE ? head[0] - at : WORDS_AT_ONCE;
		r = elf_read_all(f, buckets + at * sizeof(*word), word, left * sizeof(*word));
		if (r < 0)
			return r;
		for (uint64_t i = 0; i < left; i++)
			last = word[i] > last ? word[i] : last;
	}
	if (last < head[1]) {
		*ret = head[1];
		return 0;
	}
	return find_chain_end(f, buckets + (uint64_t)head[0] * sizeof(*word), last, head[1], ret);
}

static int count_symbols(const struct elf_file *f, const struct dynamic_tags *t, uint64_t *ret)
{
	uint64_t offset;
	uint32_t head[2];
	int r;

	if (t->hash && elf_vaddr_to_offset(f, t->hash, &offset) == 0) {
		r = elf_read_all(f, offset, head, sizeof(head));
		if (r < 0)
			return r;
		*ret = head[1];
		return 0;
	}
	if (!t->gnu_hash)
		return -ENOENT;
	r = elf_vaddr_to_offset(f, t->gnu_hash, &offset);
	return r < 0 ? r : count_gnu_hash(f, offset, ret);
}

int elf_find_dynsym(struct elf_file *f)
{
	const size_t entry = f->is_64 ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym);
	struct dynamic_tags t;
	struct elf_table found = { .present = true };
	int r;

	if (f->dynamic_bytes == 0 || f->dynamic_offset > INT64_MAX - f->dynamic_bytes)
		return -ENOENT;
	r = read_tags(f, &t);
	if (r < 0)
		return r;
	if (!t.symtab || !t.strtab || t.entry_bytes != entry)
		return -ENOENT;
	r = elf_vaddr_to_offset(f, t.symtab, &found.offset);
	if (r < 0)
		return r;
	r = elf_vaddr_to_offset(f, t.strtab, &found.strings_offset);
	if (r < 0)
		return r;
	if (found.offset >= f->file_bytes || found.strings_offset >= f->file_bytes)
		return -EBADMSG;
	r = count_symbols(f, &t, &found.count);
	if (r < 0)
		return r;
	found.strings_bytes = f->file_bytes - found.strings_offset;
	if (found.strings_bytes > t.strings_bytes)
		found.strings_bytes = t.strings_bytes;
	f->table[ELF_TABLE_DYNSYM] = found;
	return 0;
}
