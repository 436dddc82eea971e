/*
 * Opening an ELF file: what its headers, notes and section table say, reduced to struct elf_file.
 * libelf reads the headers; counts that would make it reserve much memory are refused before, and
 * contents of sections are read here, within limits, because libelf takes their size as given.
 */
#include "sys/elf_impl.h"

#include <elf.h>
#include <endian.h>
#include <errno.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"

#define NOTES_BYTES_MAX ((size_t)64 << 10)
#define NOTES_ALL_MAX ((size_t)256 << 10) /* headers may tell of the same bytes */
#define SECTION_NAMES_BYTES_MAX ((size_t)1 << 20)
#define NT_GO_BUILD_ID 4

static void elf_endp(Elf **e)
{
	elf_end(*e);
}

/* Section count of a header that says "see section 0"; 0 when that section cannot be read. */
static uint64_t count_many_sections(const struct elf_file *f, uint64_t offset)
{
	union {
		Elf32_Shdr s32;
		Elf64_Shdr s64;
	} first;

	if (elf_read_all(f, offset, &first, f->is_64 ? sizeof(first.s64) : sizeof(first.s32)) < 0)
		return 0;
	return f->is_64 ? first.s64.sh_size : first.s32.sh_size;
}

static int check_header(struct elf_file *f)
{
	union {
		unsigned char ident[EI_NIDENT];
		Elf32_Ehdr h32;
		Elf64_Ehdr h64;
	} h = {};
	const unsigned char order = BYTE_ORDER == LITTLE_ENDIAN ? ELFDATA2LSB : ELFDATA2MSB;
	uint64_t sections_offset;
	uint16_t type, segments, sections;
	int64_t n;

	n = elf_read_some(f, 0, &h, sizeof(h));
	if (n < 0)
		return (int)n;
	if (n < (int64_t)sizeof(h.h32) || memcmp(h.ident, ELFMAG, SELFMAG) != 0 ||
	    h.ident[EI_DATA] != order)
		return -ENOEXEC;
	f->is_64 = h.ident[EI_CLASS] == ELFCLASS64;
	if (f->is_64 ? n < (int64_t)sizeof(h.h64) : h.ident[EI_CLASS] != ELFCLASS32)
		return -ENOEXEC;
	type = f->is_64 ? h.h64.e_type : h.h32.e_type;
	segments = f->is_64 ? h.h64.e_phnum : h.h32.e_phnum;
	sections = f->is_64 ? h.h64.e_shnum : h.h32.e_shnum;
	sections_offset = f->is_64 ? h.h64.e_shoff : h.h32.e_shoff;
	/* what dwz shares between debug files is ET_REL */
	if ((type != ET_EXEC && type != ET_DYN && !(f->sparse && type == ET_REL)) ||
	    segments == PN_XNUM)
		return -ENOEXEC;
	if (sections == 0 && sections_offset != 0 &&
	    count_many_sections(f, sections_offset) > ELF_SECTIONS_MAX)
		return -ENOEXEC;
	return 0;
}

static void store_build_id(struct elf_file *f, const unsigned char *id, size_t len)
{
	static const char hex[] = "0123456789abcdef";

	if (f->build_id[0] || len == 0 || len * 2 >= sizeof(f->build_id))
		return;
	for (size_t i = 0; i < len; i++) {
		f->build_id[2 * i] = hex[id[i] >> 4];
		f->build_id[2 * i + 1] = hex[id[i] & 15];
	}
	f->build_id[2 * len] = '\0';
}

/* -ENOMEM is the only failure: a file in Go must not pass for another because memory is short. */
static int read_notes(struct elf_file *f, uint64_t offset, uint64_t all_bytes, uint64_t align,
		      size_t *left)
{
	const size_t most = *left < NOTES_BYTES_MAX ? *left : NOTES_BYTES_MAX;
	const size_t size = all_bytes < most ? all_bytes : most;
	size_t at = 0, next, name_at, desc_at;
	auto_free char *bytes = NULL;
	Elf_Data data = { .d_version = EV_CURRENT };
	GElf_Nhdr note;
	int64_t n;

	if (!size)
		return 0;
	*left -= size;
	bytes = malloc(size);
	if (!bytes)
		return -ENOMEM;
	n = elf_read_some(f, offset, bytes, size);
	if (n <= 0)
		return 0;
	data.d_buf = bytes;
	data.d_size = (size_t)n;
	data.d_type = align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR;
	while ((next = gelf_getnote(&data, at, &note, &name_at, &desc_at)) > at) {
		if (note.n_namesz == sizeof("GNU") && note.n_type == NT_GNU_BUILD_ID &&
		    memcmp(bytes + name_at, "GNU", sizeof("GNU")) == 0)
			store_build_id(f, (unsigned char *)bytes + desc_at, note.n_descsz);
		if (note.n_namesz >= sizeof("Go") && note.n_type == NT_GO_BUILD_ID &&
		    memcmp(bytes + name_at, "Go", sizeof("Go")) == 0)
			f->is_go = true;
		at = next;
	}
	return 0;
}

static void store_segment(struct elf_file *f, const GElf_Phdr *ph)
{
	uint64_t end;

	if (f->segment_count == ELF_SEGMENTS_MAX || ph->p_filesz == 0 ||
	    __builtin_add_overflow(ph->p_vaddr, ph->p_filesz, &end) ||
	    __builtin_add_overflow(ph->p_offset, ph->p_filesz, &end) || end > INT64_MAX)
		return;
	f->segment[f->segment_count++] = (struct elf_segment){
		.vaddr = ph->p_vaddr,
		.offset = ph->p_offset,
		.file_bytes = ph->p_filesz,
		.executable = ph->p_flags & PF_X,
	};
}

