#include "runtime/hotspot_vm.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define ENTRIES_MAX 4096 /* OpenJDK 17 has 788 */
#define FLAG_BYTES_MAX 128
#define NAME_BYTES 40

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

bool hotspot_bytes(int mem, uint64_t at, void *ret, size_t n)
{
	return at && at <= INT64_MAX && pread(mem, ret, n, (off_t)at) == (ssize_t)n;
}

uint64_t hotspot_word(int mem, uint64_t at)
{
	uint64_t word;

	return hotspot_bytes(mem, at, &word, sizeof(word)) ? word : 0;
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

static bool is_wanted_type(const struct hotspot_field *wanted, size_t n, const char *type)
{
	for (size_t w = 0; w < n; w++)
		if (strcmp(type, wanted[w].type) == 0)
			return true;
	return false;
}

size_t hotspot_fields(int mem, uint64_t table, const struct hotspot_field *wanted, size_t n,
		      uint64_t *ret)
{
	char type[NAME_BYTES], field[NAME_BYTES];
	struct vm_struct e;
	size_t found = 0;

	for (size_t w = 0; w < n; w++)
		ret[w] = HOTSPOT_ABSENT;
	for (int i = 0; i < ENTRIES_MAX && found < n; i++) {
		if (!hotspot_bytes(mem, table + i * sizeof(e), &e, sizeof(e)) || !e.type)
			break;
		read_text(mem, e.type, type);
		if (!is_wanted_type(wanted, n, type))
			continue;
		read_text(mem, e.field, field);
		for (size_t w = 0; w < n; w++) {
			if (ret[w] != HOTSPOT_ABSENT || strcmp(type, wanted[w].type) ||
			    strcmp(field, wanted[w].name))
				continue;
			ret[w] = e.is_static ? e.address : e.offset;
			found += ret[w] != HOTSPOT_ABSENT;
		}
	}
	return found;
}

int hotspot_type_size(int mem, uint64_t table, const char *type, uint64_t *ret)
{
	struct vm_type e;

	for (int i = 0; i < ENTRIES_MAX; i++) {
		if (!hotspot_bytes(mem, table + i * sizeof(e), &e, sizeof(e)) || !e.name)
			break;
		if (!is_text(mem, e.name, type))
			continue;
		*ret = e.size;
		return 0;
	}
	return -ENOENT;
}

int hotspot_flags_find(int mem, uint64_t structs, uint64_t types, struct hotspot_flags *ret)
{
	static const struct hotspot_field wanted[] = {
		{ "JVMFlag", "flags" },
		{ "JVMFlag", "numFlags" },
		{ "JVMFlag", "_name" },
		{ "JVMFlag", "_addr" },
	};
	struct hotspot_flags f;
	uint64_t at[4];

	if (hotspot_fields(mem, structs, wanted, 4, at) < 4 ||
	    hotspot_type_size(mem, types, "JVMFlag", &f.bytes) < 0)
		return -EIO;
	f.first = hotspot_word(mem, at[0]);
	f.count = hotspot_word(mem, at[1]);
	f.name = at[2];
	f.value = at[3];
	if (!f.bytes || f.bytes > FLAG_BYTES_MAX || f.name > FLAG_BYTES_MAX ||
	    f.value > FLAG_BYTES_MAX)
		return -EIO;
	if (f.count > HOTSPOT_FLAGS_MAX)
		f.count = HOTSPOT_FLAGS_MAX;
	*ret = f;
	return 0;
}

size_t hotspot_flags_read(int mem, const struct hotspot_flags *f, const char *const *names,
			  size_t n, bool *ret)
{
	char name[NAME_BYTES];
	size_t found = 0;
	uint8_t value;

	for (uint64_t i = 0; i < f->count && found < n; i++) {
		uint64_t at = f->first + i * f->bytes;

		read_text(mem, hotspot_word(mem, at + f->name), name);
		for (size_t k = 0; k < n; k++) {
			if (strcmp(name, names[k]))
				continue;
			if (!hotspot_bytes(mem, hotspot_word(mem, at + f->value), &value, 1))
				continue;
			ret[k] = value != 0;
			found++;
		}
	}
	return found;
}
