#include "model/exposure.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "memtrace/weight.h"

#define SHARED_MAX 0.7	  /* more is a process in which most lives are long */
#define SHARED_FEW 30	  /* exposed records of others that are needed to know a share ... */
#define SHARED_GUESS 0.1  /* ... else it is taken for this */
#define ALL_LEFT 0.98	  /* of many: nothing but itself keeps such a site's blocks */
#define SOME_LEFT 0.4	  /* below, it makes no difference */
#define FEW 8		  /* records of which a share says little */
#define STEP 16		  /* allocators round sizes to this ... */
#define EXACT_CLASSES 256 /* ... so many times; above, to an eighth */
#define CLASSES (EXACT_CLASSES + 8 * 36)

/* What one site has among the blocks; weighted but for `records`, which are its old ones. */
struct share {
	double left, fresh, bytes, fresh_bytes;
	uint64_t records;
	bool all_left, some_left;
	double taken; /* of left: their memory may be what another site keeps */
};

static size_t class_of(uint64_t held)
{
	uint64_t size = mt_held_size(held) + STEP - 1;
	unsigned int top;

	if (size / STEP < EXACT_CLASSES)
		return (size_t)(size / STEP);
	top = 63 - (unsigned int)__builtin_clzll(size);
	return EXACT_CLASSES + (top - 12) * 8 + (size >> (top - 3) & 7);
}

static bool is_fresh(const struct overlap_block *b, const struct exposure_window *w)
{
	return !w->again && b->born_ds >= w->since_ds;
}

static bool counts(const struct overlap_block *b, const struct exposure_window *w)
{
	return !b->dead && b->born_ds <= w->until_ds;
}

static void add_block(const struct overlap_block *b, const struct exposure_window *w,
		      struct share *ret)
{
	double weight = (double)mt_held_weight(b->held);
	double bytes = weight * (double)mt_held_size(b->held);

	if (is_fresh(b, w)) {
		ret->fresh += weight;
		ret->fresh_bytes += bytes;
		return;
	}
	ret->left += weight;
	ret->bytes += bytes;
	ret->records++;
}

/* Indices of sites by number; SIZE_MAX: none. */
struct index {
	uint32_t *at; /* owned; index + 1 */
	size_t count;
};

static int make_index(struct site *const *site, size_t sites, struct index *ret)
{
	size_t count = sites ? (size_t)site[sites - 1]->number + 1 : 0;
	uint32_t *at = calloc(count + 1, sizeof(*at));

	if (!at)
		return -ENOMEM;
	for (size_t i = 0; i < sites; i++)
		at[site[i]->number] = (uint32_t)i + 1;
	*ret = (struct index){ at, count };
	return 0;
}

static struct share *share_of(const struct index *index, struct share *share, uint32_t number)
{
	return number < index->count && index->at[number] ? &share[index->at[number] - 1] : NULL;
}

/* Exposed things of a site, without those of the last window. */
static double exposed_by_now(const struct site *s, const struct share *have)
{
	return fmax(s->exposed + s->waiting, have->left);
}

static void look_at_shares(struct site *const *site, size_t sites, struct share *share)
{
	for (size_t i = 0; i < sites; i++) {
		double exposed = exposed_by_now(site[i], &share[i]);

		share[i].all_left = share[i].records >= FEW && share[i].left >= ALL_LEFT * exposed;
		share[i].some_left = !share[i].all_left && share[i].left > 0 &&
				     share[i].left >= SOME_LEFT * exposed;
	}
}

/*
 * For each block of which little is left unseen, one that a leak keeps may lie there: as many as
 * were born between windows, of that size.
 */
static int find_taken(const struct index *index, struct share *share, size_t sites,
		      const struct overlap_block *block, size_t n, const struct exposure_window *w)
{
	double keeps[CLASSES + 2] = {}, unseen = ldexp(1, (int)w->weight_log2) - 1;
	auto_free double *here = calloc(sites + 1, sizeof(*here));

	if (!here)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const struct share *s = share_of(index, share, block[i].site);

		if (s && s->all_left && counts(&block[i], w) && !is_fresh(&block[i], w))
			keeps[class_of(block[i].held) + 1] += unseen;
	}
	for (size_t i = 0; i < n; i++) {
		struct share *s = share_of(index, share, block[i].site);
		double *k = &keeps[class_of(block[i].held)];

		if (!s || !s->some_left || !counts(&block[i], w) || is_fresh(&block[i], w))
			continue;
		/* the same size or a neighbour's; each site is asked alone, so nothing is used up
		 */
		if (here[s - share] < k[0] + k[1] + k[2]) {
			here[s - share]++;
			s->taken += (double)mt_held_weight(block[i].held);
		}
	}
	return 0;
}

/* The share of a site's old blocks that is believed to be live. */
static double believed(double left, double exposed, double shared)
{
	double share = exposed > 0 ? fmin(left / exposed, 1) : 0;

	return share > shared ? (share - shared) / (share * (1 - shared)) : 0;
}

static void doubt(struct site *s, const struct share *have, double shared,
		  const struct exposure_window *w)
{
	double live = believed(s->left, s->exposed, shared), once = ldexp(1, -(int)w->weight_log2);
	double old = have->left - s->left * live, of_fresh = (1 - live) * (1 - once);
	double old_bytes = have->left > 0 ? have->bytes * old / have->left : 0;

	s->doubted_fresh = (uint64_t)(have->fresh * of_fresh);
	s->doubted_old = (uint64_t)old;
	s->doubted_old_bytes = (uint64_t)old_bytes;
	s->doubted_bytes = (uint64_t)(old_bytes + have->fresh_bytes * of_fresh);
	s->doubted_age = age_bucket((uint64_t)(fmax(w->period_s, 0) * 1e9));
}

static void settle(struct site *const *site, size_t sites, const struct share *share,
		   const struct exposure_window *w)
{
	double left = 0, exposed = 0, least = SHARED_FEW * ldexp(1, (int)w->weight_log2);

	for (size_t i = 0; i < sites; i++) {
		struct site *s = site[i];

		s->exposed = exposed_by_now(s, &share[i]);
		s->waiting = share[i].fresh;
		s->left = share[i].left - share[i].taken;
		left += s->left;
		exposed += s->exposed;
	}
	for (size_t i = 0; i < sites; i++) {
		double others = exposed - site[i]->exposed, shared = SHARED_GUESS;

		if (others >= least)
			shared = fmin(fmax(left - site[i]->left, 0) / others, SHARED_MAX);
		if (site[i]->exposed > 0 || site[i]->waiting > 0)
			doubt(site[i], &share[i], shared, w);
	}
}

int exposure_settle(struct site *const *site, size_t sites, const struct overlap_block *block,
		    size_t n, const struct exposure_window *w)
{
	auto_free struct share *share = calloc(sites + 1, sizeof(*share));
	auto_free uint32_t *numbers = NULL;
	struct index index;
	int r = share ? make_index(site, sites, &index) : -ENOMEM;

	if (r < 0)
		return r;
	numbers = index.at;
	for (size_t i = 0; i < n; i++) {
		struct share *s = share_of(&index, share, block[i].site);

		if (s && counts(&block[i], w))
			add_block(&block[i], w, s);
	}
	look_at_shares(site, sites, share);
	r = find_taken(&index, share, sites, block, n, w);
	if (r < 0)
		return r;
	settle(site, sites, share, w);
	return 0;
}
