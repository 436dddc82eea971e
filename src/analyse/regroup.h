/*
 * The call sites of a snapshot as they are judged and told: those of one id are one site, as
 * recursion and generated code split them; on demand all that differ only above their owner's frame
 * are, too. Pure: the snapshot stays as it is.
 */
#pragma once
#include "analyse/analysis.h"

enum fold_mode {
	FOLD_NONE = 0, /* sites of one final id only */
	FOLD_OWNER,    /* and those whose stacks are the same up to the owner's frame */
};

/* A view of a snapshot; borrows everything but what it owns from the snapshot and its owners. */
struct regrouped {
	struct snapshot snap;	 /* sites are owned here */
	struct owner *owners;	 /* owned, parallel to snap.sites */
	struct snap_site *sites; /* owned: snap.sites */
	double *points;		 /* owned: histories of merged sites */
};

/*
 * Sums are of all, the stack is that of the member that holds most; with FOLD_OWNER it ends at the
 * owner's frame (snap_stack.folded) and the id is a hash of the kind and of the frames up to there,
 * as stable as a site_id. -ENOMEM leaves *ret untouched.
 */
int regroup_sites(const struct snapshot *snap, const struct owner *owners, enum fold_mode mode,
		  struct regrouped *ret);
void regrouped_done(struct regrouped *r);
