/*
 * Programs with separate debug information for tests, built with the compiler and objcopy in a
 * folder of their own, which stands for the root of a traced process (root/) and of the host
 * (host/).
 */
#pragma once
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "sys/elf.h"

static char fixture_folder[64];

/* Lines are counted by tests: 3 is in deepest(), 7 the call in middle(), 11 in outer_function(). */
static const char fixture_source[] =
	"extern volatile int sink;\n"
	"volatile int sink;\n"
	"static inline __attribute__((always_inline)) int deepest(int x) { sink += x; return sink; "
	"}\n"
	"\n"
	"static inline __attribute__((always_inline)) int middle(int x)\n"
	"{\n"
	"	return deepest(x + 1);\n"
	"}\n"
	"__attribute__((noinline)) static int outer_function(int x)\n"
	"{\n"
	"	return middle(x * 3) + 1;\n"
	"}\n"
	"int main(int argc, char **argv) { (void)argv; return outer_function(argc); }\n";

/* Runs a command of the shell in the folder. */
__attribute__((format(printf, 1, 2))) static inline void fixture_run(const char *format, ...)
{
	char command[2048];
	va_list ap;
	int n = snprintf(command, sizeof(command), "cd %s && ", fixture_folder);

	va_start(ap, format);
	vsnprintf(command + n, sizeof(command) - (size_t)n, format, ap);
	va_end(ap);
	if (system(command) != 0)
		fail_msg("failed: %s", command);
}

static inline int fixture_begin(void **state)
{
	FILE *f;
	char path[96];

	(void)state;
	snprintf(fixture_folder, sizeof(fixture_folder), "/tmp/memtrace-unit-XXXXXX");
	if (!mkdtemp(fixture_folder))
		return -1;
	snprintf(path, sizeof(path), "%s/source.c", fixture_folder);
	f = fopen(path, "w");
	if (!f || fputs(fixture_source, f) < 0 || fclose(f) != 0)
		return -1;
	fixture_run("mkdir -p root/usr/bin/.debug root/usr/lib/debug/.build-id "
		    "root/usr/lib/debug/usr/bin host/usr/lib/debug/.build-id");
	return 0;
}

static inline int fixture_end(void **state)
{
	(void)state;
	fixture_run("rm -rf %s", fixture_folder);
	return 0;
}

/* Every test begins without programs and debug files. */
static inline int fixture_clear(void **state)
{
	(void)state;
	fixture_run("find root host -type f -o -type p -o -type l | xargs -r rm -f; rm -f *.debug "
		    "whole packed* *.xz");
	return 0;
}

/* root/usr/bin/whole with everything in it; flags for gcc. */
static inline void fixture_build(const char *flags)
{
	fixture_run("gcc -O2 -g %s source.c -o whole", flags);
}

static inline const char *fixture_path(const char *name)
{
	static char path[192];

	snprintf(path, sizeof(path), "%s/%s", fixture_folder, name);
	return path;
}

struct fixture_search {
	const char *name;
	uint64_t vaddr, size;
};

static inline int fixture_match(void *ctx, const struct elf_symbol *s)
{
	struct fixture_search *search = ctx;

	if (strcmp(s->name, search->name) != 0)
		return 0;
	search->vaddr = s->vaddr;
	search->size = s->size;
	return 1;
}

static inline struct elf_file *fixture_open(const char *name)
{
	int fd = open(fixture_path(name), O_RDONLY | O_CLOEXEC);
	struct elf_file *f = NULL;

	assert_true(fd >= 0);
	assert_int_equal(elf_open_debug_fd(fd, &f), 0);
	close(fd);
	return f;
}

/* Where a section of `whole` is in the file, and whether it is compressed. */
static inline GElf_Shdr fixture_section(const char *name)
{
	int fd = open(fixture_path("whole"), O_RDONLY | O_CLOEXEC);
	GElf_Shdr sh = {}, found = {};
	Elf_Scn *section = NULL;
	size_t names;
	Elf *e;

	elf_version(EV_CURRENT);
	e = elf_begin(fd, ELF_C_READ, NULL);
	assert_non_null(e);
	assert_int_equal(elf_getshdrstrndx(e, &names), 0);
	while ((section = elf_nextscn(e, section)))
		if (gelf_getshdr(section, &sh) && !strcmp(elf_strptr(e, names, sh.sh_name), name))
			found = sh;
	elf_end(e);
	close(fd);
	assert_true(found.sh_size > 0);
	return found;
}

/* Where a function of `whole` is; *ret_size may be NULL. */
static inline uint64_t fixture_vaddr(const char *function, uint64_t *ret_size)
{
	struct fixture_search search = { .name = function };
	struct elf_file *f = fixture_open("whole");

	elf_each_function(f, fixture_match, &search);
	elf_close(f);
	assert_int_not_equal(search.vaddr, 0);
	if (ret_size)
		*ret_size = search.size;
	return search.vaddr;
}

/* The build id of `whole`. */
static inline const char *fixture_build_id(void)
{
	static struct module_fact fact;
	struct elf_file *f = fixture_open("whole");

	elf_describe(f, &fact);
	elf_close(f);
	return fact.build_id;
}
