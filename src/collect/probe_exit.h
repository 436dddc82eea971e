/*
 * Points inside an allocator function that together see every call once, its size and its result,
 * for fewer traps than one at the entry and one at the return. Pure: bytes in, points out. They are
 * chosen only where the decoder can prove, for every way through the function, that
 *   - the way passes one point where size and result are known (MT_POINT_WHOLE), or one where the
 *     size is known and then one where the result is (SIZE, RESULT), or, with the stack as it was
 *     at the entry, one at which the call can be seen as at an entry (CALL: entry and return); or
 *   - it returns 0: nothing was allocated; or it never returns;
 * and that no way passes more. The kernel emulates the instruction at every point.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collect/probe_flow.h"
#include "memtrace/wire.h"

#define PROBE_EXIT_POINTS 12

struct probe_exit_point {
	uint32_t offset; /* bytes from the entry */
	uint32_t pushed_bytes;
	enum mt_point point;
	enum probe_cost cost;
	uint8_t size_place, result_place; /* registers; 0 where not used */
	uint8_t bp_place;		  /* mt_place of the caller's rbp, or MT_PLACE_NONE */
	uint8_t size_arg, count_arg;	  /* MT_POINT_CALL: arguments as they are there */
	bool conditional;
	uint8_t cc;	 /* counts only when this condition holds */
	uint32_t weight; /* guess at how often a call passes it, in 1/1000 */
};

struct probe_exit {
	struct probe_exit_point point[PROBE_EXIT_POINTS]; /* by offset */
	size_t count;					  /* 0: entry and return are what is left */
	const char *why;				  /* static text */
};

struct probe_exit_query {
	const uint8_t *bytes; /* borrowed: the whole function */
	size_t len;
	uint64_t vaddr;
	enum probe_nops nops;
	uint8_t size_arg, count_arg; /* as MT_COOKIE has them */
};

/* Never fails: without a proof there are no points, and `why` says what is in the way. */
void probe_exit_choose(const struct probe_exit_query *q, const struct flow_code *code,
		       struct flow_budget *budget, struct probe_exit *ret);
