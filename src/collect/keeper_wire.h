/* What memtrace and its keeper say to each other: one request or reply a packet. */
#pragma once
#include <stdint.h>
#include <sys/types.h>

#include "collect/keeper.h"

enum keeper_op {
	KEEPER_ATTACH = 1, /* comes with two descriptors: program and file; answered */
	KEEPER_DETACH = 2, /* not answered */
	KEEPER_SYNC = 3,   /* answered when it is true */
	KEEPER_DISARM = 4, /* not answered */
	KEEPER_ARM = 5,	   /* replied to when it is done: news, which nobody waits for */
};

struct keeper_request {
	uint32_t op; /* enum keeper_op */
	uint32_t id;
	uint32_t tgid;
	uint8_t on_return, multi, session, apart;
	uint32_t count;
	struct keeper_point point[KEEPER_POINTS_MAX]; /* `count` of them are sent */
};

struct keeper_reply {
	uint32_t op;	/* what it replies to */
	int32_t result; /* 0 or -errno */
	uint32_t tgid;	/* KEEPER_ARM */
	uint32_t reserved;
	uint64_t time_ns; /* CLOCK_MONOTONIC when it was done */
};

/* The keeper's life; never returns. `sock` is its end, `parent` a pidfd of memtrace or -1. */
__attribute__((noreturn)) void keeper_run(int sock, int parent);
