/*
 * Programs that announce samples of their allocations themselves, by the contract otel_memory
 * (bpf/usdt.bpf.c): memtrace's preload library, allocators of another make. Such a process is
 * traced by what it announces instead of by allocator probes.
 */
#pragma once
#include <stdbool.h>

struct elf_file;
struct tracee;

enum announced {
	ANNOUNCED_NOTHING = 0,
	ANNOUNCED_ITS_OWN, /* what an allocator or a program itself gives out */
	ANNOUNCED_ALL,	   /* by the preload library: of every allocator behind it */
};

enum announced announced_find(const struct elf_file *f);

/*
 * Attaches to what a mapped file announces. `fd` is of that file, borrowed; `name` is its own. What
 * cannot be used is told to the user, and allocators are probed as usual.
 */
void announced_attach(struct tracee *t, int fd, const struct elf_file *f, const char *name);

/*
 * An allocator behind the preload library whose C++ operators do not pass through its malloc():
 * what they give out is not seen, which is noted.
 */
void announced_check_operators(struct tracee *t, const struct elf_file *f, const char *name);

/* Whether a file of this name is one that is listened to. */
bool announced_is_of(const struct tracee *t, const char *name);
