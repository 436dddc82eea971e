/*
 * Targets of watching: each gathers one thing at a steady pace, in a function of its own, until its
 * standard input ends; "quiet" works as much and keeps nothing.
 * Usage: grower map | heap | file PATH | descriptors | sockets | quiet | quiet-server
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "target.h"

#define STEP_MS 20
#define MAP_BYTES 32768
#define FILE_BYTES 131072
#define HEAP_BLOCKS 8 /* of 1000 bytes, a step */

static NOINLINE void touch(char *p, size_t bytes)
{
	memset(p, 1, bytes);
	forget(p);
}

static NOINLINE void gather_mappings(void)
{
	char *p = mmap(NULL, MAP_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p != MAP_FAILED)
		touch(p, MAP_BYTES);
}

static NOINLINE void gather_blocks(void)
{
	for (int i = 0; i < HEAP_BLOCKS; i++) {
		char *p = malloc(1000);

		if (p)
			touch(p, 1000);
	}
}

/* A little more of the file each time, never given back. */
static NOINLINE void gather_file(int fd, off_t at)
{
	volatile char *p = mmap(NULL, FILE_BYTES, PROT_READ, MAP_SHARED, fd, at);
	char sum = 0;

	for (size_t i = 0; p != MAP_FAILED && i < FILE_BYTES; i += 4096)
		sum += p[i];
	forget(&sum);
}

static NOINLINE void gather_descriptors(void)
{
	forget((void *)(intptr_t)open("/dev/null", O_RDONLY | O_CLOEXEC));
}

static NOINLINE void gather_sockets(void)
{
	forget((void *)(intptr_t)socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
}

/* What a server does: buffers that come and go, the heap's top given back, files opened. */
static NOINLINE void keep_nothing(void)
{
	char *block[64],
		*p = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	for (int i = 0; i < 64; i++) {
		block[i] = malloc(4000);
		if (block[i])
			touch(block[i], 4000);
	}
	for (int i = 0; i < 64; i++)
		free(block[i]);
	if (p != MAP_FAILED) {
		touch(p, 65536);
		munmap(p, 65536);
	}
	if (fd >= 0)
		close(fd);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	int fd = argc > 2 ? open(argv[2], O_RDONLY | O_CLOEXEC) : -1;
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };

	await_line("ready");
	for (long step = 0; poll(&in, 1, STEP_MS) == 0; step++) {
		if (!strcmp(what, "map"))
			gather_mappings();
		else if (!strcmp(what, "heap"))
			gather_blocks();
		else if (!strcmp(what, "file"))
			gather_file(fd, step * FILE_BYTES);
		else if (!strcmp(what, "descriptors") && step % 5 == 0)
			gather_descriptors();
		else if (!strcmp(what, "sockets") && step % 5 == 0)
			gather_sockets();
		else if (!strcmp(what, "quiet"))
			keep_nothing();
	}
	return 0;
}
