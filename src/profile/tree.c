/* Nodes are found by (parent, label, module) in one table, so a wide level costs no search. */
#include "profile/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "base/vec.h"

#define NODES_MAX (4u << 20)

/* What a node is told apart by; no padding. */
struct key {
	uint32_t parent, label, module, note;
};

struct builder {
	const struct profile *p;
	struct tree *t;
	enum tree_naming naming;
	bool with_processes;
	uint64_t value, count; /* of the path being added */
};

static int new_node(struct tree *t, const struct key *key)
{
	uint32_t depth = key->parent == TREE_NONE ? 0 : t->nodes[key->parent].depth + 1;
	int r = vec_reserve(&t->nodes, sizeof(*t->nodes), t->count, &t->cap, SIZE_MAX);

	if (r)
		return r;
	t->nodes[t->count++] = (struct tree_node){ .label = key->label,
						   .module = key->module,
						   .parent = key->parent,
						   .child = TREE_NONE,
						   .next = TREE_NONE,
						   .depth = depth,
						   .colour = LABEL_NOTE,
						   .note = key->note };
	if (key->parent == TREE_NONE)
		return 0;
	t->nodes[t->count - 1].next = t->nodes[key->parent].child;
	t->nodes[key->parent].child = (uint32_t)t->count - 1;
	return 0;
}

/* Goes from *at to its child, adding the path's value there. */
static int step(struct builder *b, const struct key *key, enum label_colour colour, uint32_t *at)
{
	struct tree *t = b->t;
	uint32_t number;
	int r;

	if (t->count >= NODES_MAX)
		return -ENOSPC;
	r = intern_add(&t->keys, key, sizeof(*key), &number);
	if (r == 0 && number > t->count) {
		r = new_node(t, key);
		if (r == 0)
			t->nodes[number - 1].colour = colour;
	}
	if (r < 0)
		return r;
	*at = number - 1;
	t->nodes[*at].total = profile_plus(t->nodes[*at].total, b->value);
	t->nodes[*at].count = profile_plus(t->nodes[*at].count, b->count);
	return 0;
}

static int step_frame(struct builder *b, const struct profile_frame *f,
		      const struct profile_process *process, uint32_t *at)
{
	auto_strbuf struct strbuf label = {};
	struct key key = { .parent = *at,
			   .module = b->naming == TREE_PLAIN ? f->module : 0,
			   .note = f->kind == PROFILE_NOTE };
	int r;

	r = b->naming == TREE_FOLDED ? label_folded(&label, b->p, f) : label_frame(&label, b->p, f);
	if (r == 0)
		r = intern_add(&b->t->text, strbuf_text(&label), label.len, &key.label);
	return r < 0 ? r : step(b, &key, label_colour(b->p, f, process), at);
}

/* A node that is no code; `text` is printable. */
static int step_note(struct builder *b, const char *text, uint32_t *at)
{
	auto_strbuf struct strbuf label = {};
	struct key key = { .parent = *at, .note = true };
	char *c;
	int r;

	r = strbuf_add(&label, text);
	for (c = label.text; r == 0 && b->naming == TREE_FOLDED && *c; c++)
		*c = *c == ';' ? ':' : *c == ' ' ? '_' : *c;
	if (r == 0)
		r = intern_add(&b->t->text, strbuf_text(&label), label.len, &key.label);
	return r < 0 ? r : step(b, &key, LABEL_NOTE, at);
}

static int step_process(struct builder *b, size_t process, uint32_t *at)
{
	const struct profile_process *t = &b->p->processes[process];
	auto_strbuf struct strbuf text = {};
	int r;

	if (!b->with_processes)
		return 0;
	r = strbuf_printf(&text, "%s (pid %u)", intern_text(&b->p->text, t->comm), t->pid);
	return r < 0 ? r : step_note(b, strbuf_text(&text), at);
}

/* Begins a path at the root. */
static void begin(struct builder *b, uint64_t value, uint64_t count, uint32_t *at)
{
	struct tree_node *root = &b->t->nodes[TREE_ROOT];

	b->value = value;
	b->count = count;
	root->total = profile_plus(root->total, value);
	root->count = profile_plus(root->count, count);
	*at = TREE_ROOT;
}

static void end(struct builder *b, uint32_t at)
{
	b->t->nodes[at].self = profile_plus(b->t->nodes[at].self, b->value);
}

