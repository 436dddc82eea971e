/*
 * Dynamic symbols of a file without section headers: PT_DYNAMIC says where they are, and a hash
 * table says how many (DT_HASH directly; DT_GNU_HASH by the end of its last chain). Single symbols
 * are looked up in DT_GNU_HASH as the dynamic linker does it, without reading the table of names.
 * Every number is the file's own word: reads are bounded and nothing is believed beyond the end of
 * the file.
 */
#include "sys/elf_impl.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#include "sys/elf.h"

#define DYNAMIC_ENTRIES_MAX 4096
#define WORDS_AT_ONCE 1024
#define CHAIN_AT_ONCE 32 /* most chains have one to five symbols */
#define CHAIN_MAX 1024
#define NAME_BYTES_MAX 256 /* of what is looked up */

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

/* DT_GNU_HASH of a file with the symbols that it is of. */
struct hash_table {
	const struct elf_file *file;
	const struct elf_table *symbols;
	uint64_t buckets, chains; /* offsets in the file */
	uint32_t count, base;	  /* buckets; the first symbol that has a chain */
};

static int open_hash_table(const struct elf_file *f, struct hash_table *ret)
{
	struct hash_table h = { .file = f, .symbols = &f->table[ELF_TABLE_DYNSYM] };
	struct dynamic_tags t;
	uint64_t offset;
	uint32_t head[4];
	int r;

	if (!h.symbols->present || !f->is_64 || f->dynamic_bytes == 0 ||
	    f->dynamic_offset > INT64_MAX - f->dynamic_bytes)
		return -ENOENT;
	r = read_tags(f, &t);
	if (r < 0)
		return r;
	if (!t.gnu_hash || elf_vaddr_to_offset(f, t.gnu_hash, &offset))
		return -ENOENT;
	r = elf_read_all(f, offset, head, sizeof(head));
	if (r < 0)
		return r;
	if (!head[0] || head[0] > ELF_SYMBOLS_MAX)
		return -EBADMSG;
	h.count = head[0];
	h.base = head[1];
	h.buckets = offset + sizeof(head) + (uint64_t)head[2] * 8;
	h.chains = h.buckets + (uint64_t)h.count * sizeof(uint32_t);
	*ret = h;
	return 0;
}

/* Of DT_GNU_HASH: Bernstein's, h * 33 + c from 5381. */
static uint32_t hash_name(const char *name)
{
	uint32_t h = 5381;

	for (; *name; name++)
		h = h * 33 + (uint8_t)*name;
	return h;
}

/* 1: symbol number `index` is defined and is called so; 0: not; errors of reading. */
static int take_symbol(const struct hash_table *h, uint64_t index, const char *name,
		       struct elf_symbol *ret)
{
	const struct elf_table *t = h->symbols;
	size_t len = strlen(name) + 1;
	char text[NAME_BYTES_MAX];
	Elf64_Sym s;
	int r;

	if (index >= t->count)
		return -EBADMSG;
	r = elf_read_all(h->file, t->offset + index * sizeof(s), &s, sizeof(s));
	if (r < 0)
		return r;
	if (s.st_shndx == SHN_UNDEF || s.st_name >= t->strings_bytes ||
	    len > t->strings_bytes - s.st_name)
		return 0;
	r = elf_read_all(h->file, t->strings_offset + s.st_name, text, len);
	if (r < 0)
		return r;
	if (memcmp(text, name, len) != 0)
		return 0;
	*ret = (struct elf_symbol){
		.name_ref = s.st_name,
		.vaddr = s.st_value,
		.size = s.st_size,
		.ifunc = ELF64_ST_TYPE(s.st_info) == STT_GNU_IFUNC,
		.global = ELF64_ST_BIND(s.st_info) != STB_LOCAL,
		.dynamic = true,
	};
	return 1;
}

/* The same of the chain that begins at symbol `index`. */
static int search_chain(const struct hash_table *h, uint64_t index, const char *name,
			struct elf_symbol *ret)
{
	uint32_t word[CHAIN_AT_ONCE], hash = hash_name(name);

	for (int done = 0; done < CHAIN_MAX; done += CHAIN_AT_ONCE) {
		uint64_t at = h->chains + (index - h->base) * sizeof(*word);
		int64_t n = elf_read_some(h->file, at, word, sizeof(word)) / (int64_t)sizeof(*word);

		if (n <= 0)
			return -EBADMSG;
		for (int64_t i = 0; i < n; i++, index++) {
			int r = (word[i] | 1) == (hash | 1) ? take_symbol(h, index, name, ret) : 0;

			if (r || word[i] & 1)
				return r;
		}
	}
	return -EBADMSG;
}

int elf_find_exported(const struct elf_file *f, const char *const *names, size_t n,
		      struct elf_symbol *ret)
{
	struct hash_table h;
	int r = open_hash_table(f, &h);

	memset(ret, 0, n * sizeof(*ret));
	for (size_t i = 0; r >= 0 && i < n; i++) {
		uint64_t at;
		uint32_t first;

		if (strlen(names[i]) >= NAME_BYTES_MAX)
			return -EINVAL;
		at = h.buckets + (uint64_t)(hash_name(names[i]) % h.count) * sizeof(first);
		r = elf_read_all(f, at, &first, sizeof(first));
		if (r >= 0 && first && first < h.base)
			return -EBADMSG;
		if (r >= 0 && first)
			r = search_chain(&h, first, names[i], &ret[i]);
	}
	return r < 0 ? r : 0;
}