static int read_segments(struct elf_file *f, Elf *e)
{
	size_t count, notes_left = NOTES_ALL_MAX;
	GElf_Phdr ph;

	if (elf_getphdrnum(e, &count) < 0 || count >= PN_XNUM)
		return -ENOEXEC;
	for (size_t i = 0; i < count; i++) {
		if (!gelf_getphdr(e, (int)i, &ph))
			return -ENOEXEC;
		if (ph.p_type == PT_LOAD)
			store_segment(f, &ph);
		else if (ph.p_type == PT_NOTE &&
			 read_notes(f, ph.p_offset, ph.p_filesz, ph.p_align, &notes_left) < 0)
			return -ENOMEM;
		else if (ph.p_type == PT_INTERP)
			f->has_interpreter = true;
		else if (ph.p_type == PT_DYNAMIC) {
			f->dynamic_offset = ph.p_offset;
			f->dynamic_bytes = ph.p_filesz;
		} else if (ph.p_type == PT_GNU_EH_FRAME)
			f->eh_frame_hdr = ph.p_vaddr;
	}
	return f->segment_count || f->sparse ? 0 : -ENOEXEC;
}

/* The part of [offset, offset + size) that lies inside the file. */
static uint64_t clamp_to_file(const struct elf_file *f, uint64_t offset, uint64_t size)
{
	if (offset >= f->file_bytes)
		return 0;
	return size < f->file_bytes - offset ? size : f->file_bytes - offset;
}

static void store_table(struct elf_file *f, Elf *e, const GElf_Shdr *sh, enum elf_table_kind kind)
{
	const size_t entry = f->is_64 ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym);
	struct elf_table *t = &f->table[kind];
	GElf_Shdr strings;

	if (t->present || sh->sh_entsize != entry ||
	    !gelf_getshdr(elf_getscn(e, sh->sh_link), &strings) || strings.sh_type != SHT_STRTAB)
		return;
	*t = (struct elf_table){
		.offset = sh->sh_offset,
		.count = sh->sh_size / entry,
		.strings_offset = strings.sh_offset,
		.strings_bytes = clamp_to_file(f, strings.sh_offset, strings.sh_size),
		.present = true,
	};
}

int64_t elf_read_section_names(const struct elf_file *f, void *e, char **ret)
{
	auto_free char *names = NULL;
	GElf_Shdr sh;
	size_t index;

	if (elf_getshdrstrndx(e, &index) < 0 || !gelf_getshdr(elf_getscn(e, index), &sh) ||
	    sh.sh_size == 0 || sh.sh_size > SECTION_NAMES_BYTES_MAX)
		return 0;
	names = malloc(sh.sh_size);
	if (!names)
		return -ENOMEM;
	if (elf_read_all(f, sh.sh_offset, names, sh.sh_size) < 0)
		return 0;
	names[sh.sh_size - 1] = '\0';
	*ret = steal(names);
	return (int64_t)sh.sh_size;
}

static int read_sections(struct elf_file *f, Elf *e)
{
	auto_free char *names = NULL;
	int64_t names_bytes;
	size_t count, notes_left = NOTES_ALL_MAX;
	Elf_Scn *section = NULL;
	GElf_Shdr sh;

	if (elf_getshdrnum(e, &count) < 0 || count == 0 || count > ELF_SECTIONS_MAX)
		return 0;
	names_bytes = elf_read_section_names(f, e, &names);
	if (names_bytes < 0)
		return (int)names_bytes;
	while ((section = elf_nextscn(e, section))) {
		if (!gelf_getshdr(section, &sh))
			return 0;
		if (sh.sh_type == SHT_SYMTAB)
			store_table(f, e, &sh, ELF_TABLE_SYMTAB);
		else if (sh.sh_type == SHT_DYNSYM)
			store_table(f, e, &sh, ELF_TABLE_DYNSYM);
		else if (sh.sh_type == SHT_NOTE && f->sparse && !f->build_id[0] &&
			 read_notes(f, sh.sh_offset, sh.sh_size, sh.sh_addralign, &notes_left) < 0)
			return -ENOMEM; /* debug files may have no program headers */
		if (sh.sh_name < names_bytes &&
		    (strcmp(names + sh.sh_name, ".go.buildinfo") == 0 ||
		     strcmp(names + sh.sh_name, ".note.go.buildid") == 0))
			f->is_go = true;
	}
	return 0;
}

int elf_read_headers(struct elf_file *f)
{
	auto_clean(elf_endp) Elf *e = NULL;
	struct stat st;
	GElf_Ehdr h;
	int r;

	if (fstat(f->fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ENOEXEC;
	f->file_bytes = (uint64_t)st.st_size;
	r = check_header(f);
	if (r < 0)
		return r;
	elf_version(EV_CURRENT);
	e = elf_begin(f->fd, ELF_C_READ, NULL);
	if (!e || elf_kind(e) != ELF_K_ELF || !gelf_getehdr(e, &h))
		return -ENOEXEC;
	f->machine = h.e_machine;
	f->entry = h.e_entry;
	r = read_segments(f, e);
	if (r < 0)
		return r;
	r = read_sections(f, e);
	if (r < 0)
		return r;
	/* A file that only describes another has the header of a dynamic table, but no bytes of it.
	 */
	if (!f->table[ELF_TABLE_DYNSYM].present && !f->sparse) {
		/* Not having dynamic symbols is no failure. */
		r = elf_find_dynsym(f);
		if (r == -ENOMEM)
			return r;
	}
	return 0;
}
