#include "runtime/hotspot.h"

#include <errno.h>
#include <fnmatch.h>
#include <string.h>

#include "base/cleanup.h"
#include "runtime/hotspot_vm.h"
#include "runtime/symbols.h"
#include "sys/elf.h"
#include "sys/mapfile.h"
#include "sys/maps.h"

#define CODE_BYTES_MAX (2048ull << 20) /* the machine's own limit */

/* What is looked up. */
enum fact { LOW, HIGH, CODE, BUFFER, LIMIT, ENTRY, FACTS };

static const struct hotspot_field wanted[FACTS] = {
	[LOW] = { "CodeCache", "_low_bound" },
	[HIGH] = { "CodeCache", "_high_bound" },
	[CODE] = { "AbstractInterpreter", "_code" },
	[BUFFER] = { "StubQueue", "_stub_buffer" },
	[LIMIT] = { "StubQueue", "_buffer_limit" },
	[ENTRY] = { "StubRoutines", "_call_stub_return_address" },
};

static int read_frame_pointers(struct hotspot_memory *m, const struct hotspot_flags *flags,
			       bool *ret)
{
	static const char *const name[] = { "PreserveFramePointer" };

	return hotspot_flags_read(m, flags, name, 1, ret) == 1 ? 0 : -EIO;
}

/* The interpreter's buffer, and the return address of the stub that enters Java below it. */
static int read_kept(struct hotspot_memory *m, const uint64_t fact[FACTS], struct hotspot_code *ret)
{
	uint64_t queue = hotspot_word(m, fact[CODE]), entry = hotspot_word(m, fact[ENTRY]), buffer;
	int32_t limit = 0;

	if (!queue || !entry)
		return -EAGAIN;
	buffer = hotspot_word(m, queue + fact[BUFFER]);
	if (!buffer || !hotspot_bytes(m, queue + fact[LIMIT], &limit, sizeof(limit)))
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

int hotspot_read(struct hotspot_memory *m, const struct hotspot *h, struct hotspot_code *ret)
{
	struct hotspot_code code = { 0 };
	struct hotspot_flags flags;
	uint64_t fact[FACTS];
	uint64_t structs = hotspot_word(m, h->structs), types = hotspot_word(m, h->types);
	int r;

	if (!structs || !types)
		return -EAGAIN; /* not relocated yet */
	if (hotspot_fields(m, structs, wanted, FACTS, fact) < FACTS)
		return -EIO;
	r = hotspot_flags_find(m, structs, types, &flags);
	if (r)
		return r;
	code.start = hotspot_word(m, fact[LOW]);
	code.end = hotspot_word(m, fact[HIGH]);
	if (!code.start || !code.end)
		return -EAGAIN;
	if (code.end < code.start || code.end - code.start > CODE_BYTES_MAX)
		return -EIO;
	r = read_kept(m, fact, &code);
	if (!r)
		r = read_frame_pointers(m, &flags, &code.frame_pointers);
	if (!r)
		*ret = code;
	return r;
}

bool hotspot_is_mapped(const struct vma *v)
{
	const char *slash = strrchr(v->path, '/');

	return v->executable && slash && fnmatch("libjvm.so*", slash + 1, 0) == 0;
}

int hotspot_find(const char *proc, uint32_t pid, const struct vma *v, struct hotspot *ret)
{
	static const char *const names[] = { "gHotSpotVMStructs", "gHotSpotVMTypes" };
	auto_clean(elf_closep) struct elf_file *f = NULL;
	struct symbol found[2];
	uint64_t bias;
	int r = mapfile_open_elf(proc, pid, v, &f, &bias);

	if (r)
		return r;
	r = symbols_find(f, false, SYMBOLS_BYTES_MAX, names, 2, found);
	if (r == -ENOMEM)
		return r;
	if (r || !found[0].vaddr || !found[1].vaddr)
		return -ENOENT;
	ret->structs = found[0].vaddr + bias;
	ret->types = found[1].vaddr + bias;
	return 0;
}
