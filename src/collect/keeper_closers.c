/* A queue of descriptors and threads that come into being when it is not empty. */
#include "collect/keeper_closers.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

/*
 * Each waits nearly all of its time. As many as the links of some 20 processes: where there are
 * more, the kernel's walks over all processes that map the file take longer than grace periods.
 */
#define THREADS_MAX 64
#define QUEUE_MAX 4096
#define STACK_BYTES (128 << 10)

struct closers {
	pthread_mutex_t lock;
	pthread_cond_t some, none;
	int fd[QUEUE_MAX]; /* a ring */
	unsigned first, count;
	unsigned threads, idle; /* idle: wait for `some` */
};

static void *close_links(void *arg)
{
	struct closers *c = arg;
	int fd;

	pthread_mutex_lock(&c->lock);
	for (;;) {
		c->idle++;
		if (c->idle == c->threads && !c->count)
			pthread_cond_signal(&c->none);
		while (!c->count)
			pthread_cond_wait(&c->some, &c->lock);
		c->idle--;
		fd = c->fd[c->first];
		c->first = (c->first + 1) % QUEUE_MAX;
		c->count--;
		pthread_mutex_unlock(&c->lock);
		close(fd);
		pthread_mutex_lock(&c->lock);
	}
	return NULL;
}

struct closers *closers_new(void)
{
	struct closers *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->some, NULL);
	pthread_cond_init(&c->none, NULL);
	return c;
}

/* One more thread, if it can be had. The lock is held. */
static void add_thread(struct closers *c)
{
	pthread_attr_t attr;
	pthread_t t;

	if (pthread_attr_init(&attr))
		return;
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	if (pthread_create(&t, &attr, close_links, c) == 0)
		c->threads++;
	pthread_attr_destroy(&attr);
}

void closers_close(struct closers *c, int fd)
{
	bool queued = false;

	if (c) {
		pthread_mutex_lock(&c->lock);
		if (c->idle <= c->count && c->threads < THREADS_MAX)
			add_thread(c);
		queued = c->threads && c->count < QUEUE_MAX;
		if (queued) {
			c->fd[(c->first + c->count++) % QUEUE_MAX] = fd;
			pthread_cond_signal(&c->some);
		}
		pthread_mutex_unlock(&c->lock);
	}
	if (!queued)
		close(fd);
}

void closers_wait(struct closers *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	while (c->count || c->idle < c->threads)
		pthread_cond_wait(&c->none, &c->lock);
	pthread_mutex_unlock(&c->lock);
}
