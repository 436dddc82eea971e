/*
 * C that keeps, or gives back, what the thread library and OpenSSL hold: `kept KIND leak|clean`.
 * thread: threads that end and are never joined; ssl: contexts of libssl; stuck: threads that never
 * end. Says "ready" once it is warm, and its account as a line of JSON for each line that it reads.
 */
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define STEP_MS 40

static void *end_at_once(void *arg)
{
	char page[4096]; /* a stack that was used */

	memset(page, 1, sizeof(page));
	__asm__ volatile("" : : "r"(page) : "memory");
	return arg;
}

static void *never_end(void *arg)
{
	for (;;)
		pause();
	return arg;
}

__attribute__((noinline)) static void start_worker(void *(*body)(void *), int leak)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, body, NULL))
		abort();
	if (!leak)
		pthread_join(thread, NULL);
}

__attribute__((noinline)) static void open_session(int leak)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (!ctx)
		abort();
	if (!leak)
		SSL_CTX_free(ctx);
}

static long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

int main(int argc, char **argv)
{
	int leak = argc > 2 && !strcmp(argv[2], "leak");
	struct pollfd in = { .fd = 0, .events = POLLIN };
	long long begun = now_ms(), ahead;
	char line[16];
	long n = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (;;) {
		if (!strcmp(argv[1], "ssl"))
			open_session(leak);
		else
			start_worker(leak && !strcmp(argv[1], "stuck") ? never_end : end_at_once,
				     leak);
		if (++n == 25)
			puts("ready");
		ahead = begun + n * STEP_MS - now_ms();
		if (poll(&in, 1, ahead > 0 ? (int)ahead : 0) <= 0)
			continue;
		if (!fgets(line, sizeof(line), stdin))
			return 0;
		printf("{\"operations\": %ld, \"kept\": %ld}\n", n, leak ? n : 0);
	}
}
