/*
 * The event loop: descriptors, timers and signals call functions, one at a time, in the thread
 * that runs the loop. A callback returns 0 to go on or a negative errno, which ends loop_run()
 * with that error; it may add and remove sources, its own included.
 */
#pragma once
#include <stdint.h>

struct loop;
struct loop_source; /* owned by the loop; valid until it is removed or the loop is freed */

typedef int (*loop_fd_fn)(void *ctx, uint32_t events); /* EPOLLIN, EPOLLHUP, ... */
typedef int (*loop_timer_fn)(void *ctx, uint64_t expirations);
typedef int (*loop_signal_fn)(void *ctx, int signal);

/* -EMFILE, -ENFILE, -ENOMEM. */
int loop_new(struct loop **ret);

/* Releases every source and unblocks its signals, dropping those that are pending; NULL is fine. */
void loop_free(struct loop *l);
void loop_freep(struct loop **l);

/*
 * The add functions: ret may be NULL when the source stays as long as the loop. -ENOMEM or what
 * the kernel says.
 */

/* fd is borrowed: remove the source before closing it. -EEXIST twice, -EPERM for a plain file. */
int loop_add_fd(struct loop *l, int fd, uint32_t events, loop_fd_fn fn, void *ctx,
		struct loop_source **ret);

/*
 * Fires after delay_ns and then every period_ns; a period of 0 is a timer for once, which stays
 * as a source and can be set again. Late expirations are merged: the callback gets their number.
 */
int loop_add_timer(struct loop *l, uint64_t delay_ns, uint64_t period_ns, loop_timer_fn fn,
		   void *ctx, struct loop_source **ret);

/* Starts a timer afresh; -EINVAL when the source is no timer. */
int loop_set_timer(struct loop_source *timer, uint64_t delay_ns, uint64_t period_ns);

/*
 * Blocks the signal in this thread and hands it to fn. Add signals before starting threads, which
 * inherit the mask, and unblock them in children before exec. -EEXIST twice.
 */
int loop_add_signal(struct loop *l, int signal, loop_signal_fn fn, void *ctx,
		    struct loop_source **ret);

/* Removes and releases a source; no callback of it runs afterwards. NULL is fine. */
void loop_remove(struct loop *l, struct loop_source *source);

/* Runs until loop_stop() (then 0), a callback's error (then that), or an error of epoll itself. */
int loop_run(struct loop *l);

/* Makes loop_run() return once the running callback is done; before loop_run(), at once. */
void loop_stop(struct loop *l);
