#include "runtime/symbols.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "sys/elf.h"

#define SECTION_BYTES_MAX (64u << 20)

static void take(const Elf64_Sym *s, const char *name, size_t room, const char *const *names,
		 size_t n, struct symbol *ret)
{
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(names[i]) + 1;

		if (len <= room && memcmp(name, names[i], len) == 0)
			ret[i] = (struct symbol){ s->st_value, s->st_size };
	}
}

int symbols_find(const struct elf_file *f, bool all, const char *const *names, size_t n,
		 struct symbol *ret)
{
	struct elf_bytes symbols = { 0 }, texts = { 0 };
	Elf64_Sym s;
	int r = elf_section(f, all ? ".symtab" : ".dynsym", SECTION_BYTES_MAX, &symbols);

	if (!r)
		r = elf_section(f, all ? ".strtab" : ".dynstr", SECTION_BYTES_MAX, &texts);
	if (!r)
		memset(ret, 0, n * sizeof(*ret));
	for (size_t at = 0; !r && at + sizeof(s) <= symbols.len; at += sizeof(s)) {
		memcpy(&s, symbols.bytes + at, sizeof(s));
		if (s.st_shndx != SHN_UNDEF && s.st_name < texts.len)
			take(&s, (const char *)texts.bytes + s.st_name, texts.len - s.st_name,
			     names, n, ret);
	}
	free(symbols.bytes);
	free(texts.bytes);
	return r;
}
