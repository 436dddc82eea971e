/*
 * Whole sections and segments of an open ELF file: bytes by section name, .eh_frame without section
 * headers, code segments. Sizes are checked before anything is reserved for them.
 */
#include "sys/elf.h"

#include <elf.h>
#include <errno.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sys/elf_impl.h"

/* Of pointers in .eh_frame_hdr; from the Linux Standard Base, "DWARF Exception Header Encoding". */
#define POINTER_FORMAT 0x0f
#define POINTER_APPLICATION 0x70
#define POINTER_ABSOLUTE 0x00
#define POINTER_PCREL 0x10
#define POINTER_UDATA4 0x03
#define POINTER_UDATA8 0x04
#define POINTER_SDATA4 0x0b
#define POINTER_SDATA8 0x0c

static void end_elf(Elf **e)
{
	elf_end(*e);
}

int elf_open_memory(const void *bytes, size_t len, struct elf_file **ret, struct err *err)
{
	auto_close int fd = memfd_create("memtrace-elf", MFD_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return err_set(err, -errno, "cannot make a file in memory: %s", strerror(errno));
	for (size_t done = 0; done < len; done += (size_t)n) {
		n = write(fd, (const char *)bytes + done, len - done);
		if (n <= 0)
			return err_set(err, n < 0 ? -errno : -ENOSPC,
				       "cannot fill a file in memory");
	}
	return elf_open_fd(fd, ret, err);
}

size_t elf_code_segments(const struct elf_file *f, struct elf_code_segment *ret, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < f->segment_count; i++) {
		const struct elf_segment *s = &f->segment[i];

		if (!s->executable)
			continue;
		if (n < max)
			ret[n] = (struct elf_code_segment){ s->vaddr, s->offset, s->file_bytes };
		n++;
	}
	return n;
}

int64_t elf_read_at(const struct elf_file *f, uint64_t vaddr, void *ret, size_t size)
{
	uint64_t offset, left;
	int r = elf_find_bytes(f, vaddr, &offset, &left);

	if (r < 0)
		return r;
	return elf_read_some(f, offset, ret, size < left ? size : left);
}

static int read_plain(const struct elf_file *f, const GElf_Shdr *sh, struct elf_bytes *ret)
{
	auto_free uint8_t *bytes = malloc(sh->sh_size);
	int r;

	if (!bytes)
		return -ENOMEM;
	r = elf_read_all(f, sh->sh_offset, bytes, sh->sh_size);
	if (r < 0)
		return r;
	*ret = (struct elf_bytes){ steal(bytes), sh->sh_size, sh->sh_addr, false };
	return 0;
}

/* libelf inflates; what it would reserve was compared with max before. */
static int read_compressed(Elf_Scn *section, size_t max, struct elf_bytes *ret)
{
	auto_free uint8_t *bytes = NULL;
	GElf_Chdr ch;
	GElf_Shdr sh;
	Elf_Data *data;

	if (!gelf_getchdr(section, &ch))
		return -EBADMSG;
	if (ch.ch_size == 0 || ch.ch_size > max)
		return ch.ch_size ? -E2BIG : -ENOENT;
	if (elf_compress(section, 0, 0) < 0 || !gelf_getshdr(section, &sh))
		return -EBADMSG;
	data = elf_getdata(section, NULL);
	if (!data || !data->d_buf || data->d_size == 0 || data->d_size > max)
		return -EBADMSG;
	bytes = malloc(data->d_size);
	if (!bytes)
		return -ENOMEM;
	memcpy(bytes, data->d_buf, data->d_size);
	*ret = (struct elf_bytes){ steal(bytes), data->d_size, sh.sh_addr, false };
	return 0;
}

static int read_section(const struct elf_file *f, Elf_Scn *section, size_t max,
			struct elf_bytes *ret)
{
	GElf_Shdr sh;

	if (!gelf_getshdr(section, &sh))
		return -EBADMSG;
	if (sh.sh_type == SHT_NOBITS || sh.sh_size == 0)
		return -ENOENT;
	if (sh.sh_offset > f->file_bytes || sh.sh_size > f->file_bytes - sh.sh_offset)
		return -EBADMSG;
	if (sh.sh_size > max)
		return -E2BIG;
	return sh.sh_flags & SHF_COMPRESSED ? read_compressed(section, max, ret)
					    : read_plain(f, &sh, ret);
}

