/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Lets a BPF object of the tests use the maps of a memtrace that runs: its tables, its processes.
 */
#ifndef MEMTRACE_TESTS_SHARE_H
#define MEMTRACE_TESTS_SHARE_H

#include <bpf/libbpf.h>

#include "memtrace/wire.h"

/*
 * Gives each map of `object` that has one of `names` (NULL at the end) the tracer's map of that
 * name; to be called before the object is loaded. Names that one side does not have are left
 * alone. Returns how many were shared, or -1 and says why.
 */
int share_maps(struct bpf_object *object, int tracer, const char *const *names);

/* The configuration that the tracer's programs run with. 0, or -1 and says why. */
int share_config(int tracer, struct mt_config *ret);

#endif
