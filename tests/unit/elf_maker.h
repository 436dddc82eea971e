/*
 * Small ELF files for tests, in memory: one executable segment, chosen symbols, notes, section
 * headers or none. Everything can be patched afterwards with pwrite() at the offsets below. And a
 * copy of the C library, to be damaged.
 */
#pragma once
#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define MADE_CODE_VADDR 0x401000u
#define MADE_CODE_OFFSET 0x1000u
#define MADE_CODE_BYTES 0x1000u
#define MADE_NOTES 0x200u
#define MADE_SECTIONS 0x400u
#define MADE_STRINGS 0x2000u /* of symbols and sections */
#define MADE_SYMTAB 0x8000u
#define MADE_SYMBOLS_MAX 256

struct made_symbol {
	const char *name;
	uint64_t vaddr, size;
	unsigned char bind, type; /* 0, 0: global function */
};

struct made_elf {
	const struct made_symbol *symbols;
	size_t count;
	bool dynsym;	     /* the table is .dynsym */
	const char *section; /* one more section of this name */
	const char *note;    /* owner of a note with 4 bytes ab cd ef 01 */
	uint32_t note_type;
};

static inline size_t made_string(char *strings, size_t *at, const char *text)
{
	size_t here = *at;

	strcpy(strings + here, text);
	*at += strlen(text) + 1;
	return here;
}

static inline void made_sections(char *image, const struct made_elf *m)
{
	Elf64_Shdr *sh = (Elf64_Shdr *)(image + MADE_SECTIONS);
	Elf64_Sym *sym = (Elf64_Sym *)(image + MADE_SYMTAB);
	char *strings = image + MADE_STRINGS;
	size_t at = 1;

	for (size_t i = 0; i < m->count; i++) {
		const struct made_symbol *s = &m->symbols[i];
		const bool plain = s->bind == 0 && s->type == 0;

		sym[i + 1].st_name = (uint32_t)made_string(strings, &at, s->name);
		sym[i + 1].st_info = plain ? ELF64_ST_INFO(STB_GLOBAL, STT_FUNC)
					   : ELF64_ST_INFO(s->bind, s->type);
		sym[i + 1].st_shndx = 4;
		sym[i + 1].st_value = s->vaddr;
		sym[i + 1].st_size = s->size;
	}
	sh[1].sh_type = m->dynsym ? SHT_DYNSYM : SHT_SYMTAB;
	sh[1].sh_offset = MADE_SYMTAB;
	sh[1].sh_size = (m->count + 1) * sizeof(Elf64_Sym);
	sh[1].sh_entsize = sizeof(Elf64_Sym);
	sh[1].sh_link = 2;
	sh[3].sh_type = SHT_PROGBITS;
	if (m->section)
		sh[3].sh_name = (uint32_t)made_string(strings, &at, m->section);
	sh[2].sh_type = SHT_STRTAB;
	sh[2].sh_offset = MADE_STRINGS;
	sh[2].sh_size = at;
}

static inline void made_note(char *image, const struct made_elf *m)
{
	Elf64_Nhdr *n = (Elf64_Nhdr *)(image + MADE_NOTES);

	n->n_namesz = (uint32_t)strlen(m->note) + 1;
	n->n_descsz = 4;
	n->n_type = m->note_type;
	strcpy(image + MADE_NOTES + sizeof(*n), m->note);
	memcpy(image + MADE_NOTES + sizeof(*n) + 4, "\xab\xcd\xef\x01", 4);
}

/* A descriptor of the file; the caller closes it. */
static inline int made_elf_fd(const struct made_elf *m)
{
	static char image[MADE_SYMTAB + (MADE_SYMBOLS_MAX + 1) * sizeof(Elf64_Sym)];
	Elf64_Ehdr *h = (Elf64_Ehdr *)image;
	Elf64_Phdr *ph = (Elf64_Phdr *)(image + sizeof(*h));
	int fd = memfd_create("made", MFD_CLOEXEC);

	memset(image, 0, sizeof(image));
	memcpy(h->e_ident, ELFMAG, SELFMAG);
	h->e_ident[EI_CLASS] = ELFCLASS64;
	h->e_ident[EI_DATA] = ELFDATA2LSB;
	h->e_ident[EI_VERSION] = EV_CURRENT;
	h->e_type = ET_DYN;
	h->e_machine = EM_X86_64;
	h->e_version = EV_CURRENT;
	h->e_entry = MADE_CODE_VADDR;
	h->e_ehsize = sizeof(*h);
	h->e_phoff = sizeof(*h);
	h->e_phentsize = sizeof(*ph);
	h->e_phnum = 2;
	h->e_shoff = MADE_SECTIONS;
	h->e_shentsize = sizeof(Elf64_Shdr);
	h->e_shnum = 4;
	h->e_shstrndx = 2;
	ph[0] = (Elf64_Phdr){ .p_type = PT_LOAD,
			      .p_flags = PF_R | PF_X,
			      .p_align = 0x1000,
			      .p_offset = MADE_CODE_OFFSET,
			      .p_vaddr = MADE_CODE_VADDR,
			      .p_filesz = MADE_CODE_BYTES,
			      .p_memsz = MADE_CODE_BYTES };
	ph[1] = (Elf64_Phdr){ .p_type = PT_NULL };
	if (m->note) {
		ph[1] = (Elf64_Phdr){ .p_type = PT_NOTE,
				      .p_align = 4,
				      .p_offset = MADE_NOTES,
				      .p_filesz = sizeof(Elf64_Nhdr) + 8 };
		made_note(image, m);
	}
	made_sections(image, m);
	if (write(fd, image, sizeof(image)) != (ssize_t)sizeof(image))
		return -1;
	return fd;
}

/* A copy of the C library; the caller closes it. */
static inline int copy_libc(off_t *ret_size)
{
	Dl_info info;
	int in, out;
	struct stat st;
	off_t at = 0;

	assert_int_not_equal(dladdr(dlsym(RTLD_DEFAULT, "getpid"), &info), 0);
	in = open(info.dli_fname, O_RDONLY | O_CLOEXEC);
	assert_true(in >= 0);
	assert_int_equal(fstat(in, &st), 0);
	out = memfd_create("copy", MFD_CLOEXEC);
	while (at < st.st_size) {
		char buf[65536];
		ssize_t n = pread(in, buf, sizeof(buf), at);

		assert_true(n > 0);
		assert_int_equal(pwrite(out, buf, (size_t)n, at), n);
		at += n;
	}
	close(in);
	*ret_size = st.st_size;
	return out;
}
