/*
 * Learning where in a chunk's record what is. Every record that can be a chunk's votes for each
 * arrangement of its words that fits together; the one that most vote for is taken. It takes three
 * votes: V8 starts with a dozen chunks, and nothing else was found to fit even once.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/v8_impl.h"

#define VOTES_NEEDED 3
#define VOTES_ENOUGH 8 /* after a batch, ... */
#define VOTES_CLEAR 96 /* ... and within one: a small heap has no more */
#define LAYOUTS_MAX 64
#define BATCHES_MAX 8	     /* 4096 places */
#define STEPS_MAX (1u << 21) /* of trying arrangements, in all: 40 ms; a chunk takes 1000 */
#define MARGIN 0x4000	     /* header before the first object, guard behind the last */

struct vote {
	struct v8_layout layout;
	unsigned int count;
};

struct poll {
	const struct process_view *v;
	struct vote vote[LAYOUTS_MAX];
	size_t votes;
	unsigned int most;
	unsigned int left; /* of STEPS_MAX */
};

/* A record that may be a chunk's, and the Heaps its words would name if they were spaces. */
struct record {
	uint64_t at; /* the chunk */
	const uint64_t *w;
	bool asked;			/* `heap` is filled: only where it is needed */
	uint64_t heap[V8_RECORD_WORDS]; /* 0: none */
};

/* False: there are none left. */
static bool spend(struct poll *p, unsigned int steps)
{
	p->left = p->left > steps ? p->left - steps : 0;
	return p->left;
}

static void cast(struct poll *p, const struct v8_layout *l)
{
	size_t i = 0;

	while (i < p->votes && memcmp(&p->vote[i].layout, l, sizeof(*l)) != 0)
		i++;
	if (i == LAYOUTS_MAX)
		return;
	if (i == p->votes)
		p->vote[p->votes++] = (struct vote){ *l, 0 };
	if (++p->vote[i].count > p->most)
		p->most = p->vote[i].count;
}

/* The Heap that each word names, of an object that begins with the address of a file's table. */
static void find_heaps(const struct process_view *v, struct record *rec)
{
	struct peek_at at[V8_RECORD_WORDS];
	uint64_t word[V8_RECORD_WORDS][2];
	size_t n = 0, of[V8_RECORD_WORDS];

	rec->asked = true;
	for (size_t i = 0; i < V8_RECORD_WORDS; i++) {
		rec->heap[i] = 0;
		if (!v8_can_read(v, rec->w[i], sizeof(word[n])))
			continue;
		at[n] = (struct peek_at){ rec->w[i], word[n], sizeof(word[n]), false };
		of[n++] = i;
	}
	if (peek_read_many(v->peek, at, n))
		return;
	for (size_t i = 0; i < n; i++) {
		const struct vma *table = at[i].ok ? maps_find(v->maps, word[i][0]) : NULL;

		if (table && table->kind == VMA_FILE)
			rec->heap[of[i]] = word[i][1];
	}
}

/* Every pair of words that are a Heap and an owner of it. */
static void cast_owners(struct poll *p, struct record *rec, struct v8_layout l)
{
	if (!rec->asked)
		find_heaps(p->v, rec);
	spend(p, V8_RECORD_WORDS);
	for (l.owner = 0; l.owner < V8_RECORD_WORDS; l.owner++) {
		uint64_t heap = rec->heap[l.owner];

		for (l.heap = 0; heap && l.heap < V8_RECORD_WORDS; l.heap++)
			if (l.heap != l.owner && rec->w[l.heap] == heap && spend(p, 8))
				cast(p, &l);
	}
}

static bool is_size(uint64_t size)
{
	return size && size < V8_CHUNK_BYTES_MAX && size % 4096 == 0;
}

/* Every end that fits to a start and a size. */
static void cast_ends(struct poll *p, struct record *rec, struct v8_layout l)
{
	const uint64_t *w = rec->w;
	uint64_t end = rec->at + w[l.size];

	for (l.end = 0; l.end < V8_RECORD_WORDS && spend(p, 1); l.end++)
		if (l.end != l.start && w[l.end] <= end && w[l.end] > w[l.start] &&
		    w[l.end] + MARGIN > end)
			cast_owners(p, rec, l);
}

/* Every arrangement of bounds and size of the chunk. */
static void cast_bounds(struct poll *p, struct record *rec, struct v8_layout l)
{
	for (l.start = 0; l.start < V8_RECORD_WORDS; l.start++) {
		if (rec->w[l.start] <= rec->at || rec->w[l.start] > rec->at + MARGIN)
			continue;
		for (l.size = 0; l.size < V8_RECORD_WORDS && p->left; l.size++)
			if (is_size(rec->w[l.size]))
				cast_ends(p, rec, l);
	}
}

static void look_at(struct poll *p, uint64_t at, const uint64_t *w, bool indirect)
{
	struct v8_layout l = { .indirect = indirect };
	struct record rec = { .at = at, .w = w };

	for (l.self = 0; l.self < V8_RECORD_WORDS; l.self++)
		if (w[l.self] == at)
			cast_bounds(p, &rec, l);
}

/* Up to V8_BATCH places: first the chunks as records, then what their word 1 points to. */
static int look_at_some(struct poll *p, const uint64_t *place, size_t n)
{
	uint64_t(*w)[V8_RECORD_WORDS] = calloc(V8_BATCH, sizeof(*w));
	struct peek_at at[V8_BATCH];
	size_t owner[V8_BATCH], some = 0;
	int r;

	if (!w)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		at[i] = (struct peek_at){ place[i], w[i], sizeof(w[i]), false };
	r = peek_read_many(p->v->peek, at, n);
	for (size_t i = 0; !r && i < n && p->most < VOTES_CLEAR; i++) {
		uint64_t record = at[i].ok ? w[i][1] : 0;

		if (at[i].ok)
			look_at(p, place[i], w[i], false);
		if (!v8_can_read(p->v, record, sizeof(w[i])) || record == place[i])
			continue;
		at[some] = (struct peek_at){ record, w[some], sizeof(w[some]), false };
		owner[some++] = i;
	}
	if (!r)
		r = peek_read_many(p->v->peek, at, some);
	for (size_t i = 0; !r && i < some && p->most < VOTES_CLEAR; i++)
		if (at[i].ok)
			look_at(p, place[owner[i]], w[i], true);
	free(w);
	return r;
}

int v8_learn(const struct process_view *v, struct v8_layout *ret)
{
	struct poll p = { .v = v, .left = STEPS_MAX };
	struct v8_places places = { .v = v };
	uint64_t place[V8_BATCH];
	size_t best = 0;

	for (int b = 0; b < BATCHES_MAX && p.most < VOTES_ENOUGH && p.left; b++) {
		size_t n = 0;
		int r;

		while (n < V8_BATCH && v8_next_place(&places, &place[n]))
			n++;
		r = look_at_some(&p, place, n);
		if (r)
			return r;
		if (n < V8_BATCH)
			break;
	}
	for (size_t i = 0; i < p.votes; i++)
		if (p.vote[i].count > p.vote[best].count)
			best = i;
	if (!p.votes || p.vote[best].count < VOTES_NEEDED)
		return -ENOENT;
	*ret = p.vote[best].layout;
	return 0;
}
