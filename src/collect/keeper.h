/*
 * The keeper: a small process that puts uprobes in and takes them out on behalf of memtrace.
 *
 * The kernel writes and restores a breakpoint in the context of whoever asks, and gives up halfway
 * when the asker has SIGKILL pending ("failed to unregister, leaking uprobe"): the breakpoint stays
 * in the target for as long as that runs. So the asker is a process that nobody has a reason to
 * kill: it is in a session of its own, ignores what a process can ignore, and is not picked when
 * memory runs out. When memtrace is gone, however it went, the keeper takes everything out and
 * ends.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct keeper; /* opaque */

#define KEEPER_POINTS_MAX 256

/*
 * Attach type of a session (BPF_TRACE_UPROBE_SESSION, Linux 6.13; older headers lack the name): a
 * program is called at the entry of a function and at its return, unless its answer to the entry
 * was not 0.
 */
#define KEEPER_SESSION_TYPE 57

/* Where to attach to, in the file at hand. */
struct keeper_point {
	uint64_t file_offset;
	uint64_t cookie;    /* for the program */
	uint64_t semaphore; /* file offset of a USDT probe's counter of those who listen; 0: none */
};

/* Probes of one program in one file and process. */
struct keeper_probes {
	const struct keeper_point *point;
	size_t count;  /* at most KEEPER_POINTS_MAX */
	uint32_t tgid; /* 0: every process that maps the file, now and later; multi only */
	int file;      /* borrowed descriptor of the mapped file */
	int program;   /* borrowed descriptor of the BPF program */
	bool on_return;
	bool multi;   /* one link for all: the program was loaded for that */
	bool session; /* multi, at the entry, which decides about the return: see there */
	bool apart;   /* neither keeper_disarm() nor keeper_arm() is meant for them */
};

/* Forks: to be called while this process is small and has one thread. */
int keeper_start(struct keeper **ret, struct err *err);
/* Takes everything out and waits for that. */
void keeper_stop(struct keeper *k);

pid_t keeper_pid(const struct keeper *k);
/* False when it was killed after all: then all probes are out. */
bool keeper_is_alive(struct keeper *k);

/* All of them or none; *ret is their number. -EPIPE when the keeper is gone. */
int keeper_attach(struct keeper *k, const struct keeper_probes *p, uint32_t *ret);
/* Takes them out; returns before that is done. */
void keeper_detach(struct keeper *k, uint32_t id);

/*
 * All probes of a process, for a while: the keeper remembers them with their file, program and
 * process. Neither waits. Once an arm is done the listener is told, from within a later call of any
 * function of the keeper: 0 when the probes are in, since time_ns (CLOCK_MONOTONIC); after an error
 * none is. -ESRCH: the process is gone. Hits end some milliseconds after keeper_disarm(); how many,
 * the kernel does not tell.
 */
typedef void (*keeper_armed_fn)(void *ctx, uint32_t tgid, int result, uint64_t time_ns);
void keeper_listen(struct keeper *k, keeper_armed_fn fn, void *ctx);
void keeper_disarm(struct keeper *k, uint32_t tgid);
int keeper_arm(struct keeper *k, uint32_t tgid);
/* Hears what there is to be heard, without waiting. -EPIPE when the keeper is gone. */
int keeper_poll(struct keeper *k);

/* Returns when all that was asked for is done. */
void keeper_sync(struct keeper *k);
