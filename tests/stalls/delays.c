/*
 * A server and its client, 2,000 requests a second: how long the slowest request took. The server
 * holds 256 MB in small blocks; each request allocates and frees, and every 16th maps memory,
 * touches it and unmaps it, so that whoever holds the server's memory map for long is felt.
 *
 *   delays     prints the server's process id; for each line of standard input one line with
 *              "requests longest_us over_5ms over_20ms" since the line before
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HELD 1000000
#define HELD_BYTES 256
#define RING 1024
#define MAP_BYTES (256 << 10)
#define PAUSE_NS 500000
#define THREADS 2

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void *block(size_t size)
{
	void *p = malloc(size);

	if (!p)
		abort();
	memset(p, 1, size);
	return p;
}

static void serve_one(void **ring, unsigned n)
{
	for (int k = 0; k < 8; k++) {
		void **slot = &ring[(n * 8 + k) % RING];

		free(*slot);
		*slot = block(64 + (n * 37 + k * 101) % 2000);
	}
	if (n % 16 == 0) {
		void *p = mmap(NULL, MAP_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			       -1, 0);

		if (p != MAP_FAILED) {
			memset(p, 1, MAP_BYTES);
			munmap(p, MAP_BYTES);
		}
	}
}

static void *serve(void *arg)
{
	int sock = *(int *)arg;
	void *ring[RING] = { 0 };
	unsigned n = 0;
	uint64_t request;

	while (read(sock, &request, sizeof(request)) == sizeof(request)) {
		serve_one(ring, n++);
		if (write(sock, &request, sizeof(request)) != sizeof(request))
			break;
	}
	_exit(0);
}

static void server(const int *sock)
{
	void *last = NULL;
	pthread_t t;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (size_t i = 0; i < HELD; i++)
		last = block(HELD_BYTES - 16); /* never given back */
	if (!last)
		_exit(1);
	for (int i = 1; i < THREADS; i++)
		if (pthread_create(&t, NULL, serve, (void *)&sock[i]))
			_exit(1);
	serve((void *)&sock[0]);
}

struct delays {
	uint64_t requests, longest_ns, over_5ms, over_20ms;
};

static void ask(int sock, struct delays *d)
{
	uint64_t begun = now_ns(), took, back;

	if (write(sock, &begun, sizeof(begun)) != sizeof(begun) ||
	    read(sock, &back, sizeof(back)) != sizeof(back))
		exit(1);
	took = now_ns() - begun;
	d->requests++;
	d->over_5ms += took > 5000000;
	d->over_20ms += took > 20000000;
	if (took > d->longest_ns)
		d->longest_ns = took;
}

int main(void)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	struct timespec pause = { .tv_nsec = PAUSE_NS };
	struct delays d = { 0 };
	int ours[THREADS], theirs[THREADS], pair[2];
	char line[64];
	pid_t pid;

	for (int i = 0; i < THREADS; i++) {
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
			return 1;
		ours[i] = pair[0];
		theirs[i] = pair[1];
	}
	pid = fork();
	if (pid == 0)
		server(theirs);
	for (int i = 0; i < THREADS; i++)
		ask(ours[i], &d); /* it has its memory */
	printf("%d\n", pid);
	fflush(stdout);
	for (unsigned n = 0;; n++) {
		ask(ours[n % THREADS], &d);
		nanosleep(&pause, NULL);
		if (n % 16 || poll(&in, 1, 0) == 0)
			continue;
		if (!fgets(line, sizeof(line), stdin))
			return 0;
		printf("%llu %llu %llu %llu\n", (unsigned long long)d.requests,
		       (unsigned long long)d.longest_ns / 1000, (unsigned long long)d.over_5ms,
		       (unsigned long long)d.over_20ms);
		fflush(stdout);
		d = (struct delays){ 0 };
	}
}
