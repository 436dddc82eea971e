/*
 * Native memory of connections: when it is followed which connection a thread serves, and what was
 * found for each. Followed while allocators are probed in a process that has sockets, and system
 * calls are followed; by turns where that costs a busy target too much.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fd_fact;
struct run;
struct tracee;

struct serving {
	uint64_t on_ns;		/* since when; 0: it is not followed */
	uint64_t not_before_ns; /* it costs too much until then */
	uint64_t looked_ns, looked_calls;
	double ratio; /* what it takes of the targets' CPU time, at the last look */
};

/* Of one process: of connections that were closed, see struct native_left. */
struct served {
	uint64_t closed, closed_bytes;
};

/* Once per tick. calls: MT_CNT_contexts. */
void serving_look(struct serving *s, const struct run *run, struct tracee *const *tracee,
		  size_t count, uint64_t calls, uint64_t now_ns);

/* Tells the model; fact: its descriptors, as read from read_ns on. */
void serving_read(struct tracee *t, const struct fd_fact *fact, size_t n, uint64_t read_ns);
