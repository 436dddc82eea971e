/*
 * What the spaces say of their chunks. A space counts the bytes that it has committed; V8's
 * heapTotal is the sum of these counts. Where the count is in a space is learnt: it equals the sum
 * of the sizes of its chunks in most spaces. Pages that were given back to V8's pool keep
 * their headers, from V8 13 on for a while; the space does not count them any more, and a bit of
 * the chunk's flags tells them: it is learnt as one that explains every difference, and forgotten
 * when it does not.
 */
#include <stdlib.h>

#include "runtime/v8_impl.h"

#define SPACES_NEEDED 3
#define POOLED_NEEDED (8 * (uint64_t)V8_PAGE) /* less could be a chance */

static void learn_committed(struct v8 *s)
{
	const struct v8_pages *p = &s->pages;
	size_t best = 0;

	for (uint8_t w = 2; w < V8_SPACE_WORDS; w++) {
		size_t equal = 0;

		for (size_t i = 0; i < p->spaces; i++)
			equal += p->space[i].chunk_bytes && p->space[i].verified &&
				 p->space[i].word[w] == p->space[i].chunk_bytes;
		if (equal > best && equal >= SPACES_NEEDED) {
			best = equal;
			s->committed = w;
		}
	}
}

/* Bytes that a space's chunks have beyond what it counts; 0 also where it counts more. */
static uint64_t excess(const struct v8 *s, const struct v8_space *space)
{
	uint64_t committed = space->word[s->committed];

	return space->chunk_bytes > committed ? space->chunk_bytes - committed : 0;
}

/* Whether the chunks with this bit are exactly those that no space counts. */
static bool explains(const struct v8 *s, uint8_t word, uint64_t bit, uint64_t *with)
{
	const struct v8_pages *p = &s->pages;

	for (size_t i = 0; i < p->spaces; i++)
		with[i] = 0;
	for (size_t i = 0; i < p->chunks; i++) {
		const struct v8_chunk *c = &p->chunk[i];

		if (c->heap && c->head[word] & bit)
			with[c->space] += c->size;
	}
	for (size_t i = 0; i < p->spaces; i++)
		if (p->space[i].verified && with[i] != excess(s, &p->space[i]))
			return false;
	return true;
}

static void learn_pooled(struct v8 *s)
{
	const struct v8_pages *p = &s->pages;
	uint64_t all = 0, *with;

	for (size_t i = 0; i < p->spaces; i++)
		all += p->space[i].verified ? excess(s, &p->space[i]) : 0;
	with = all >= POOLED_NEEDED ? calloc(p->spaces, sizeof(*with)) : NULL;
	if (!with)
		return;
	for (uint8_t word = 0; word < 2; word++)
		for (unsigned int b = 0; b < 64 && !s->pooled_bit; b++)
			if (explains(s, word, 1ull << b, with)) {
				s->pooled_word = word;
				s->pooled_bit = 1ull << b;
			}
	free(with);
}

static void tell_pooled(struct v8 *s)
{
	struct v8_pages *p = &s->pages;

	for (size_t i = 0; i < p->spaces; i++)
		p->space[i].live_bytes = 0;
	for (size_t i = 0; i < p->chunks; i++) {
		struct v8_chunk *c = &p->chunk[i];

		c->live = !s->pooled_bit || !(c->head[s->pooled_word] & s->pooled_bit);
		if (c->heap && c->live)
			p->space[c->space].live_bytes += c->size;
	}
}

/* Chunks that their space does count are called pooled: then the bit is another thing. */
static bool is_wrong(const struct v8 *s)
{
	const struct v8_pages *p = &s->pages;
	uint64_t missing = 0;

	for (size_t i = 0; i < p->spaces; i++) {
		const struct v8_space *space = &p->space[i];
		uint64_t committed = space->word[s->committed];

		if (space->verified && space->chunk_bytes >= committed &&
		    space->live_bytes < committed)
			missing += committed - space->live_bytes;
	}
	return missing >= POOLED_NEEDED;
}

void v8_judge_spaces(struct v8 *s)
{
	if (!s->committed)
		learn_committed(s);
	if (s->committed && !s->pooled_bit)
		learn_pooled(s);
	tell_pooled(s);
	if (s->pooled_bit && is_wrong(s)) {
		s->pooled_bit = 0;
		tell_pooled(s);
	}
}
