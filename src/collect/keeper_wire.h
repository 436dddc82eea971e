/* What memtrace and its keeper say to each other: one request a packet, answered by one errno. */
#pragma once
#include <stdint.h>
#include <sys/types.h>

#include "collect/keeper.h"

enum keeper_op {
	KEEPER_ATTACH = 1, /* comes with two descriptors: program and file */
	KEEPER_DETACH = 2, /* not answered */
	KEEPER_SYNC = 3,
};

struct keeper_request {
	uint32_t op; /* enum keeper_op */
	uint32_t id;
	uint32_t tgid;
	uint8_t on_return, multi;
	uint16_t count;
	struct keeper_point point[KEEPER_POINTS_MAX]; /* `count` of them are sent */
};

/* The keeper's life; never returns. `sock` is its end, `parent` a pidfd of memtrace or -1. */
__attribute__((noreturn)) void keeper_run(int sock, int parent);
