/*
 * Closes links, several at once: the close of a link returns after grace periods of the kernel
 * (30-100 ms), which overlap when threads wait for them together. The probes of a link are out
 * within milliseconds of the close's begin. All functions are for one thread.
 */
#pragma once

struct closers; /* opaque */

/* NULL: out of memory; everything is then closed by the caller. */
struct closers *closers_new(void);
/* Returns before the descriptor is closed, unless there are too many to be closed already. */
void closers_close(struct closers *c, int fd);
/* Returns when all are closed. */
void closers_wait(struct closers *c);
