/*
 * Level-triggered epoll over fds, timerfd and signalfd. A source that is removed while a batch of
 * events is handled may still be named by a later event of that batch: it is only marked, and
 * released when the batch is done. One thread per loop.
 */
#include "base/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

#include "base/cleanup.h"

#define BATCH 32
#define NS_PER_S 1000000000ull

enum source_kind { SOURCE_FD = 1, SOURCE_TIMER, SOURCE_SIGNAL };

struct loop_source {
	LIST_ENTRY(loop_source) link;
	enum source_kind kind;
	int fd;	      /* owned, unless kind is SOURCE_FD */
	int signal;   /* SOURCE_SIGNAL */
	bool unblock; /* the signal was not blocked before */
	bool dead;    /* removed, not yet released */
	void *ctx;    /* borrowed: from the caller, until removal */
	union {
		loop_fd_fn fd;
		loop_timer_fn timer;
		loop_signal_fn signal;
	} fn;
};

LIST_HEAD(source_list, loop_source);

struct loop {
	int epoll;
	bool stop;
	bool in_batch;
	struct source_list sources; /* owned */
};

/* Takes a signal that nobody will handle any more: pending, it would strike when unblocked. */
static void release_signal(struct loop_source *s)
{
	struct signalfd_siginfo info;
	sigset_t set;

	while (s->fd >= 0 && read(s->fd, &info, sizeof(info)) > 0)
		;
	if (!s->unblock)
		return;
	sigemptyset(&set);
	sigaddset(&set, s->signal);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* Frees what the source owns; it is in no list. */
static void source_free(struct loop_source *s)
{
	if (s->kind == SOURCE_SIGNAL)
		release_signal(s);
	if (s->kind != SOURCE_FD && s->fd >= 0)
		close(s->fd);
	free(s);
}

static void source_freep(struct loop_source **s)
{
	if (*s)
		source_free(*s);
}

int loop_new(struct loop **ret)
{
	auto_clean(loop_freep) struct loop *l = NULL;

	l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	LIST_INIT(&l->sources);
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll < 0)
		return -errno;
	*ret = steal(l);
	return 0;
}

void loop_free(struct loop *l)
{
	struct loop_source *s;

	if (!l)
		return;
	while ((s = LIST_FIRST(&l->sources))) {
		LIST_REMOVE(s, link);
		source_free(s);
	}
	if (l->epoll >= 0)
		close(l->epoll);
	free(l);
}

void loop_freep(struct loop **l)
{
	loop_free(*l);
}

static int source_new(enum source_kind kind, void *ctx, struct loop_source **ret)
{
	struct loop_source *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->kind = kind;
	s->ctx = ctx;
	s->fd = -1;
	*ret = s;
	return 0;
}

/* Takes s over on success. */
static int loop_put(struct loop *l, struct loop_source *s, uint32_t events,
		    struct loop_source **ret)
{
	struct epoll_event ev = { .events = events, .data.ptr = s };

	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, s->fd, &ev) < 0)
		return -errno;
	LIST_INSERT_HEAD(&l->sources, s, link);
	if (ret)
		*ret = s;
	return 0;
}

int loop_add_fd(struct loop *l, int fd, uint32_t events, loop_fd_fn fn, void *ctx,
		struct loop_source **ret)
{
	auto_clean(source_freep) struct loop_source *s = NULL;
	int r;

	r = source_new(SOURCE_FD, ctx, &s);
	if (r < 0)
		return r;
	s->fd = fd;
	s->fn.fd = fn;
	r = loop_put(l, s, events, ret);
	if (r < 0)
		return r;
	steal(s);
	return 0;
}

static struct timespec to_timespec(uint64_t ns)
{
	return (struct timespec){ .tv_sec = (time_t)(ns / NS_PER_S),
				  .tv_nsec = (long)(ns % NS_PER_S) };
}

int loop_set_timer(struct loop_source *timer, uint64_t delay_ns, uint64_t period_ns)
{
	/* A delay of 0 would disarm the timer. */
	struct itimerspec spec = { .it_value = to_timespec(delay_ns ? delay_ns : 1),
				   .it_interval = to_timespec(period_ns) };

	if (timer->kind != SOURCE_TIMER)
		return -EINVAL;
	return timerfd_settime(timer->fd, 0, &spec, NULL) < 0 ? -errno : 0;
}

