/*
 * The call paths of a profile merged from the outermost function inwards, for one value. Frames of
 * one function are one node, whatever their lines; so are frames without a name at one offset.
 * Node 0 is everything. Below it stands the process (when there are several), then "[incomplete:
 * why]" where a stack does not reach the thread's start, then the frames.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profile/label.h"
#include "profile/profile.h"

#define TREE_ROOT 0
#define TREE_NONE UINT32_MAX

struct tree_node {
	uint32_t label;	 /* number of tree.text */
	uint32_t module; /* number of profile.text; 0: none */
	uint32_t parent; /* TREE_NONE: the root */
	uint32_t child,
		next; /* first child, next sibling; TREE_NONE: none. In the order asked for */
	uint32_t depth;
	enum label_colour colour;
	bool note;	/* no code */
	uint64_t self;	/* of paths that end here */
	uint64_t total; /* and of those below */
	uint64_t count; /* blocks, when `total` is bytes; the same as `total` otherwise */
};

enum tree_naming { TREE_PLAIN, TREE_FOLDED };

struct tree {
	struct intern text, keys;
	struct tree_node *nodes; /* owned */
	size_t count, cap;
};

/*
 * Paths whose value is 0 are left out; of live bytes and counts, what no record tells is a node
 * "[not in the top sites]". Children stand in any order before tree_sort(). 0, -ENOSPC (too many
 * nodes) or -ENOMEM.
 */
int tree_build(const struct profile *p, enum profile_value value, enum tree_naming naming,
	       struct tree *ret);
int tree_sort(struct tree *t, bool by_label); /* -ENOMEM: the order is any */
void tree_done(struct tree *t);

#define auto_tree auto_clean(tree_done)
