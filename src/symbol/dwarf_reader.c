/*
 * See dwarf_reader.h. Inlined functions are found by going down from the compilation unit through
 * everything that covers the address; where each was inlined tells the line of the one outside.
 */
#include "symbol/dwarf_reader.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <gelf.h>
#include <stdlib.h>

#include "base/cleanup.h"

#define UNPACKED_BYTES_MAX ((uint64_t)1 << 30)
#define DEPTH_MAX 256 /* of nested scopes */
#define CHAIN_MAX 64  /* of nested functions */

struct dwarf_reader {
	Elf *elf, *shared_elf; /* owned */
	Dwarf *dwarf, *shared; /* owned */
};

/* The functions around an address, outermost first. */
struct chain {
	uint64_t vaddr;
	Dwarf_Die die[CHAIN_MAX];
	size_t count;
};

static uint64_t unpacked_bytes(Elf *e)
{
	uint64_t bytes = 0;
	Elf_Scn *section = NULL;
	GElf_Shdr sh;
	GElf_Chdr packed;

	while ((section = elf_nextscn(e, section))) {
		if (!gelf_getshdr(section, &sh) || !(sh.sh_flags & SHF_COMPRESSED))
			continue;
		if (!gelf_getchdr(section, &packed) ||
		    __builtin_add_overflow(bytes, packed.ch_size, &bytes))
			return UINT64_MAX;
	}
	return bytes;
}

static int open_one(int fd, Elf **ret_elf, Dwarf **ret)
{
	*ret_elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	if (!*ret_elf || elf_kind(*ret_elf) != ELF_K_ELF)
		return -EBADMSG;
	if (unpacked_bytes(*ret_elf) > UNPACKED_BYTES_MAX)
		return -EFBIG;
	*ret = dwarf_begin_elf(*ret_elf, DWARF_C_READ, NULL);
	return *ret ? 0 : -EBADMSG;
}

int dwarf_reader_open(int fd, int shared_fd, struct dwarf_reader **ret)
{
	auto_clean(dwarf_reader_closep) struct dwarf_reader *r = calloc(1, sizeof(*r));
	int error;

	if (!r)
		return -ENOMEM;
	elf_version(EV_CURRENT);
	error = open_one(fd, &r->elf, &r->dwarf);
	if (error < 0)
		return error;
	/* Without it some names are missing, no more. */
	if (shared_fd >= 0 && open_one(shared_fd, &r->shared_elf, &r->shared) == 0)
		dwarf_setalt(r->dwarf, r->shared);
	*ret = steal(r);
	return 0;
}

void dwarf_reader_close(struct dwarf_reader *r)
{
	if (!r)
		return;
	dwarf_end(r->dwarf);
	dwarf_end(r->shared);
	elf_end(r->elf);
	elf_end(r->shared_elf);
	free(r);
}

void dwarf_reader_closep(struct dwarf_reader **r)
{
	dwarf_reader_close(*r);
	*r = NULL;
}

/* True when a function that covers the address was found among the children of parent. */
static bool find_functions(struct chain *c, Dwarf_Die *parent, unsigned int depth)
{
	Dwarf_Die die;
	int tag;

	if (depth == DEPTH_MAX || c->count == CHAIN_MAX || dwarf_child(parent, &die) != 0)
		return false;
	do {
		tag = dwarf_tag(&die);
		if (tag == DW_TAG_namespace || tag == DW_TAG_module) {
			if (find_functions(c, &die, depth + 1))
				return true;
			continue;
		}
		if ((tag != DW_TAG_subprogram && tag != DW_TAG_inlined_subroutine &&
		     tag != DW_TAG_lexical_block) ||
		    dwarf_haspc(&die, c->vaddr) <= 0)
			continue;
		if (tag != DW_TAG_lexical_block)
			c->die[c->count++] = die;
		find_functions(c, &die, depth + 1);
		return true;
	} while (dwarf_siblingof(&die, &die) == 0);
	return false;
}

/* The name that a linker would use, else the one in the source. */
static const char *name_of(Dwarf_Die *die)
{
	static const unsigned int names[] = { DW_AT_linkage_name, DW_AT_MIPS_linkage_name,
					      DW_AT_name };
	Dwarf_Attribute attr;
	const char *name;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!dwarf_attr_integrate(die, names[i], &attr))
			continue;
		name = dwarf_formstring(&attr);
		if (name && name[0])
			return name;
	}
	return NULL;
}

static uint64_t number_of(Dwarf_Die *die, unsigned int what)
{
	Dwarf_Attribute attr;
	Dwarf_Word value;

	if (!dwarf_attr(die, what, &attr) || dwarf_formudata(&attr, &value) != 0)
		return 0;
	return value;
}

static void set_line(struct line_frame *f, const char *file, uint64_t line)
{
	f->file = file && file[0] ? file : NULL;
	f->line = f->file && line <= INT32_MAX ? (uint32_t)line : 0;
}

static void line_of_address(Dwarf_Die *unit, uint64_t vaddr, struct line_frame *f)
{
	Dwarf_Line *line = dwarf_getsrc_die(unit, vaddr);
	int number = 0;

	if (line && dwarf_lineno(line, &number) == 0 && number >= 0)
		set_line(f, dwarf_linesrc(line, NULL, NULL), (uint64_t)number);
}

/* Where an inlined function was called, which is a line of the one around it. */
static void line_of_call(Dwarf_Die *unit, Dwarf_Die *inlined, struct line_frame *f)
{
	const uint64_t file = number_of(inlined, DW_AT_call_file);
	Dwarf_Files *files;
	size_t count;

	if (dwarf_getsrcfiles(unit, &files, &count) == 0 && file < count)
		set_line(f, dwarf_filesrc(files, file, NULL, NULL),
			 number_of(inlined, DW_AT_call_line));
}

static bool is_inlined(Dwarf_Die *die)
{
	return dwarf_tag(die) == DW_TAG_inlined_subroutine;
}

static size_t list_frames(Dwarf_Die *unit, struct chain *c, struct line_frame *ret)
{
	struct line_frame at = {};
	size_t i = c->count, n = 0;

	line_of_address(unit, c->vaddr, &at);
	for (; i > 0 && n < LINE_INLINED_MAX && is_inlined(&c->die[i - 1]); i--) {
		at.symbol = name_of(&c->die[i - 1]);
		at.inlined = true;
		ret[n++] = at;
		at = (struct line_frame){};
		line_of_call(unit, &c->die[i - 1], &at);
	}
	for (; i > 0 && is_inlined(&c->die[i - 1]); i--) /* too many: only the last line counts */
		line_of_call(unit, &c->die[i - 1], &at);
	if (i > 0)
		at.symbol = name_of(&c->die[i - 1]);
	ret[n++] = at;
	return n;
}

int dwarf_reader_find(struct dwarf_reader *r, uint64_t vaddr,
		      struct line_frame ret[static LINE_FRAMES_MAX], size_t *ret_count)
{
	struct chain c = { .vaddr = vaddr };
	Dwarf_Die unit;
	size_t n;

	if (!dwarf_addrdie(r->dwarf, vaddr, &unit))
		return -ENOENT;
	find_functions(&c, &unit, 0);
	n = list_frames(&unit, &c, ret);
	if (n == 1 && !ret[0].symbol && !ret[0].file)
		return -ENOENT;
	*ret_count = n;
	return 0;
}
