/* Folded stacks, the input of flame graph tools. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "profile/render.h"
#include "profile/tree.h"

/* The path to the node, outermost first; node is not the root. */
static int path_of(struct strbuf *b, const struct tree *t, uint32_t node)
{
	uint32_t path[PROFILE_FRAMES_MAX + 4], at;
	size_t n = 0;

	for (at = node; at != TREE_ROOT && n < sizeof(path) / sizeof(path[0]);
	     at = t->nodes[at].parent)
		path[n++] = at;
	while (n-- > 0) {
		strbuf_add(b, intern_text(&t->text, t->nodes[path[n]].label));
		strbuf_add(b, n ? ";" : " ");
	}
	return b->error;
}

/* The node after `at` in the order of a reader: first child, else next sibling of it or above. */
static uint32_t next_node(const struct tree *t, uint32_t at)
{
	if (t->nodes[at].child != TREE_NONE)
		return t->nodes[at].child;
	while (at != TREE_ROOT && t->nodes[at].next == TREE_NONE)
		at = t->nodes[at].parent;
	return at == TREE_ROOT ? TREE_NONE : t->nodes[at].next;
}

int render_folded(FILE *f, const struct profile *p, enum profile_value value)
{
	auto_tree struct tree t = {};
	auto_strbuf struct strbuf path = {};
	uint32_t at;
	int r;

	r = tree_build(p, value, TREE_FOLDED, &t);
	if (r == 0)
		r = tree_sort(&t, true);
	if (r < 0)
		return r;
	errno = 0;
	for (at = next_node(&t, TREE_ROOT); at != TREE_NONE && !ferror(f); at = next_node(&t, at)) {
		if (!t.nodes[at].self)
			continue;
		strbuf_clear(&path);
		r = path_of(&path, &t, at);
		if (r < 0)
			return r;
		fprintf(f, "%s%" PRIu64 "\n", strbuf_text(&path), t.nodes[at].self);
	}
	return fflush(f) || ferror(f) ? (errno ? -errno : -EIO) : 0;
}
