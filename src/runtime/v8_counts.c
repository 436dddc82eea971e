/*
 * What the spaces count, at a moment in which V8 was not moving pages between them. Between the
 * look at the chunks and the reading of the counts a scavenge may begin: it lends most pages of the
 * old space to spaces of its own, which only the chunks name, and takes them back at its end. A sum
 * that is less than it was before the chunks were looked at may lack these, as may one where spaces
 * have more chunks than they count, and more of these than at the look before; then the caller
 * looks again. A collection that made the heap smaller is over by then, and where one goes on the
 * chunks name its spaces. Chunks that no space counts for long are pooled ones.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "runtime/v8_impl.h"

#define NEAR 64 /* a part of the heap that is too small to matter */
#define WAITS_MAX 10
#define WAIT_NS 1000000

static bool is_same(const struct v8_space *s, const uint64_t now[V8_SPACE_WORDS])
{
	return now[0] == s->word[0] && now[1] == s->heap &&
	       (uint32_t)now[2] == (uint32_t)s->word[2];
}

/*
 * The spaces that count, as they are now; not `checked` yet: those whose page is in memory. One
 * that something else took the place of counts 0.
 */
static int read_all(struct v8 *s, const struct process_view *v, bool checked,
		    uint64_t (*word)[V8_SPACE_WORDS], struct peek_at *at)
{
	const struct v8_pages *p = &s->pages;
	size_t n = 0;
	int r;

	for (size_t i = 0; i < p->spaces; i++) {
		memset(word[i], 0, sizeof(word[i]));
		if (p->space[i].counts &&
		    (checked || v8_can_read(v, p->space[i].owner, sizeof(word[i]))))
			at[n++] = (struct peek_at){ p->space[i].owner, word[i], sizeof(word[i]),
						    false };
	}
	r = peek_read_many(v->peek, at, n);
	for (size_t i = 0; !r && i < p->spaces; i++) {
		struct v8_space *space = &p->space[i];

		if (!space->counts)
			continue;
		if (is_same(space, word[i]))
			memcpy(space->word, word[i], sizeof(space->word));
		else
			space->word[s->committed] = 0;
	}
	return r;
}

static int read_sum(struct v8 *s, const struct process_view *v, bool checked, uint64_t *ret)
{
	size_t n = s->pages.spaces + 1;
	auto_free uint64_t(*word)[V8_SPACE_WORDS] = malloc(n * sizeof(*word));
	auto_free struct peek_at *at = malloc(n * sizeof(*at));
	uint64_t sum = 0;
	int r = word && at ? read_all(s, v, checked, word, at) : -ENOMEM;

	if (r)
		return r;
	for (size_t i = 0; i < s->pages.spaces; i++)
		if (s->pages.space[i].counts)
			sum += s->pages.space[i].word[s->committed];
	*ret = sum;
	return 0;
}

static bool is_near(uint64_t a, uint64_t b)
{
	return (a > b ? a - b : b - a) <= b / NEAR;
}

int v8_begin_counts(struct v8 *s, const struct process_view *v, bool wait, uint64_t *ret)
{
	const struct timespec some = { .tv_nsec = WAIT_NS };
	uint64_t before, now = 0;
	int r = s->committed && s->pages.heaps ? read_sum(s, v, false, &now) : 0;

	for (int i = 0; !r && wait && now && i < WAITS_MAX; i++) {
		before = now;
		nanosleep(&some, NULL);
		r = read_sum(s, v, false, &now);
		if (!r && is_near(before, now))
			break;
	}
	*ret = now;
	return r;
}

/* Bytes of chunks that the space that they name does not count. */
static uint64_t end_spaces(struct v8 *s)
{
	uint64_t excess = 0;

	for (size_t i = 0; i < s->pages.spaces; i++) {
		struct v8_space *space = &s->pages.space[i];
		uint64_t committed = space->word[s->committed];

		space->absent = committed && !space->chunk_bytes ? space->absent + 1 : 0;
		excess += space->live_bytes > committed ? space->live_bytes - committed : 0;
	}
	return excess;
}

int v8_end_counts(struct v8 *s, const struct process_view *v, uint64_t begun)
{
	uint64_t first, now, excess;
	int r;

	s->counts_agree = true;
	if (!s->committed)
		return 0;
	r = read_sum(s, v, true, &first);
	if (!r)
		r = read_sum(s, v, true, &now);
	if (r)
		return r;
	excess = end_spaces(s);
	s->counts_agree = is_near(first, now) && now + now / NEAR >= begun &&
			  excess <= s->excess + now / NEAR;
	s->excess = excess;
	return r;
}
