/*
 * What memtrace's own programs cost on this machine: they are attached to functions of memtrace's
 * own process, which are called some thousand times.
 */
#pragma once

#include "base/err.h"

struct collector;

/* In nanoseconds of the traced thread; NAN: not measured. */
struct calibration {
	double hit_ns;	  /* a probe that finds nothing to do: its trap and its program */
	double return_ns; /* the return of a call, on top of its entry */
	double record_ns; /* recording a block, on top of that; its stack is a short one */
};

/* Takes some tens of milliseconds. 0, or -errno with *err filled; *ret is then NAN. */
int calibrate(struct collector *c, struct calibration *ret, struct err *err);