static int find_section(const struct elf_file *f, Elf *e, const char *name, Elf_Scn **ret)
{
	auto_free char *names = NULL;
	Elf_Scn *section = NULL;
	int64_t names_bytes;
	GElf_Shdr sh;
	size_t count;

	if (!e || elf_getshdrnum(e, &count) < 0 || count > ELF_SECTIONS_MAX)
		return -ENOENT;
	names_bytes = elf_read_section_names(f, e, &names);
	if (names_bytes <= 0)
		return names_bytes < 0 ? (int)names_bytes : -ENOENT;
	while ((section = elf_nextscn(e, section))) {
		if (!gelf_getshdr(section, &sh))
			return -EBADMSG;
		if (sh.sh_name < names_bytes && strcmp(names + sh.sh_name, name) == 0) {
			*ret = section;
			return 0;
		}
	}
	return -ENOENT;
}

static Elf *begin_elf(const struct elf_file *f)
{
	elf_version(EV_CURRENT);
	return elf_begin(f->fd, ELF_C_READ, NULL);
}

int elf_section(const struct elf_file *f, const char *name, size_t max, struct elf_bytes *ret)
{
	auto_clean(end_elf) Elf *e = begin_elf(f);
	Elf_Scn *section;
	int r = find_section(f, e, name, &section);

	return r < 0 ? r : read_section(f, section, max, ret);
}

int elf_has_section(const struct elf_file *f, const char *name)
{
	auto_clean(end_elf) Elf *e = begin_elf(f);
	Elf_Scn *section;
	GElf_Shdr sh;
	int r = find_section(f, e, name, &section);

	if (r < 0)
		return r == -ENOMEM ? r : 0;
	return gelf_getshdr(section, &sh) && sh.sh_type != SHT_NOBITS && sh.sh_size > 0;
}

size_t elf_code_sections(const struct elf_file *f, struct elf_code_segment *ret, size_t max)
{
	auto_clean(end_elf) Elf *e = begin_elf(f);
	Elf_Scn *section = NULL;
	size_t count, n = 0;
	GElf_Shdr sh;

	if (!e || elf_getshdrnum(e, &count) < 0 || count > ELF_SECTIONS_MAX)
		return 0;
	while ((section = elf_nextscn(e, section))) {
		if (!gelf_getshdr(section, &sh) || !(sh.sh_flags & SHF_EXECINSTR) || !sh.sh_size)
			continue;
		if (n < max)
			ret[n] = (struct elf_code_segment){ sh.sh_addr, sh.sh_offset, sh.sh_size };
		n++;
	}
	return n;
}

/* The first pointer of .eh_frame_hdr: where .eh_frame begins. */
static int find_eh_frame(const struct elf_file *f, uint64_t *ret)
{
	struct {
		uint8_t version, encoding, skipped[2];
		uint8_t pointer[8];
	} h = {};
	const uint64_t at = f->eh_frame_hdr + offsetof(typeof(h), pointer);
	uint64_t value;
	int32_t low;

	if (f->eh_frame_hdr == 0)
		return -ENOENT;
	if (elf_read_at(f, f->eh_frame_hdr, &h, sizeof(h)) != (int64_t)sizeof(h) || h.version != 1)
		return -EBADMSG;
	memcpy(&value, h.pointer, sizeof(value));
	memcpy(&low, h.pointer, sizeof(low));
	switch (h.encoding & POINTER_FORMAT) {
	case POINTER_SDATA4: value = (uint64_t)(int64_t)low; break;
	case POINTER_UDATA4: value = (uint32_t)low; break;
	case POINTER_SDATA8:
	case POINTER_UDATA8: break;
	default: return -EBADMSG;
	}
	switch (h.encoding & POINTER_APPLICATION) {
	case POINTER_PCREL: *ret = at + value; return 0;
	case POINTER_ABSOLUTE: *ret = value; return 0;
	default: return -EBADMSG;
	}
}

int elf_eh_frame(const struct elf_file *f, size_t max, struct elf_bytes *ret)
{
	auto_free uint8_t *bytes = NULL;
	uint64_t vaddr, offset, left;
	int64_t n;
	int r;

	r = elf_section(f, ".eh_frame", max, ret);
	if (r != -ENOENT)
		return r;
	r = find_eh_frame(f, &vaddr);
	if (r < 0)
		return r;
	r = elf_find_bytes(f, vaddr, &offset, &left);
	if (r < 0)
		return -EBADMSG;
	left = left < f->file_bytes ? left : f->file_bytes;
	left = left < max ? left : max;
	bytes = malloc(left);
	if (!bytes)
		return -ENOMEM;
	n = elf_read_some(f, offset, bytes, left);
	if (n <= 0)
		return n < 0 ? (int)n : -EBADMSG;
	*ret = (struct elf_bytes){ steal(bytes), (size_t)n, vaddr, true };
	return 0;
}
