#include "runtime/symbols.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sys/elf.h"

/* What is looked for. */
struct wanted {
	const char *const *names;
	size_t len[SYMBOLS_NAMES_MAX];
	size_t n;
};

/* Where a name ends is seen before it is compared: nearly all differ there. */
static void take(const Elf64_Sym *s, const char *name, size_t room, const struct wanted *w,
		 struct symbol *ret)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->len[i] < room && name[w->len[i]] == 0 &&
		    memcmp(name, w->names[i], w->len[i]) == 0)
			ret[i] = (struct symbol){ s->st_value, s->st_size };
}

static void take_all(const struct elf_bytes *symbols, const struct elf_bytes *texts,
		     const struct wanted *w, struct symbol *ret)
{
	Elf64_Sym s;

	memset(ret, 0, w->n * sizeof(*ret));
	for (size_t at = 0; at + sizeof(s) <= symbols->len; at += sizeof(s)) {
		memcpy(&s, symbols->bytes + at, sizeof(s));
		if (s.st_shndx != SHN_UNDEF && s.st_name < texts->len)
			take(&s, (const char *)texts->bytes + s.st_name, texts->len - s.st_name, w,
			     ret);
	}
}

/* What is exported the file's hash table tells without a search; true: it did. */
static bool find_exported(const struct elf_file *f, const struct wanted *w, struct symbol *ret)
{
	struct elf_symbol s[SYMBOLS_NAMES_MAX];

	if (elf_find_exported(f, w->names, w->n, s))
		return false;
	for (size_t i = 0; i < w->n; i++)
		ret[i] = (struct symbol){ s[i].vaddr, s[i].size };
	return true;
}

int symbols_find(const struct elf_file *f, bool all, size_t bytes_max, const char *const *names,
		 size_t n, struct symbol *ret)
{
	struct elf_bytes symbols = { 0 }, texts = { 0 };
	struct wanted w = { .names = names, .n = n };
	int r;

	if (n > SYMBOLS_NAMES_MAX)
		return -E2BIG;
	for (size_t i = 0; i < n; i++)
		w.len[i] = strlen(names[i]);
	if (!all && find_exported(f, &w, ret))
		return 0;
	r = elf_section(f, all ? ".symtab" : ".dynsym", bytes_max, &symbols);
	if (!r)
		r = elf_section(f, all ? ".strtab" : ".dynstr", bytes_max, &texts);
	if (!r)
		take_all(&symbols, &texts, &w, ret);
	free(symbols.bytes);
	free(texts.bytes);
	return r;
}