static uint64_t count_of(const struct profile_site *s, enum profile_value value)
{
	if (value == PROFILE_ALLOCATED)
		return s->value[PROFILE_ALLOCATED_COUNT];
	return value == PROFILE_ALLOCATED_COUNT ? s->value[value] : s->value[PROFILE_COUNT];
}

static int step_incomplete(struct builder *b, const struct profile_site *s, uint32_t *at)
{
	auto_strbuf struct strbuf text = {};
	int r;

	if (!s->end)
		return 0;
	r = strbuf_printf(&text, "[incomplete: %s]", intern_text(&b->p->text, s->end));
	return r < 0 ? r : step_note(b, strbuf_text(&text), at);
}

static int add_site(struct builder *b, const struct profile_site *s, enum profile_value value)
{
	const struct profile_process *process = &b->p->processes[s->process];
	const uint32_t *frames;
	uint32_t at;
	size_t n;
	int r;

	if (!s->value[value])
		return 0;
	begin(b, s->value[value], count_of(s, value), &at);
	frames = profile_stack_at(b->p, s->stack, &n);
	r = step_process(b, s->process, &at);
	if (r == 0)
		r = step_incomplete(b, s, &at);
	if (r == 0 && n == 0)
		r = step_note(b, "[no stack]", &at);
	while (r == 0 && n-- > 0)
		r = step_frame(b, profile_frame_at(b->p, frames[n]), process, &at);
	end(b, at);
	return r;
}

static int add_hidden(struct builder *b, size_t process, enum profile_value value)
{
	const struct profile_process *t = &b->p->processes[process];
	uint64_t hidden = value == PROFILE_LIVE	   ? t->hidden_bytes
			  : value == PROFILE_COUNT ? t->hidden_count
						   : 0;
	uint32_t at;
	int r;

	if (!hidden)
		return 0;
	begin(b, hidden, t->hidden_count, &at);
	r = step_process(b, process, &at);
	if (r == 0)
		r = step_note(b, "[not in the top sites]", &at);
	end(b, at);
	return r;
}

int tree_build(const struct profile *p, enum profile_value value, enum tree_naming naming,
	       struct tree *ret)
{
	auto_tree struct tree t = {};
	struct builder b = {
		.p = p, .t = &t, .naming = naming, .with_processes = p->process_count > 1
	};
	struct key root = { .parent = TREE_NONE, .note = true };
	uint32_t at;
	size_t i;
	int r;

	r = step(&b, &root, LABEL_NOTE, &at);
	for (i = 0; i < p->site_count && r == 0; i++)
		r = add_site(&b, &p->sites[i], value);
	for (i = 0; i < p->process_count && r == 0; i++)
		r = add_hidden(&b, i, value);
	if (r < 0)
		return r;
	*ret = t;
	t = (struct tree){};
	return 0;
}

struct order {
	const struct tree *t;
	bool by_label;
};

static int compare(const void *x, const void *y, void *ctx)
{
	const struct order *o = ctx;
	const struct tree_node *a = &o->t->nodes[*(const uint32_t *)x];
	const struct tree_node *b = &o->t->nodes[*(const uint32_t *)y];
	int names;

	if (!o->by_label && a->total != b->total)
		return a->total > b->total ? -1 : 1;
	names = strcmp(intern_text(&o->t->text, a->label), intern_text(&o->t->text, b->label));
	if (names)
		return names;
	return (a->module > b->module) - (a->module < b->module);
}

static void sort_children(struct tree *t, uint32_t node, struct order *o, uint32_t *list)
{
	uint32_t c, *link = &t->nodes[node].child;
	size_t i, n = 0;

	for (c = *link; c != TREE_NONE; c = t->nodes[c].next)
		list[n++] = c;
	if (n < 2)
		return;
	qsort_r(list, n, sizeof(*list), compare, o);
	for (i = 0; i < n; i++) {
		*link = list[i];
		link = &t->nodes[list[i]].next;
	}
	*link = TREE_NONE;
}

int tree_sort(struct tree *t, bool by_label)
{
	auto_free uint32_t *list = calloc(t->count + 1, sizeof(*list));
	struct order o = { t, by_label };
	size_t i;

	if (!list)
		return -ENOMEM;
	for (i = 0; i < t->count; i++)
		sort_children(t, (uint32_t)i, &o, list);
	return 0;
}

void tree_done(struct tree *t)
{
	intern_done(&t->text);
	intern_done(&t->keys);
	free(t->nodes);
	*t = (struct tree){};
}
