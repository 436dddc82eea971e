#include "runtime/hotspot.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sys/elf.h"

#define SYMBOL_BYTES_MAX (8u << 20)
#define ENTRIES_MAX 4096 /* OpenJDK 17 has 788 */
#define FLAGS_MAX 4096	 /* and 1270 flags */
#define FLAG_BYTES_MAX 128
#define NAME_BYTES 40
#define CODE_BYTES_MAX (2048ull << 20) /* the machine's own limit */

/* An entry of gHotSpotVMStructs, as vmStructs.hpp of OpenJDK declares it. */
struct vm_struct {
	uint64_t type, field, type_text;
	int32_t is_static;
	int32_t padding;
	uint64_t offset;  /* of a field in its object */
	uint64_t address; /* of a static field */
};

/* An entry of gHotSpotVMTypes. */
struct vm_type {
	uint64_t name, super;
	int32_t is_oop, is_integer, is_unsigned, padding;
	uint64_t size;
};

/* What is looked up: the fields of a struct facts, in order. */
enum fact { FLAGS, FLAG_COUNT, FLAG_NAME, FLAG_ADDR, LOW, HIGH, CODE, BUFFER, LIMIT, ENTRY, FACTS };

static const struct {
	const char *type, *field;
} wanted[FACTS] = {
	[FLAGS] = { "JVMFlag", "flags" },
	[FLAG_COUNT] = { "JVMFlag", "numFlags" },
	[FLAG_NAME] = { "JVMFlag", "_name" },
	[FLAG_ADDR] = { "JVMFlag", "_addr" },
	[LOW] = { "CodeCache", "_low_bound" },
	[HIGH] = { "CodeCache", "_high_bound" },
	[CODE] = { "AbstractInterpreter", "_code" },
	[BUFFER] = { "StubQueue", "_stub_buffer" },
	[LIMIT] = { "StubQueue", "_buffer_limit" },
	[ENTRY] = { "StubRoutines", "_call_stub_return_address" },
};

static bool read_bytes(int mem, uint64_t at, void *ret, size_t n)
{
	return at && at <= INT64_MAX && pread(mem, ret, n, (off_t)at) == (ssize_t)n;
}

static uint64_t read_word(int mem, uint64_t at)
{
	uint64_t word;

	return read_bytes(mem, at, &word, sizeof(word)) ? word : 0;
}

/* A text of the process, cut where it is too long; "" when it cannot be read. */
static void read_text(int mem, uint64_t at, char ret[NAME_BYTES])
{
	ssize_t n = at && at <= INT64_MAX ? pread(mem, ret, NAME_BYTES - 1, (off_t)at) : 0;

	ret[n > 0 ? n : 0] = 0;
}

static bool is_text(int mem, uint64_t at, const char *text)
{
	char bytes[NAME_BYTES];

	read_text(mem, at, bytes);
	return strcmp(bytes, text) == 0;
}

static bool is_wanted_type(const char *type)
{
	for (int w = 0; w < FACTS; w++)
		if (strcmp(type, wanted[w].type) == 0)
			return true;
	return false;
}

/* Offsets and addresses of all facts. -EIO when one is missing. */
static int read_structs(int mem, uint64_t table, uint64_t ret[FACTS])
{
	char type[NAME_BYTES], field[NAME_BYTES];
	struct vm_struct e;
	int found = 0;

	for (int i = 0; i < ENTRIES_MAX && found < FACTS; i++) {
		if (!read_bytes(mem, table + i * sizeof(e), &e, sizeof(e)) || !e.type)
			break;
		read_text(mem, e.type, type);
		if (!is_wanted_type(type))
			continue;
		read_text(mem, e.field, field);
		for (int w = 0; w < FACTS; w++) {
			if (strcmp(type, wanted[w].type) || strcmp(field, wanted[w].field))
				continue;
			ret[w] = e.is_static ? e.address : e.offset;
			found++;
		}
	}
	return found == FACTS ? 0 : -EIO;
}

static int read_flag_size(int mem, uint64_t table, uint64_t *ret)
{
	struct vm_type e;

	for (int i = 0; i < ENTRIES_MAX; i++) {
		if (!read_bytes(mem, table + i * sizeof(e), &e, sizeof(e)) || !e.name)
			break;
		if (!is_text(mem, e.name, "JVMFlag"))
			continue;
		*ret = e.size;
		return e.size && e.size <= FLAG_BYTES_MAX ? 0 : -EIO;
	}
	return -EIO;
}

