/*
 * What the keeper keeps: sets of probes, each of one program in one file and process. A set is in
 * or out; its program, its file and its process stay open, so that it can go in again, and never
 * into another process that got the same number.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collect/keeper_closers.h"
#include "collect/keeper_wire.h"

struct probe_set {
	uint32_t id;
	uint32_t tgid;
	int process, program, file; /* owned: pidfd, BPF program, mapped file */
	bool on_return, multi, session, apart;
	struct keeper_point *point; /* owned */
	uint16_t count;
	int *link; /* owned; NULL: the probes are out */
	size_t link_count;
};

struct probe_sets {
	struct probe_set *set; /* owned, oldest first */
	size_t count, room;
	struct closers *closers; /* borrowed; may be NULL */
};

/* Puts a set in. Takes over both descriptors, also on error. */
int sets_attach(struct probe_sets *s, const struct keeper_request *q, int program, int file);
/* Takes sets out, newest first, and forgets them. id 0: all there are. Does not wait. */
void sets_detach(struct probe_sets *s, uint32_t id);
/* All sets of a process. Does not wait. */
void sets_disarm(struct probe_sets *s, uint32_t tgid);
/* Oldest first. After an error all sets of the process are out. -ENOENT: there are none. */
int sets_arm(struct probe_sets *s, uint32_t tgid);
