/* Scope cleanup: a destructor that runs when a variable leaves its scope, and ownership moves. */
#pragma once
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define auto_clean(fn) __attribute__((cleanup(fn)))
#define auto_free auto_clean(free_ptr)
#define auto_close auto_clean(close_fd)
#define auto_fclose auto_clean(fclose_ptr)

/* Takes ownership out of a variable: its value is returned and the variable becomes NULL. */
#define steal(p)                             \
	({                                   \
		__typeof__(p) stolen_ = (p); \
		(p) = NULL;                  \
		stolen_;                     \
	})

static inline int steal_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

static inline void free_ptr(void *p)
{
	free(*(void **)p);
}

static inline void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void fclose_ptr(FILE **f)
{
	if (*f)
		fclose(*f);
}
