/* base/loop: descriptors, timers, signals, and removal in the middle of things. */
#include "base/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"

#define MS 1000000ull

struct seen {
	struct loop *loop;
	struct loop_source *own, *other;
	int in, calls, stop_after;
	int result;
	uint64_t expirations;
	int signal;
};

static void open_pipe(int *in, int *out)
{
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	*in = ends[0];
	*out = ends[1];
}

static int on_input(void *ctx, uint32_t events)
{
	struct seen *s = ctx;
	char byte;

	assert_true(events & EPOLLIN);
	assert_int_equal(read(s->in, &byte, 1), 1);
	if (++s->calls == s->stop_after)
		loop_stop(s->loop);
	return s->result;
}

static int on_timer(void *ctx, uint64_t expirations)
{
	struct seen *s = ctx;

	s->expirations += expirations;
	if (++s->calls == s->stop_after)
		loop_stop(s->loop);
	return s->result;
}

static int on_signal(void *ctx, int signal)
{
	struct seen *s = ctx;

	s->signal = signal;
	s->calls++;
	loop_stop(s->loop);
	return 0;
}

static int remove_both(void *ctx, uint32_t events)
{
	struct seen *s = ctx;

	(void)events;
	s->calls++;
	loop_remove(s->loop, s->own);
	loop_remove(s->loop, s->other);
	return 0;
}

static void a_readable_descriptor_calls_its_function(void **state)
{
	auto_clean(loop_freep) struct loop *l = NULL;
	auto_close int in = -1, out = -1;
	struct seen s = { .stop_after = 3 };

	(void)state;
	assert_int_equal(loop_new(&l), 0);
	open_pipe(&in, &out);
	s.loop = l;
	s.in = in;
	assert_int_equal(loop_add_fd(l, in, EPOLLIN, on_input, &s, NULL), 0);
	assert_int_equal(write(out, "abc", 3), 3);
	assert_int_equal(loop_run(l), 0);
	assert_int_equal(s.calls, 3);
}

static void an_error_of_a_callback_ends_the_run(void **state)
{
	auto_clean(loop_freep) struct loop *l = NULL;
	struct seen s = { .result = -EPIPE };

	(void)state;
	assert_int_equal(loop_new(&l), 0);
	s.loop = l;
	assert_int_equal(loop_add_timer(l, 0, 0, on_timer, &s, NULL), 0);
	assert_int_equal(loop_run(l), -EPIPE);
	assert_int_equal(s.calls, 1);
}

static void a_descriptor_cannot_be_added_twice(void **state)
{
	auto_clean(loop_freep) struct loop *l = NULL;
	auto_close int in = -1, out = -1;
	struct loop_source *ret = NULL;
	struct seen s = {};

	(void)state;
	assert_int_equal(loop_new(&l), 0);
	open_pipe(&in, &out);
	assert_int_equal(loop_add_fd(l, in, EPOLLIN, on_input, &s, NULL), 0);
	assert_int_equal(loop_add_fd(l, in, EPOLLIN, on_input, &s, &ret), -EEXIST);
	assert_int_equal(loop_add_fd(l, -1, EPOLLIN, on_input, &s, &ret), -EBADF);
	assert_null(ret);
	assert_int_equal(fcntl(in, F_GETFD), FD_CLOEXEC); /* a failed add does not close it */
}

static void a_removed_source_is_silent_even_within_the_same_batch(void **state)
{
	auto_clean(loop_freep) struct loop *l = NULL;
	auto_close int in1 = -1, out1 = -1, in2 = -1, out2 = -1;
	struct seen a = {}, b = {}, end = { .stop_after = 1 };

	(void)state;
	assert_int_equal(loop_new(&l), 0);
	open_pipe(&in1, &out1);
	open_pipe(&in2, &out2);
	a.loop = b.loop = end.loop = l;
	assert_int_equal(loop_add_fd(l, in1, EPOLLIN, remove_both, &a, &a.own), 0);
	assert_int_equal(loop_add_fd(l, in2, EPOLLIN, remove_both, &b, &b.own), 0);
	a.other = b.own;
	b.other = a.own;
	assert_int_equal(write(out1, "x", 1), 1);
	assert_int_equal(write(out2, "x", 1), 1);
	assert_int_equal(loop_add_timer(l, 10 * MS, 0, on_timer, &end, NULL), 0);
	assert_int_equal(loop_run(l), 0);
	assert_int_equal(a.calls + b.calls, 1);
	assert_int_equal(loop_add_fd(l, in1, EPOLLIN, remove_both, &a, NULL), 0);
}

static void a_periodic_timer_fires_until_stopped(void **state)
{
	auto_clean(loop_freep) struct loop *l = NULL;
	struct seen s = { .stop_after = 3 };

	(void)state;
	assert_int_equal(loop_new(&l), 0);
	s.loop = l;
	assert_int_equal(loop_add_timer(l, 0, MS, on_timer, &s, NULL), 0);
	assert_int_equal(loop_run(l), 0);
	assert_int_equal(s.calls, 3);
	assert_true(s.expirations >= 3);
}

