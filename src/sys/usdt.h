/*
 * Statically defined probes (USDT) of an ELF file: notes that name a place in the code, where its
 * arguments are there, and a counter of those who listen. The form is that of SystemTap's
 * <sys/sdt.h> ("stapsdt" notes of type 3). The file is hostile: what cannot be used is counted.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "memtrace/wire.h"
#include "sys/elf.h"

#define USDT_NOTES_BYTES_MAX ((size_t)4 << 20)
#define USDT_PROBES_MAX 64 /* of one name in one file: one for each place it is compiled into */

struct usdt_note {
	uint64_t location, base, semaphore; /* ELF addresses; semaphore 0: none */
	const char *provider, *name, *args; /* borrowed from the bytes */
};

/* Calls fn for every note; stops when it returns non-zero and returns that. -EBADMSG: broken. */
int usdt_each_note(const void *bytes, size_t len, int (*fn)(void *ctx, const struct usdt_note *n),
		   void *ctx);

/*
 * The first `count` arguments of an x86-64 note, such as "8@%rdi -4@-20(%rbp) 8@$5", as operands of
 * the assembler. -EINVAL: not of that form; -ENOTSUP: of that form, but cannot be read (floating
 * point, addresses of variables, the upper half of a 16-bit register). *ret is then untouched.
 */
int usdt_parse_args(const char *text, size_t count, struct mt_usdt_spec *ret);

struct usdt_probe {
	uint64_t location;  /* file offset */
	uint64_t semaphore; /* file offset; 0: none */
	struct mt_usdt_spec spec;
};

struct usdt_probes {
	size_t count;
	uint32_t refused; /* of this name, and cannot be used */
	struct usdt_probe probe[USDT_PROBES_MAX];
};

/* Probes of a name with at least `args` arguments. -ENOENT: the file has none; -ENOMEM. */
int usdt_find(const struct elf_file *f, const char *provider, const char *name, size_t args,
	      struct usdt_probes *ret);
