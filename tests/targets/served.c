/*
 * A server that holds memory for its connections as it is told to, in one loop over epoll or with a
 * thread for each. Another thread frees what it is handed; a timer of the loop allocates what is no
 * connection's. A command is a line, answered by "done":
 *   keep BYTES COUNT	 COUNT blocks for this connection, until it ends
 *   free COUNT		 of them, by the other thread
 *   store BYTES	 one block that outlives the connection
 *   fresh BYTES	 the next BYTES bytes are read into a block of that size, which is kept
 * Usage: served loop | threads; prints "port N", ends with its standard input.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include "target.h"

#define KEPT_MAX 4096
#define TICK_BYTES 1000 /* allocated at each tick of the loop's timer, and never freed */

struct connection {
	int fd;
	size_t count;
	size_t fresh; /* bytes that are read into a block of their own */
	void *block[KEPT_MAX];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t change = PTHREAD_COND_INITIALIZER;
static void *handed;

static void *free_handed(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&lock);
	for (;;) {
		while (!handed)
			pthread_cond_wait(&change, &lock);
		free(handed);
		handed = NULL;
		pthread_cond_broadcast(&change);
	}
	return NULL;
}

/* Spins where the handler must not lose its connection by waiting. */
static void hand_over(void *p)
{
	pthread_mutex_lock(&lock);
	handed = p;
	pthread_cond_broadcast(&change);
	pthread_mutex_unlock(&lock);
	while (__atomic_load_n((void *volatile *)&handed, __ATOMIC_ACQUIRE))
		pause_ns(10000);
}

static NOINLINE void *keep(size_t bytes)
{
	void *p = malloc(bytes);

	if (!p)
		_exit(9);
	memset(p, 1, bytes);
	return p;
}

static void add(struct connection *c, void *p)
{
	if (c->count == KEPT_MAX)
		_exit(9);
	c->block[c->count++] = p;
}

static void obey(struct connection *c, char *line)
{
	unsigned long a = 0, b = 0;

	if (sscanf(line, "keep %lu %lu", &a, &b) == 2) {
		while (b--)
			add(c, keep(a));
	} else if (sscanf(line, "free %lu", &a) == 1) {
		while (a-- && c->count)
			hand_over(c->block[--c->count]);
	} else if (sscanf(line, "store %lu", &a) == 1) {
		forget(keep(a));
	} else if (sscanf(line, "fresh %lu", &a) == 1) {
		c->fresh = a;
	}
	if (write(c->fd, "done\n", 5) != 5)
		_exit(9);
}

/* False: it has ended, and what it held is freed. */
static int serve(struct connection *c)
{
	char line[256];
	char *fresh = c->fresh ? keep(c->fresh) : NULL;
	ssize_t n = fresh ? read(c->fd, fresh, c->fresh) : recv(c->fd, line, sizeof(line) - 1, 0);

	if (n > 0 && fresh) {
		add(c, fresh);
		c->fresh = 0;
		return write(c->fd, "done\n", 5) == 5;
	}
	if (n > 0) {
		line[n] = 0;
		obey(c, line);
		return 1;
	}
	free(fresh);
	while (c->count)
		free(c->block[--c->count]);
	close(c->fd);
	free(c);
	return 0;
}

static NOINLINE struct connection *welcome(int listener)
{
	int fd = accept(listener, NULL, NULL), one = 1;
	struct connection *c = fd < 0 ? NULL : calloc(1, sizeof(*c));

	if (!c)
		_exit(9);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c->fd = fd;
	return c;
}

static void *serve_one(void *arg)
{
	struct connection *c = arg;

	while (serve(c))
		;
	return NULL;
}

static void *serve_threads(void *arg)
{
	for (;;) {
		pthread_t t;

		if (pthread_create(&t, NULL, serve_one, welcome(*(int *)arg)))
			_exit(9);
		pthread_detach(t);
	}
	return NULL;
}

static void watch(int epoll, int fd, void *what)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = what };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e))
		_exit(9);
}

static void *serve_loop(void *arg)
{
	const struct itimerspec often = { { 0, 20000000 }, { 0, 20000000 } };
	int listener = *(int *)arg, epoll = epoll_create1(0);
	int timer = timerfd_create(CLOCK_MONOTONIC, 0);
	struct epoll_event e[16];
	uint64_t ticks;

	timerfd_settime(timer, 0, &often, NULL);
	watch(epoll, listener, NULL);
	watch(epoll, timer, &ticks);
	for (;;) {
		int n = epoll_wait(epoll, e, 16, -1);

		for (int i = 0; i < n; i++) {
			if (!e[i].data.ptr) {
				struct connection *c = welcome(listener);

				watch(epoll, c->fd, c);
			} else if (e[i].data.ptr == &ticks) {
				if (read(timer, &ticks, sizeof(ticks)) == sizeof(ticks))
					forget(keep(TICK_BYTES));
			} else {
				serve(e[i].data.ptr);
			}
		}
	}
	return NULL;
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t len = sizeof(at);
	pthread_t t, other;

	if (argc < 2 || bind(listener, (struct sockaddr *)&at, sizeof(at)) ||
	    listen(listener, 1024) || getsockname(listener, (struct sockaddr *)&at, &len))
		return 9;
	printf("port %d\n", ntohs(at.sin_port));
	if (pthread_create(&other, NULL, free_handed, NULL) ||
	    pthread_create(&t, NULL, argv[1][0] == 'l' ? serve_loop : serve_threads, &listener))
		return 9;
	await_line("ready");
	return 0;
}