static void a_timer_for_once_fires_once_and_can_be_set_again(void **state)
{
	auto_clean(loop_freep) struct loop *l = NULL;
	struct seen once = { .stop_after = 2 }, end = { .stop_after = 1 };
	struct loop_source *timer = NULL;

	(void)state;
	assert_int_equal(loop_new(&l), 0);
	once.loop = end.loop = l;
	assert_int_equal(loop_add_timer(l, 0, 0, on_timer, &once, &timer), 0);
	assert_int_equal(loop_add_timer(l, 20 * MS, 0, on_timer, &end, NULL), 0);
	assert_int_equal(loop_run(l), 0);
	assert_int_equal(once.calls, 1);
	assert_int_equal(loop_set_timer(timer, 0, 0), 0);
	assert_int_equal(loop_run(l), 0);
	assert_int_equal(once.calls, 2);
}

static void only_a_timer_can_be_set(void **state)
{
	auto_clean(loop_freep) struct loop *l = NULL;
	auto_close int in = -1, out = -1;
	struct loop_source *source = NULL;

	(void)state;
	assert_int_equal(loop_new(&l), 0);
	open_pipe(&in, &out);
	assert_int_equal(loop_add_fd(l, in, EPOLLIN, on_input, NULL, &source), 0);
	assert_int_equal(loop_set_timer(source, 0, 0), -EINVAL);
}

static void a_signal_reaches_its_function_and_kills_nobody(void **state)
{
	auto_clean(loop_freep) struct loop *l = NULL;
	struct seen s = {};

	(void)state;
	assert_int_equal(loop_new(&l), 0);
	s.loop = l;
	assert_int_equal(loop_add_signal(l, SIGTERM, on_signal, &s, NULL), 0);
	assert_int_equal(loop_add_signal(l, SIGTERM, on_signal, &s, NULL), -EEXIST);
	assert_int_equal(raise(SIGTERM), 0);
	assert_int_equal(loop_run(l), 0);
	assert_int_equal(s.signal, SIGTERM);
	assert_int_equal(s.calls, 1);
}

static void a_pending_signal_does_not_strike_when_the_loop_ends(void **state)
{
	struct loop *l = NULL;
	struct seen s = {};
	sigset_t mask;

	(void)state;
	assert_int_equal(loop_new(&l), 0);
	assert_int_equal(loop_add_signal(l, SIGTERM, on_signal, &s, NULL), 0);
	assert_int_equal(raise(SIGTERM), 0);
	loop_free(l);
	assert_int_equal(s.calls, 0);
	assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &mask), 0);
	assert_int_equal(sigismember(&mask, SIGTERM), 0);
}

static void a_signal_that_was_blocked_before_stays_blocked(void **state)
{
	struct loop *l = NULL;
	sigset_t mask, before;

	(void)state;
	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR1);
	assert_int_equal(pthread_sigmask(SIG_BLOCK, &mask, &before), 0);
	assert_int_equal(loop_new(&l), 0);
	assert_int_equal(loop_add_signal(l, SIGUSR1, on_signal, NULL, NULL), 0);
	loop_free(l);
	assert_int_equal(pthread_sigmask(SIG_SETMASK, &before, &mask), 0);
	assert_int_equal(sigismember(&mask, SIGUSR1), 1);
}

static void a_loop_stopped_before_it_runs_returns_at_once(void **state)
{
	auto_clean(loop_freep) struct loop *l = NULL;

	(void)state;
	assert_int_equal(loop_new(&l), 0);
	loop_stop(l);
	assert_int_equal(loop_run(l), 0);
}

static void nothing_can_be_freed_and_removed(void **state)
{
	auto_clean(loop_freep) struct loop *l = NULL;

	(void)state;
	loop_free(NULL);
	assert_int_equal(loop_new(&l), 0);
	loop_remove(l, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_readable_descriptor_calls_its_function),
		cmocka_unit_test(an_error_of_a_callback_ends_the_run),
		cmocka_unit_test(a_descriptor_cannot_be_added_twice),
		cmocka_unit_test(a_removed_source_is_silent_even_within_the_same_batch),
		cmocka_unit_test(a_periodic_timer_fires_until_stopped),
		cmocka_unit_test(a_timer_for_once_fires_once_and_can_be_set_again),
		cmocka_unit_test(only_a_timer_can_be_set),
		cmocka_unit_test(a_signal_reaches_its_function_and_kills_nobody),
		cmocka_unit_test(a_pending_signal_does_not_strike_when_the_loop_ends),
		cmocka_unit_test(a_signal_that_was_blocked_before_stays_blocked),
		cmocka_unit_test(a_loop_stopped_before_it_runs_returns_at_once),
		cmocka_unit_test(nothing_can_be_freed_and_removed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
