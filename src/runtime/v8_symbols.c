/* What the binary that holds V8 exports: node's executable, or libnode.so. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "runtime/symbols.h"
#include "runtime/v8_impl.h"
#include "sys/elf.h"
#include "sys/mapfile.h"
#include "sys/procfs.h"

#define TABLE_BYTES_MAX (16u << 20) /* node 22 has 7.8 MB of names */
#define CODE_BYTES 16

enum wanted { API, TABLE, FREE, MAJOR, MINOR, BUILD, PATCH, NODE, WANTED };

static const char *const wanted_name[WANTED] = {
	[API] = "_ZN2v87Isolate23GetArrayBufferAllocatorEv",
	[TABLE] = "_ZTVN4node24NodeArrayBufferAllocatorE",
	[FREE] = "_ZN4node24NodeArrayBufferAllocator4FreeEPvm",
	[MAJOR] = "_ZN2v88internal7Version6major_E",
	[MINOR] = "_ZN2v88internal7Version6minor_E",
	[BUILD] = "_ZN2v88internal7Version6build_E",
	[PATCH] = "_ZN2v88internal7Version6patch_E",
	[NODE] = "_ZN4node11per_process8metadataE",
};

/*
 * The allocator's Free() subtracts its third argument from the count, with a lock: on x86
 * `lock sub %rdx, disp8(%rdi)`, the first instruction or behind the frame's set-up.
 */
static uint8_t find_count(const struct elf_file *f, uint64_t vaddr)
{
	static const uint8_t sub[4] = { 0xf0, 0x48, 0x29, 0x57 };
	uint8_t code[CODE_BYTES];
	int64_t n = vaddr ? elf_read_at(f, vaddr, code, sizeof(code)) : 0;

	for (int64_t i = 0; i + 5 <= n; i++)
		if (memcmp(code + i, sub, sizeof(sub)) == 0)
			return code[i + 4] >= 8 && code[i + 4] < 128 && code[i + 4] % 8 == 0
				       ? code[i + 4]
				       : 0;
	return 0;
}

/* What of the file's symbols is needed, `bias` above the file's own addresses. */
static int read_file(const struct elf_file *f, uint64_t bias, struct v8_symbols *ret)
{
	struct symbol s[WANTED];
	int r = symbols_find(f, false, TABLE_BYTES_MAX, wanted_name, WANTED, s);

	if (r)
		return r == -ENOMEM ? r : 0;
	if (!s[API].vaddr && !s[TABLE].vaddr)
		return 0;
	ret->found = true;
	ret->allocator_table = s[TABLE].vaddr ? s[TABLE].vaddr + bias + 16 : 0;
	ret->allocator_bytes = find_count(f, s[FREE].vaddr);
	ret->node_version = s[NODE].vaddr ? s[NODE].vaddr + bias : 0;
	for (int i = 0; i < 4; i++)
		ret->version[i] = s[MAJOR + i].vaddr ? s[MAJOR + i].vaddr + bias : 0;
	return 0;
}

static int read_mapping(const struct process_view *v, const struct vma *vma, struct v8_symbols *ret)
{
	auto_clean(elf_closep) struct elf_file *f = NULL;
	uint64_t bias;
	int r = mapfile_open_elf(v->proc, v->pid, vma, &f, &bias);

	if (!r)
		r = read_file(f, bias, ret);
	return r == -ENOMEM ? r : 0;
}

/* The executable, whatever its name, and libraries that are called like those that hold V8. */
static bool may_hold_v8(const struct vma *vma, const char *exe)
{
	const char *slash = strrchr(vma->path, '/');

	if (vma->kind != VMA_FILE || !vma->executable || !slash)
		return false;
	return strcmp(vma->path, exe) == 0 || strncmp(slash, "/libnode", 8) == 0 ||
	       strncmp(slash, "/libv8", 6) == 0;
}

int v8_find_symbols(const struct process_view *v, struct v8_symbols *ret)
{
	struct v8_symbols s = { .found = false };
	char exe[FACT_PATH_BYTES];
	bool deleted;
	int r = 0;

	if (procfs_read_exe(v->proc, v->pid, exe, sizeof(exe), &deleted))
		exe[0] = 0;
	for (size_t i = 0; !r && !s.found && i < v->maps->count; i++)
		if (may_hold_v8(&v->maps->vma[i], exe))
			r = read_mapping(v, &v->maps->vma[i], &s);
	if (!r)
		*ret = s;
	return r;
}

/* Node's own version, a std::string of few characters. */
static bool read_node(const struct process_view *v, uint64_t at, char ret[16])
{
	uint64_t string[4];
	const char *text = (const char *)&string[2];

	if (!at || !v8_can_read(v, at, sizeof(string)) ||
	    peek_read(v->peek, at, string, sizeof(string)) || string[0] != at + 16 || !string[1] ||
	    string[1] > 11)
		return false;
	for (uint64_t i = 0; i < string[1]; i++)
		if (!isdigit((unsigned char)text[i]) && text[i] != '.')
			return false;
	snprintf(ret, 16, "%.*s", (int)string[1], text);
	return true;
}

void v8_read_version(const struct process_view *v, const struct v8_symbols *s, char ret[32])
{
	uint32_t n[4];
	char node[16];
	bool ok = true;

	ret[0] = 0;
	for (int i = 0; ok && i < 4; i++)
		ok = s->version[i] && v8_can_read(v, s->version[i] & ~7ull, 8) &&
		     s->version[i] % 4 == 0 && !peek_u32(v->peek, s->version[i], &n[i]) &&
		     n[i] < 1000;
	if (!ok)
		return;
	if (read_node(v, s->node_version, node))
		snprintf(ret, 32, "%u.%u.%u.%u (node %s)", n[0], n[1], n[2], n[3], node);
	else
		snprintf(ret, 32, "%u.%u.%u.%u", n[0], n[1], n[2], n[3]);
}
