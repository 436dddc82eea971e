/*
 * A stand-in for sys/elf.c: an ELF file made of a list of symbols and one text segment, so that
 * tests of its callers need no files. The text is in a memfd too, for those who read it there.
 */
#pragma once
#include <elf.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sys/elf.h"

#define FAKE_BASE 0x10000u  /* address of the text */
#define FAKE_OFFSET 0x3000u /* of the text in the file */
#define FAKE_TEXT 4096u
#define FAKE_MAX 600

struct elf_file {
	struct elf_symbol symbol[FAKE_MAX];
	size_t count;
	uint8_t text[FAKE_TEXT];
	size_t used; /* of the text */
	uint16_t machine;
	bool is_32, broken;
	int fd;
};

/* Text is filled with one-byte nops, and functions lie 16 bytes apart. */
static inline void fake_init(struct elf_file *f)
{
	*f = (struct elf_file){ .machine = EM_X86_64, .fd = -1 };
	memset(f->text, 0x90, sizeof(f->text));
}

/* Adds a global function; the same bytes under another name give an address of their own. */
static inline struct elf_symbol *fake_add(struct elf_file *f, const char *name, const void *code,
					  size_t len)
{
	struct elf_symbol *s = &f->symbol[f->count++];

	*s = (struct elf_symbol){
		.name = name, .vaddr = FAKE_BASE + f->used, .size = len, .global = true
	};
	memcpy(f->text + f->used, code, len);
	f->used = (f->used + len + 15) & ~(size_t)15;
	return s;
}

/* One more name for an address. */
static inline struct elf_symbol *fake_alias(struct elf_file *f, const char *name,
					    const struct elf_symbol *of)
{
	struct elf_symbol *s = &f->symbol[f->count++];

	*s = *of;
	s->name = name;
	return s;
}

/* The file as a descriptor; the caller closes it. */
static inline int fake_fd(const struct elf_file *f)
{
	int fd = memfd_create("fake", MFD_CLOEXEC);

	if (fd >= 0 && pwrite(fd, f->text, FAKE_TEXT, FAKE_OFFSET) != FAKE_TEXT) {
		close(fd);
		return -1;
	}
	return fd;
}

void elf_describe(const struct elf_file *f, struct module_fact *ret)
{
	(void)f;
	*ret = (struct module_fact){ .segment_count = 1,
				     .segment = { { FAKE_OFFSET, FAKE_BASE, FAKE_TEXT } } };
}

uint16_t elf_machine(const struct elf_file *f)
{
	return f->machine;
}

bool elf_is_64(const struct elf_file *f)
{
	return !f->is_32;
}

int elf_each_function(const struct elf_file *f, int (*fn)(void *ctx, const struct elf_symbol *s),
		      void *ctx)
{
	size_t i;
	int r;

	for (i = 0; i < f->count; i++) {
		r = fn(ctx, &f->symbol[i]);
		if (r)
			return r;
	}
	return f->broken ? -EBADMSG : 0;
}

int elf_vaddr_to_offset(const struct elf_file *f, uint64_t vaddr, uint64_t *ret)
{
	(void)f;
	if (vaddr < FAKE_BASE || vaddr - FAKE_BASE >= FAKE_TEXT)
		return -ENOENT;
	*ret = vaddr - FAKE_BASE + FAKE_OFFSET;
	return 0;
}

int elf_code(const struct elf_file *f, uint64_t vaddr, size_t max, const uint8_t **ret_bytes,
	     size_t *ret_len)
{
	size_t at = (size_t)(vaddr - FAKE_BASE);

	if (vaddr < FAKE_BASE || at >= FAKE_TEXT)
		return -ENOENT;
	*ret_bytes = f->text + at;
	*ret_len = max < FAKE_TEXT - at ? max : FAKE_TEXT - at;
	return 0;
}

int64_t elf_read_at(const struct elf_file *f, uint64_t vaddr, void *ret, size_t size)
{
	const size_t at = (size_t)(vaddr - FAKE_BASE);

	if (vaddr < FAKE_BASE || at >= FAKE_TEXT)
		return -ENOENT;
	size = size < FAKE_TEXT - at ? size : FAKE_TEXT - at;
	memcpy(ret, f->text + at, size);
	return (int64_t)size;
}

/* No tables: what is called is not followed. */
int elf_eh_frame(const struct elf_file *f, size_t max, struct elf_bytes *ret)
{
	(void)f;
	(void)max;
	(void)ret;
	return -ENOENT;
}

int elf_section(const struct elf_file *f, const char *name, size_t max, struct elf_bytes *ret)
{
	(void)f;
	(void)name;
	(void)max;
	(void)ret;
	return -ENOENT;
}
