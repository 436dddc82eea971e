/* The table of functions: what it finds at an address begins there or below. seeds: elf */
#include "fuzz.h"

#include "sys/elf.h"
#include "symbol/symtable.h"

#define SYMBOLS_MAX 512

struct seen {
	struct elf_symbol symbol[SYMBOLS_MAX];
	size_t count;
};

static int keep(void *ctx, const struct elf_symbol *s)
{
	struct seen *seen = ctx;

	seen->symbol[seen->count++] = *s;
	return seen->count == SYMBOLS_MAX;
}

static bool begins_below(const struct seen *seen, const struct symbol_ref *ref, uint64_t vaddr)
{
	for (size_t i = 0; i < seen->count; i++) {
		const struct elf_symbol *s = &seen->symbol[i];

		if (s->dynamic == ref->dynamic && s->name_ref == ref->name_ref && s->vaddr <= vaddr)
			return true;
	}
	return false;
}

static void find(const struct symtable *t, const struct seen *seen, uint64_t vaddr)
{
	struct symbol_ref ref[SYMTABLE_ALIASES];
	size_t n = symtable_find(t, vaddr, ref);

	CLAIM(n <= SYMTABLE_ALIASES);
	for (size_t i = 0; i < n && seen->count < SYMBOLS_MAX; i++)
		CLAIM(begins_below(seen, &ref[i], vaddr));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct seen seen;
	struct elf_file *f = NULL;
	struct symtable *t = NULL;
	struct err err = {};

	if (elf_open_fd(fuzz_file(data, size), &f, &err) < 0)
		return 0;
	seen.count = 0;
	elf_each_address(f, keep, &seen);
	if (symtable_build(f, size % 2 ? f : NULL, 1 << 20, &t) == 0) {
		CLAIM(symtable_bytes(t) <= 1 << 20);
		for (size_t i = 0; i < seen.count; i++) {
			find(t, &seen, seen.symbol[i].vaddr);
			find(t, &seen, seen.symbol[i].vaddr + seen.symbol[i].size / 2);
			find(t, &seen, seen.symbol[i].vaddr - 1);
		}
		find(t, &seen, 0);
		find(t, &seen, UINT64_MAX);
		symtable_free(t);
	}
	elf_close(f);
	return 0;
}
