/*
 * Targets of the safety tests: a loop whose speed can be watched from outside, a process that ends
 * by itself, and one that has forbidden itself nearly every system call.
 * Usage: steady spin FILE | quick MILLISECONDS | confined
 */
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "rules.h"

MAKER(confined_block, malloc(size))

/* Counts its rounds in the first eight bytes of the file until standard input ends. */
static int spin(const char *file)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	int fd = open(file, O_RDWR);
	volatile uint64_t *rounds;

	rounds = fd < 0 ? MAP_FAILED : mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (rounds == MAP_FAILED)
		return 9;
	printf("ready\n");
	fflush(stdout);
	while (poll(&in, 1, 0) == 0)
		for (int i = 0; i < 2000; i++) {
			void *p = malloc(64 + i % 64);

			forget(p);
			free(p);
			++*rounds;
		}
	return 0;
}

static int quick(const char *ms)
{
	uint64_t end = now_ns() + strtoul(ms, NULL, 10) * 1000000ull;

	while (now_ns() < end) {
		void *p = malloc(100);

		forget(p);
		free(p);
	}
	return 0;
}

#define ALLOW(name)                                            \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1), \
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static int confined(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ALLOW(read),
		ALLOW(write),
		ALLOW(brk),
		ALLOW(getpid),
		ALLOW(exit_group),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]), filter };

	/* standard output's buffer first: making it asks for more than the filter allows */
	printf("filter\n");
	fflush(stdout);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		return 9;
	await_line("ready");
	for (int i = 0; i < 1000; i++) {
		void *p = confined_block(60);

		made("heap", "confined_block", 60);
		if (i % 2)
			continue;
		free(p);
		gone("heap", "confined_block", 60);
	}
	tell(0);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "spin"))
		return spin(argv[2]);
	if (argc == 3 && !strcmp(argv[1], "quick"))
		return quick(argv[2]);
	if (argc == 2 && !strcmp(argv[1], "confined"))
		return confined();
	return 2;
}
