/*
 * A client of PostgreSQL by libpq that ends its connections, or does not: `client leak|clean`.
 * It finds the server by PGHOST and its like.
 * Says "ready" once it is warm, and its account as a line of JSON for each line that it reads.
 */
#include <libpq-fe.h>
#include <malloc.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STEP_MS 200

__attribute__((noinline)) static PGconn *open_database(void)
{
	PGconn *c = PQconnectdb("");

	if (PQstatus(c) != CONNECTION_OK) {
		fprintf(stderr, "%s", PQerrorMessage(c));
		exit(1);
	}
	return c;
}

__attribute__((noinline)) static void serve_request(int leak)
{
	PGconn *c = open_database();

	PQclear(PQexec(c, "SELECT 1"));
	if (!leak)
		PQfinish(c);
}

static long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

int main(int argc, char **argv)
{
	int leak = argc > 1 && !strcmp(argv[1], "leak");
	struct pollfd in = { .fd = 0, .events = POLLIN };
	long long begun = now_ms(), ahead;
	struct mallinfo2 held;
	char line[16];
	long n = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (;;) {
		serve_request(leak);
		if (++n == 10)
			puts("ready");
		ahead = begun + n * STEP_MS - now_ms();
		if (poll(&in, 1, ahead > 0 ? (int)ahead : 0) <= 0)
			continue;
		if (!fgets(line, sizeof(line), stdin))
			return 0;
		held = mallinfo2();
		printf("{\"operations\": %ld, \"kept\": %ld, \"bytes\": %zu}\n", n, leak ? n : 0,
		       held.uordblks + held.hblkhd);
	}
}
