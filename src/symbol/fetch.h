/*
 * Debug files from the servers in DEBUGINFOD_URLS, through libdebuginfod, one at a time and each in
 * a child process of its own, which ends with it: nothing here waits for a network. Only who makes
 * a fetcher asks servers; the library is loaded in the child alone. It uses the environment, the
 * cache and the user of memtrace, as gdb does.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fetcher; /* opaque */

struct fetcher_cfg {
	uint64_t (*now_ns)(void); /* a monotonic clock */
	uint64_t patience_ns;	  /* for one file; then its child is killed */
};

/* -ENOMEM. */
int fetcher_new(const struct fetcher_cfg *cfg, struct fetcher **ret);
void fetcher_free(struct fetcher *f);

/*
 * The debug file of a build id (lower-case hex), opened; the caller closes it and checks what it
 * is. Never blocks. -EAGAIN: it is being fetched, or another one is; ask again. -ENOENT: nobody has
 * it, also for every later question. -EINVAL: no build id.
 */
int fetcher_get(struct fetcher *f, const char *build_id, int *ret_fd);

bool fetcher_is_busy(const struct fetcher *f);	      /* a file is being fetched */
bool fetcher_is_unavailable(const struct fetcher *f); /* libdebuginfod.so.1 is not installed */
