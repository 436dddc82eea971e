#include "runtime/hotspot_vm.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "runtime/view.h"
#include "sys/mapfile.h"

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

void hotspot_memory_open(const struct process_view *v, uint64_t at, struct hotspot_memory *ret)
{
	const struct vma *vma = maps_find(v->maps, at);
	struct stat st;

	*ret = (struct hotspot_memory){ .view = v, .fd = -1 };
	if (!vma || vma->kind != VMA_FILE)
		return;
	ret->inode = vma->inode;
	ret->dev = vma->dev;
	ret->fd = mapfile_open(v->proc, v->pid, vma->start, vma->end, &st);
}

void hotspot_memory_done(struct hotspot_memory *m)
{
	if (m->fd >= 0)
		close(m->fd);
	m->fd = -1;
}

/* A page that is not in memory, as it would come from the file. Bytes read, 0: none. */
static size_t read_file(const struct hotspot_memory *m, uint64_t page, void *ret)
{
	const struct vma *vma = m->fd < 0 ? NULL : maps_find(m->view->maps, page);
	ssize_t got;

	if (!vma || vma->kind != VMA_FILE || vma->inode != m->inode || vma->dev != m->dev ||
	    present_has(&m->view->present->swapped, page))
		return 0;
	got = pread(m->fd, ret, HOTSPOT_PAGE, (off_t)(vma->file_offset + (page - vma->start)));
	return got > 0 ? (size_t)got : 0;
}

static const struct hotspot_page *read_page(struct hotspot_memory *m, uint64_t page)
{
	struct hotspot_page *p = &m->page[page / HOTSPOT_PAGE % HOTSPOT_PAGES];

	if (page && p->at == page)
		return p;
	p->at = page;
	p->len = 0;
	if (present_has(&m->view->present->in, page))
		p->len = view_read(m->view, page, p->bytes, HOTSPOT_PAGE) ? 0 : HOTSPOT_PAGE;
	else
		p->len = read_file(m, page, p->bytes);
	return p;
}

/* As much as can be read, page by page. */
static size_t read_some(struct hotspot_memory *m, uint64_t at, void *ret, size_t n)
{
	size_t done = 0;

	if (!at || at + n < at)
		return 0;
	while (done < n) {
		uint64_t in = (at + done) % HOTSPOT_PAGE;
		const struct hotspot_page *p = read_page(m, at + done - in);
		size_t len = p->len > in ? p->len - in : 0;

		if (!len)
			break;
		len = len < n - done ? len : n - done;
		memcpy((char *)ret + done, p->bytes + in, len);
		done += len;
	}
	return done;
}

bool hotspot_bytes(struct hotspot_memory *m, uint64_t at, void *ret, size_t n)
{
	return read_some(m, at, ret, n) == n;
}

uint64_t hotspot_word(struct hotspot_memory *m, uint64_t at)
{
	uint64_t word;

	return hotspot_bytes(m, at, &word, sizeof(word)) ? word : 0;
}

/* A text of the process, cut where it is too long; "" when it cannot be read. */
static void read_text(struct hotspot_memory *m, uint64_t at, char ret[NAME_BYTES])
{
	ret[read_some(m, at, ret, NAME_BYTES - 1)] = 0;
}

static bool is_text(struct hotspot_memory *m, uint64_t at, const char *text)
{
	char bytes[NAME_BYTES];

	read_text(m, at, bytes);
	return strcmp(bytes, text) == 0;
}

static bool is_wanted_type(const struct hotspot_field *wanted, size_t n, const char *type)
{
	for (size_t w = 0; w < n; w++)
		if (strcmp(type, wanted[w].type) == 0)
			return true;
	return false;
}

size_t hotspot_fields(struct hotspot_memory *m, uint64_t table, const struct hotspot_field *wanted,
		      size_t n, uint64_t *ret)
{
	char type[NAME_BYTES], field[NAME_BYTES];
	struct vm_struct e;
	size_t found = 0;

	for (size_t w = 0; w < n; w++)
		ret[w] = HOTSPOT_ABSENT;
	for (int i = 0; i < ENTRIES_MAX && found < n; i++) {
		if (!hotspot_bytes(m, table + i * sizeof(e), &e, sizeof(e)) || !e.type)
			break;
		read_text(m, e.type, type);
		if (!is_wanted_type(wanted, n, type))
			continue;
		read_text(m, e.field, field);
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

int hotspot_type_size(struct hotspot_memory *m, uint64_t table, const char *type, uint64_t *ret)
{
	struct vm_type e;

	for (int i = 0; i < ENTRIES_MAX; i++) {
		if (!hotspot_bytes(m, table + i * sizeof(e), &e, sizeof(e)) || !e.name)
			break;
		if (!is_text(m, e.name, type))
			continue;
		*ret = e.size;
		return 0;
	}
	return -ENOENT;
}

int hotspot_flags_find(struct hotspot_memory *m, uint64_t structs, uint64_t types,
		       struct hotspot_flags *ret)
{
	static const struct hotspot_field wanted[] = {
		{ "JVMFlag", "flags" },
		{ "JVMFlag", "numFlags" },
		{ "JVMFlag", "_name" },
		{ "JVMFlag", "_addr" },
	};
	struct hotspot_flags f;
	uint64_t at[4];

	if (hotspot_fields(m, structs, wanted, 4, at) < 4 ||
	    hotspot_type_size(m, types, "JVMFlag", &f.bytes) < 0)
		return -EIO;
	f.first = hotspot_word(m, at[0]);
	f.count = hotspot_word(m, at[1]);
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

size_t hotspot_flags_read(struct hotspot_memory *m, const struct hotspot_flags *f,
			  const char *const *names, size_t n, bool *ret)
{
	char name[NAME_BYTES];
	size_t found = 0;
	uint8_t value;

	for (uint64_t i = 0; i < f->count && found < n; i++) {
		uint64_t at = f->first + i * f->bytes;

		read_text(m, hotspot_word(m, at + f->name), name);
		for (size_t k = 0; k < n; k++) {
			if (strcmp(name, names[k]))
				continue;
			if (!hotspot_bytes(m, hotspot_word(m, at + f->value), &value, 1))
				continue;
			ret[k] = value != 0;
			found++;
		}
	}
	return found;
}
