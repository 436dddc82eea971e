/*
 * Sends one request over and over to a server on the loopback, at a set pace, and times the
 * answers. client PORT CONNECTIONS REQUEST The first answer tells how long an answer is: all must
 * be that long. Then, for each line "RATE MS" on standard input, requests are sent at that rate
 * over idle connections for that time; RATE 0: one after the other on each connection. A request
 * that finds no idle connection waits, and its time counts from when it was due. Answers with one
 * line of JSON:
 *   {"ops", "wall_ns", "median_ns", "p99_ns", "most_ns"}
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "../targets/target.h"

#define CONNECTIONS_MAX 64
#define TIMES_MAX 4000000
#define ANSWER_MAX 65536
#define PATIENCE_MS 10000

struct connection {
	size_t missing; /* bytes of the answer that are not here yet; 0: idle */
	uint64_t due;	/* when its request was to be sent */
};

struct client {
	struct pollfd fd[CONNECTIONS_MAX];
	struct connection connection[CONNECTIONS_MAX];
	int count;
	const char *request;
	size_t request_bytes, answer_bytes;
	uint64_t *time;
	size_t times;
};

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static int open_connection(int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)))
		fail("connect");
	return fd;
}

/* The answer has ended when nothing comes for a while. */
static size_t first_answer(int fd, const char *request, size_t len)
{
	static char bytes[ANSWER_MAX];
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t got = 0;

	if (write(fd, request, len) != (ssize_t)len)
		fail("write");
	while (poll(&p, 1, got ? 300 : PATIENCE_MS) > 0) {
		ssize_t n = read(fd, bytes, sizeof(bytes));

		if (n <= 0)
			fail("read");
		got += n;
	}
	if (got == 0)
		fail("no answer");
	return got;
}

static void ask(struct client *c, int i, uint64_t due)
{
	if (write(c->fd[i].fd, c->request, c->request_bytes) != (ssize_t)c->request_bytes)
		fail("write");
	c->connection[i].missing = c->answer_bytes;
	c->connection[i].due = due;
}

static void take(struct client *c, int i)
{
	static char bytes[ANSWER_MAX];
	ssize_t n = recv(c->fd[i].fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || (size_t)n > c->connection[i].missing) {
		fprintf(stderr, "client: %s\n",
			n ? "an answer is longer than the first" : "closed");
		exit(1);
	}
	c->connection[i].missing -= n;
	if (c->connection[i].missing == 0 && c->times < TIMES_MAX)
		c->time[c->times++] = now_ns() - c->connection[i].due;
}

static int idle(const struct client *c)
{
	for (int i = 0; i < c->count; i++)
		if (c->connection[i].missing == 0)
			return i;
	return -1;
}

static int busy(const struct client *c)
{
	int n = 0;

	for (int i = 0; i < c->count; i++)
		n += c->connection[i].missing != 0;
	return n;
}

static void wait_for_answers(struct client *c, uint64_t until)
{
	uint64_t now = now_ns(), ns = until > now ? until - now : 0;
	struct timespec t = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };

	if (ppoll(c->fd, c->count, &t, NULL) <= 0)
		return;
	for (int i = 0; i < c->count; i++)
		if (c->fd[i].revents)
			take(c, i);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void answer(struct client *c, uint64_t wall)
{
	size_t n = c->times;

	qsort(c->time, n, sizeof(*c->time), compare);
	printf("{\"ops\": %zu, \"wall_ns\": %llu, \"median_ns\": %llu, \"p99_ns\": %llu, "
	       "\"most_ns\": %llu}\n",
	       n, (unsigned long long)wall, (unsigned long long)(n ? c->time[n / 2] : 0),
	       (unsigned long long)(n ? c->time[n - 1 - n / 100] : 0),
	       (unsigned long long)(n ? c->time[n - 1] : 0));
	fflush(stdout);
}

static void run(struct client *c, uint64_t rate, uint64_t ms)
{
	uint64_t begun = now_ns(), end = begun + ms * 1000000, sent = 0, now, due;
	int i;

	c->times = 0;
	for (now = begun; now < end; now = now_ns()) {
		due = rate ? begun + sent * 1000000000 / rate : now;
		if (due <= now && (i = idle(c)) >= 0) {
			ask(c, i, due);
			sent++;
			continue;
		}
		/* without an idle connection only an answer can change anything */
		wait_for_answers(c, due > now && due < end ? due : end);
	}
	while (busy(c) && now_ns() < end + PATIENCE_MS * 1000000ull)
		wait_for_answers(c, end + PATIENCE_MS * 1000000ull);
	if (busy(c))
		fail("an answer did not come");
	answer(c, now_ns() - begun);
}

int main(int argc, char **argv)
{
	static struct client c;
	unsigned long long rate, ms;
	char line[64];

	if (argc != 4 || (c.count = strtol(argv[2], NULL, 10)) < 1 || c.count > CONNECTIONS_MAX)
		return 2;
	c.request = argv[3];
	c.request_bytes = strlen(c.request);
	c.time = calloc(TIMES_MAX, sizeof(*c.time));
	if (!c.time)
		fail("calloc");
	for (int i = 0; i < c.count; i++) {
		c.fd[i].fd = open_connection(strtol(argv[1], NULL, 10));
		c.fd[i].events = POLLIN;
		c.answer_bytes = first_answer(c.fd[i].fd, c.request, c.request_bytes);
	}
	printf("ready\n");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin))
		if (sscanf(line, "%llu %llu", &rate, &ms) == 2)
			run(&c, rate, ms);
	return 0;
}
