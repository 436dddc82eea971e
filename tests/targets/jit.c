/*
 * Allocates from generated code, as a JIT compiler's output does, and writes a perf map that names
 * it. Usage: jit MAP, where MAP is "own" (/tmp/perf-PID.map with this process's number as it sees
 * it itself) or the path of a file.
 */
#include <fcntl.h>
#include <sys/mman.h>

#include "target.h"

#define CODE_BYTES 64
#define BLOCKS 200

typedef void *(*maker)(size_t size, void *(*alloc)(size_t));

/* push rbp; mov rbp, rsp; call rsi; pop rbp; ret */
static const unsigned char code[] = { 0x55, 0x48, 0x89, 0xe5, 0xff, 0xd6, 0x5d, 0xc3 };

static void write_map(const char *path, const void *start)
{
	FILE *f = fopen(path, "w");

	if (!f)
		exit(1);
	fprintf(f, "%lx %x JS:*makeBlock /srv/made.js:42:7\n", (unsigned long)start, CODE_BYTES);
	fclose(f);
}

int main(int argc, char **argv)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char own[64];

	if (argc < 2 || page == MAP_FAILED)
		return 1;
	memcpy(page, code, sizeof(code));
	if (mprotect(page, 4096, PROT_READ | PROT_EXEC))
		return 1;
	snprintf(own, sizeof(own), "/tmp/perf-%d.map", getpid());
	write_map(strcmp(argv[1], "own") == 0 ? own : argv[1], page);
	await_line("ready");
	for (int i = 0; i < BLOCKS; i++)
		forget(((maker)page)(1000, malloc));
	printf("{\"count\": %d, \"bytes\": %d}\n", BLOCKS, BLOCKS * 1000);
	await_line("done");
	unlink(own);
	return 0;
}