/* The flag PreserveFramePointer. */
static int read_flag(int mem, const uint64_t fact[FACTS], uint64_t flag_size, bool *ret)
{
	uint64_t flags = read_word(mem, fact[FLAGS]), n = read_word(mem, fact[FLAG_COUNT]);
	uint8_t value;

	if (fact[FLAG_NAME] > FLAG_BYTES_MAX || fact[FLAG_ADDR] > FLAG_BYTES_MAX)
		return -EIO;
	for (uint64_t i = 0; i < n && i < FLAGS_MAX; i++) {
		uint64_t at = flags + i * flag_size;

		if (!is_text(mem, read_word(mem, at + fact[FLAG_NAME]), "PreserveFramePointer"))
			continue;
		if (!read_bytes(mem, read_word(mem, at + fact[FLAG_ADDR]), &value, 1))
			return -EIO;
		*ret = value != 0;
		return 0;
	}
	return -EIO;
}

/* The interpreter's buffer, and the return address of the stub that enters Java below it. */
static int read_kept(int mem, const uint64_t fact[FACTS], struct hotspot_code *ret)
{
	uint64_t queue = read_word(mem, fact[CODE]), entry = read_word(mem, fact[ENTRY]), buffer;
	int32_t limit = 0;

	if (!queue || !entry)
		return -EAGAIN;
	buffer = read_word(mem, queue + fact[BUFFER]);
	if (!buffer || !read_bytes(mem, queue + fact[LIMIT], &limit, sizeof(limit)))
		return -EAGAIN;
	if (limit <= 0)
		return -EIO;
	ret->kept_start = entry - 1 < buffer ? entry - 1 : buffer;
	ret->kept_end = entry > buffer + limit ? entry : buffer + limit;
	if (ret->kept_start < ret->start || ret->kept_end > ret->end ||
	    ret->kept_start >= ret->kept_end)
		return -EIO;
	return 0;
}

int hotspot_read(int mem, const struct hotspot *h, struct hotspot_code *ret)
{
	struct hotspot_code code = { 0 };
	uint64_t fact[FACTS] = { 0 }, flag_size = 0;
	uint64_t structs = read_word(mem, h->structs), types = read_word(mem, h->types);
	int r;

	if (!structs || !types)
		return -EAGAIN; /* not relocated yet */
	r = read_structs(mem, structs, fact);
	if (!r)
		r = read_flag_size(mem, types, &flag_size);
	if (r)
		return r;
	code.start = read_word(mem, fact[LOW]);
	code.end = read_word(mem, fact[HIGH]);
	if (!code.start || !code.end)
		return -EAGAIN;
	if (code.end < code.start || code.end - code.start > CODE_BYTES_MAX)
		return -EIO;
	r = read_kept(mem, fact, &code);
	if (!r)
		r = read_flag(mem, fact, flag_size, &code.frame_pointers);
	if (!r)
		*ret = code;
	return r;
}

/* The symbol's value, 0 when it is not there. */
static uint64_t symbol_value(const struct elf_bytes *symbols, const struct elf_bytes *names,
			     const char *name)
{
	size_t len = strlen(name) + 1;
	Elf64_Sym s;

	for (size_t at = 0; at + sizeof(s) <= symbols->len; at += sizeof(s)) {
		memcpy(&s, symbols->bytes + at, sizeof(s));
		if (s.st_shndx != SHN_UNDEF && s.st_name < names->len &&
		    len <= names->len - s.st_name &&
		    memcmp(names->bytes + s.st_name, name, len) == 0)
			return s.st_value;
	}
	return 0;
}

int hotspot_find(const struct elf_file *f, uint64_t bias, struct hotspot *ret)
{
	struct elf_bytes symbols = { 0 }, names = { 0 };
	uint64_t structs = 0, types = 0;
	int r = elf_section(f, ".dynsym", SYMBOL_BYTES_MAX, &symbols);

	if (!r)
		r = elf_section(f, ".dynstr", SYMBOL_BYTES_MAX, &names);
	if (!r) {
		structs = symbol_value(&symbols, &names, "gHotSpotVMStructs");
		types = symbol_value(&symbols, &names, "gHotSpotVMTypes");
	}
	free(symbols.bytes);
	free(names.bytes);
	if (r == -ENOMEM)
		return r;
	if (!structs || !types)
		return -ENOENT;
	ret->structs = structs + bias;
	ret->types = types + bias;
	return 0;
}