int loop_add_timer(struct loop *l, uint64_t delay_ns, uint64_t period_ns, loop_timer_fn fn,
		   void *ctx, struct loop_source **ret)
{
	auto_clean(source_freep) struct loop_source *s = NULL;
	int r;

	r = source_new(SOURCE_TIMER, ctx, &s);
	if (r < 0)
		return r;
	s->fn.timer = fn;
	s->fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (s->fd < 0)
		return -errno;
	r = loop_set_timer(s, delay_ns, period_ns);
	if (r < 0)
		return r;
	r = loop_put(l, s, EPOLLIN, ret);
	if (r < 0)
		return r;
	steal(s);
	return 0;
}

static bool has_signal(const struct loop *l, int signal)
{
	const struct loop_source *s;

	LIST_FOREACH(s, &l->sources, link)
	if (s->kind == SOURCE_SIGNAL && s->signal == signal && !s->dead)
		return true;
	return false;
}

/* Blocks the signal and remembers whether this did it. */
static int block_signal(struct loop_source *s, const sigset_t *set)
{
	sigset_t before;
	int r;

	r = pthread_sigmask(SIG_BLOCK, set, &before);
	if (r)
		return -r;
	s->unblock = !sigismember(&before, s->signal);
	return 0;
}

int loop_add_signal(struct loop *l, int signal, loop_signal_fn fn, void *ctx,
		    struct loop_source **ret)
{
	auto_clean(source_freep) struct loop_source *s = NULL;
	sigset_t set;
	int r;

	if (has_signal(l, signal))
		return -EEXIST;
	sigemptyset(&set);
	if (sigaddset(&set, signal) < 0)
		return -errno;
	r = source_new(SOURCE_SIGNAL, ctx, &s);
	if (r < 0)
		return r;
	s->fn.signal = fn;
	s->signal = signal;
	r = block_signal(s, &set);
	if (r < 0)
		return r;
	s->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->fd < 0)
		return -errno;
	r = loop_put(l, s, EPOLLIN, ret);
	if (r < 0)
		return r;
	steal(s);
	return 0;
}

void loop_remove(struct loop *l, struct loop_source *source)
{
	if (!source || source->dead)
		return;
	epoll_ctl(l->epoll, EPOLL_CTL_DEL, source->fd, NULL);
	source->dead = true;
	if (l->in_batch)
		return;
	LIST_REMOVE(source, link);
	source_free(source);
}

static int dispatch_timer(struct loop_source *s)
{
	uint64_t expirations;

	if (read(s->fd, &expirations, sizeof(expirations)) != sizeof(expirations))
		return 0; /* set anew since it fired */
	return s->fn.timer(s->ctx, expirations);
}

static int dispatch_signal(struct loop_source *s)
{
	struct signalfd_siginfo info;

	if (read(s->fd, &info, sizeof(info)) != sizeof(info))
		return 0;
	return s->fn.signal(s->ctx, (int)info.ssi_signo);
}

static int dispatch(struct loop_source *s, uint32_t events)
{
	switch (s->kind) {
	case SOURCE_FD: return s->fn.fd(s->ctx, events);
	case SOURCE_TIMER: return dispatch_timer(s);
	case SOURCE_SIGNAL: return dispatch_signal(s);
	}
	return 0;
}

static void release_dead(struct loop *l)
{
	struct loop_source *s, *next;

	for (s = LIST_FIRST(&l->sources); s; s = next) {
		next = LIST_NEXT(s, link);
		if (!s->dead)
			continue;
		LIST_REMOVE(s, link);
		source_free(s);
	}
}

static int run_batch(struct loop *l, const struct epoll_event *events, int n)
{
	int i, r = 0;

	l->in_batch = true;
	for (i = 0; i < n && r >= 0 && !l->stop; i++) {
		struct loop_source *s = events[i].data.ptr;

		if (!s->dead)
			r = dispatch(s, events[i].events);
	}
	l->in_batch = false;
	release_dead(l);
	return r;
}

int loop_run(struct loop *l)
{
	struct epoll_event events[BATCH];
	int n, r;

	while (!l->stop) {
		n = epoll_wait(l->epoll, events, BATCH, -1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		r = run_batch(l, events, n);
		if (r < 0)
			return r;
	}
	l->stop = false; /* so that the loop can be run again */
	return 0;
}

void loop_stop(struct loop *l)
{
	l->stop = true;
}
