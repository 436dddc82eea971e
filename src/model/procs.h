/*
 * The traced processes, each with its address space. Private to model.c, apply.c and
 * snapshot_build.c: everyone else goes through model.h.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/fds.h"
#include "model/mappings.h"
#include "model/model.h"
#include "model/modules.h"
#include "model/pages.h"
#include "model/ranges.h"
#include "model/series.h"
#include "model/sites.h"
#include "model/stacks.h"
#include "model/threads.h"

/* What exec replaces. All owned. */
struct space {
	uint32_t asid;
	struct sites *sites;
	struct modules *modules;
	struct stacks *stacks;
	struct mappings *mappings;
	struct ranges *ranges;
	struct threads *threads;
	struct pages *pages;
	struct spread_windows windows; /* of probes in them; all zero: none were */
	bool vmas_known;
	/* See model_set_inner(). */
	bool runtime_known, allocator_known;
	struct inner_runtime runtime;
	struct inner_allocator allocator;
	uint64_t walked_ns;
};

struct proc {
	uint32_t pid;
	uint64_t start_ticks; /* 0: not known */
	uint64_t since_ns;    /* when tracing of it began */
	char comm[32];
	bool alive, heap_traced;
	struct proc_fact fact; /* FACT_UNKNOWN before the first */
	uint64_t rss_at_attach_bytes;
	uint64_t managed_bytes; /* resident and swapped, as of the last reading of the ranges */
	bool managed_stale;	/* a point of `external` was made of it already */
	bool managed_lost;	/* there was some, and it cannot be read any more */
	uint64_t sized_rss_bytes, sized_swap_bytes; /* of the fact that belongs to that reading */
	struct series *external;		    /* owned */
	struct fds *fds;			    /* owned */
	struct space space;
	uint64_t seq;
};

struct model {
	struct model_cfg cfg;
	struct proc **proc; /* owned, sorted by pid */
	size_t procs, proc_cap;
	struct site lost;	   /* site 0: what could be given to no stack, of all processes */
	struct snap_counters gone; /* refused by processes that are no longer here */
};

struct proc *procs_find(const struct model *m, uint32_t pid);
struct proc *procs_find_asid(const struct model *m, uint32_t asid);
/* The number must be free. -ENOSPC, -ENOMEM. */
int procs_add(struct model *m, uint32_t pid, uint32_t asid, uint64_t now_ns, struct proc **ret);
void procs_remove(struct model *m, struct proc *p);
/* exec: a new address space; the old one is forgotten. -ENOMEM leaves everything as it was. */
int procs_exec(struct model *m, struct proc *p, uint32_t asid);
void procs_set_comm(struct proc *p, const void *comm, size_t size);
/* Adds what the tables of a process refused. */
void procs_add_refused(const struct proc *p, struct snap_counters *c);

/*
 * The site of an event; *ret NULL when it has none or the table is full (counted). A site whose
 * stack was lost on the way is made without one.
 */
int procs_get_site(struct model *m, struct proc *p, uint32_t number, enum mt_site_kind kind,
		   uint64_t now_ns, struct site **ret);
