/* Everything that memtrace reads of an ELF file, from a file that may be anything. */
#include "fuzz.h"

#include "sys/elf.h"

struct walk {
	size_t count;
	uint64_t bytes; /* of names */
};

static int visit(void *ctx, const struct elf_symbol *s)
{
	struct walk *w = ctx;

	w->count++;
	w->bytes += s->name ? strlen(s->name) : 0;
	CLAIM(w->count <= ELF_SYMBOLS_MAX);
	return 0;
}

struct naming {
	const struct elf_file *f;
	size_t count;
};

static int read_name(void *ctx, const struct elf_symbol *s)
{
	struct naming *n = ctx;
	char name[64];
	int r;

	memset(name, 'x', sizeof(name));
	r = elf_read_name(n->f, s->dynamic, s->name_ref, name, sizeof(name));
	if (r >= 0)
		CLAIM((size_t)r < sizeof(name) && strlen(name) == (size_t)r);
	CLAIM(!s->name);
	return ++n->count == 64;
}

static void read_code(const struct elf_file *f, uint64_t vaddr)
{
	const uint8_t *code = NULL;
	uint64_t offset = 0;
	size_t len = 0;
	unsigned int sum = 0;

	if (elf_vaddr_to_offset(f, vaddr, &offset) == 0)
		CLAIM(elf_offset_to_vaddr(f, offset, &vaddr) == 0);
	if (elf_code(f, vaddr, 256, &code, &len) != 0)
		return;
	CLAIM(len <= 256);
	for (size_t i = 0; i < len; i++)
		sum += code[i];
	CLAIM(sum <= 255 * 256);
}

static void find_exported(const struct elf_file *f)
{
	static const char *const names[] = { "getpid", "malloc", "no_such_function" };
	struct elf_symbol found[3];

	if (!elf_find_exported(f, names, 3, found))
		CLAIM(!found[0].vaddr || found[0].dynamic);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct elf_file *f = NULL;
	struct err err = {};
	struct walk names = {};
	struct naming naming = {};
	struct module_fact fact = {};

	if (elf_open_fd(fuzz_file(data, size), &f, &err) < 0)
		return 0;
	elf_describe(f, &fact);
	CLAIM(strlen(fact.build_id) < sizeof(fact.build_id));
	elf_each_function(f, visit, &names);
	naming.f = f;
	elf_each_address(f, read_name, &naming);
	find_exported(f);
	read_code(f, elf_entry(f));
	read_code(f, elf_entry(f) + 4096);
	elf_close(f);
	return 0;
}
