/*
 * See sites.h. The kernel writes struct mt_site while it is read here: each counter is read once,
 * so the numbers of one site may be some calls apart; differences are kept from going negative.
 */
#include "model/sites.h"

#include <math.h>

#include "base/cleanup.h"
#include "base/search.h"
#include "model/sat.h"
#include "base/vec.h"

#define NS_PER_S 1000000000ull
/* What one descriptor, thread or block weighs beside its bytes when sites are ranked. */
#define WEIGHT_PER_COUNT 256
#define APART 64 /* counters of one site may be so many calls apart */
/*
 * The kernel keeps a slot up to date while it is younger than its ring by one: ages in whole
 * seconds below FINE_AGES are told by the fine ring, from there on by this many coarse epochs.
 */
#define FINE_AGES ((MT_FINE_SLOTS - 1) * MT_FINE_SECS)
#define COARSE_EPOCHS (MT_COARSE_SLOTS - 1)

struct sites {
	struct site **site; /* owned, sorted by number */
	size_t n, cap;
};

int sites_new(struct sites **ret)
{
	struct sites *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	*ret = t;
	return 0;
}

static void site_free(struct site *s)
{
	free(s->frame);
	series_free(s->series);
	free(s);
}

void sites_free(struct sites *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n; i++)
		site_free(t->site[i]);
	free(t->site);
	free(t);
}

size_t sites_count(const struct sites *t)
{
	return t->n;
}

struct site *sites_at(const struct sites *t, size_t i)
{
	return t->site[i];
}

struct site *const *sites_all(const struct sites *t)
{
	return t->site;
}

/* Index of the first site whose number is not below. */
static size_t sites_lower(const struct sites *t, uint32_t number)
{
	return search_first(t->n, i, t->site[i]->number < number);
}

struct site *sites_find(const struct sites *t, uint32_t number)
{
	size_t i = sites_lower(t, number);

	return i < t->n && t->site[i]->number == number ? t->site[i] : NULL;
}

int sites_get(struct sites *t, uint32_t number, enum mt_site_kind kind, uint64_t now_ns,
	      size_t limit, struct site **ret)
{
	size_t i = sites_lower(t, number);
	struct site *s;
	int r;

	if (i < t->n && t->site[i]->number == number) {
		*ret = t->site[i];
		return 0;
	}
	r = vec_reserve(&t->site, sizeof(*t->site), t->n, &t->cap, limit);
	if (r < 0)
		return r;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->number = number;
	s->kind = kind;
	s->first_seen_ns = s->last_alloc_ns = now_ns;
	vec_open(&t->site, sizeof(*t->site), t->n, i);
	t->site[i] = s;
	t->n++;
	*ret = s;
	return 0;
}

uint64_t site_live_bytes(const struct site *s)
{
	return sat_sub(s->alloc_bytes, s->free_bytes);
}

uint64_t site_live_count(const struct site *s)
{
	return sat_sub(s->alloc_count, s->free_count);
}

/* Counters are some calls apart: a difference of few says nothing. */
bool site_is_estimated(const struct site *s)
{
	return s->born_var > 0 || s->waiting > 0 || s->exposed > 0 ||
	       (s->born_records &&
		sat_sub(s->alloc_count, s->born_records) > APART + s->born_records / APART);
}

double site_live_var(const struct site *s)
{
	return fmax(s->born_var - s->died_var, 0);
}

uint64_t site_weight(const struct site *s)
{
	return sat_add(site_live_bytes(s), sat_mul(site_live_count(s), WEIGHT_PER_COUNT));
}

/* The same for an age in whole seconds. */
static unsigned int age_bucket_s(uint64_t age_s)
{
	unsigned int b;

	if (age_s == 0)
		return 0;
	b = 64 - (unsigned int)__builtin_clzll(age_s);
	return b < MT_AGE_BUCKETS ? b : MT_AGE_BUCKETS - 1;
}

unsigned int age_bucket(uint64_t age_ns)
{
	return age_bucket_s(age_ns / NS_PER_S);
}

void site_born(struct site *s, uint64_t bytes, uint64_t blocks, uint64_t now_ns)
{
	if (!s)
		return;
	s->alloc_bytes = sat_add(s->alloc_bytes, bytes);
	s->alloc_count = sat_add(s->alloc_count, blocks);
	s->last_alloc_ns = now_ns;
}

void site_died(struct site *s, uint64_t bytes, uint64_t blocks, uint64_t born_ns, uint64_t now_ns)
{
	unsigned int b = age_bucket(sat_sub(now_ns, born_ns));

	if (!s)
		return;
	s->free_bytes = sat_add(s->free_bytes, bytes);
	s->free_count = sat_add(s->free_count, blocks);
	s->freed_by_age[b] = sat_add(s->freed_by_age[b], blocks);
}

void site_revived(struct site *s, uint64_t bytes, uint64_t blocks, uint64_t born_ns,
		  uint64_t died_ns)
{
	unsigned int b = age_bucket(sat_sub(died_ns, born_ns));

	if (!s)
		return;
	s->free_bytes = sat_sub(s->free_bytes, bytes);
	s->free_count = sat_sub(s->free_count, blocks);
	s->freed_by_age[b] = sat_sub(s->freed_by_age[b], blocks);
}

static uint64_t read_once(const __u64 *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

/* Blocks in the slot of an epoch; 0 when the slot holds another epoch by now. */
static uint64_t ring_read(const __u64 *ring, size_t slots, uint64_t epoch)
{
	uint64_t v = read_once(&ring[epoch % slots]);

	return v >> 32 == (uint32_t)epoch ? (uint32_t)v : 0;
}

/*
 * Young blocks come from the fine ring, second by second. An epoch of the coarse ring is counted
 * without those of its blocks that the fine one told of, at the middle of the ages left.
 */
static void ages_fold(const struct mt_site *from, uint64_t now_s, uint64_t age[MT_AGE_BUCKETS])
{
	uint64_t newest = now_s / MT_COARSE_SECS, in_fine[COARSE_EPOCHS] = {};

	for (uint64_t a = 0; a < FINE_AGES && a <= now_s; a++) {
		uint64_t n = ring_read(from->fine, MT_FINE_SLOTS, now_s - a);

		age[age_bucket_s(a)] += n;
		in_fine[newest - (now_s - a) / MT_COARSE_SECS] += n;
	}
	for (uint64_t k = 0; k < COARSE_EPOCHS && k <= newest; k++) {
		uint64_t n = ring_read(from->coarse, MT_COARSE_SLOTS, newest - k);
		uint64_t oldest = now_s - (newest - k) * MT_COARSE_SECS;
		uint64_t youngest = sat_sub(oldest, MT_COARSE_SECS - 1);

		if (youngest < FINE_AGES)
			youngest = FINE_AGES;
		if (oldest >= FINE_AGES)
			age[age_bucket_s((youngest + oldest) / 2)] += sat_sub(n, in_fine[k]);
	}
}

/* Makes the ages add up to the live count: what the rings do not hold is older than they reach. */
static void ages_close(uint64_t live, uint64_t age[MT_AGE_BUCKETS])
{
	uint64_t left = live;

	for (size_t b = MT_AGE_BUCKETS; b-- > 0;) {
		if (age[b] > left)
			age[b] = left;
		left -= age[b];
	}
	age[MT_AGE_BUCKETS - 1] += left;
}

/* The youngest first. */
static void take_fresh(struct site *s, uint64_t count)
{
	for (size_t b = 0; b < MT_AGE_BUCKETS && count; b++) {
		uint64_t n = s->live_by_age[b] < count ? s->live_by_age[b] : count;

		s->live_by_age[b] -= n;
		count -= n;
	}
}

/* The same share of every age. */
static void take_old(struct site *s, uint64_t count)
{
	uint64_t all = 0, seen = 0, taken = 0;

	for (size_t b = 0; b < MT_AGE_BUCKETS; b++)
		all += s->live_by_age[b];
	for (size_t b = 0; b < MT_AGE_BUCKETS && all; b++) {
		uint64_t upto;

		seen += s->live_by_age[b];
		upto = (uint64_t)((unsigned __int128)count * seen / all);
		s->live_by_age[b] -= upto - taken;
		taken = upto;
	}
}

/* Takes for dead what exposure.h says, as far as it is still recorded as live. */
static void take_doubted(struct site *s)
{
	uint64_t live = site_live_count(s), bytes = site_live_bytes(s);
	uint64_t fresh = s->doubted_fresh < live ? s->doubted_fresh : live;
	uint64_t old = s->doubted_old < live - fresh ? s->doubted_old : live - fresh;
	uint64_t gone = s->doubted_bytes < bytes ? s->doubted_bytes : bytes;

	take_fresh(s, fresh);
	take_old(s, old);
	if (bytes)
		s->died_var += site_live_var(s) * ((double)gone / (double)bytes);
	s->free_count += fresh + old;
	s->free_bytes += gone;
	s->freed_by_age[s->doubted_age] = sat_add(s->freed_by_age[s->doubted_age], fresh + old);
}

/* What was added since the last time, which is not long ago. */
static double var_sum(uint64_t now, uint64_t *last, double *sum)
{
	*sum += ldexp((double)(now - *last), 2 * MT_VAR_SHIFT);
	*last = now;
	return *sum;
}

void site_read_heap(struct site *s, const struct mt_site *from, uint64_t boot_ns, uint64_t now_ns)
{
	/* frees first: a block born and freed in between then never makes them the larger number */
	uint64_t free_bytes = read_once(&from->free_bytes);
	uint64_t free_count = read_once(&from->free_count);
	uint64_t alloc_count = read_once(&from->alloc_count);
	uint64_t now_s = sat_sub(now_ns, boot_ns) / NS_PER_S;

	if (alloc_count != s->alloc_count)
		s->last_alloc_ns = now_ns;
	s->free_bytes = free_bytes;
	s->free_count = free_count;
	s->alloc_count = alloc_count;
	s->alloc_bytes = read_once(&from->alloc_bytes);
	s->died_records = read_once(&from->died_records);
	s->died_var =
		var_sum(read_once(&from->died_var), &s->kernel_var.died, &s->kernel_var.died_sum);
	s->born_records = read_once(&from->born_records);
	s->born_var =
		var_sum(read_once(&from->born_var), &s->kernel_var.born, &s->kernel_var.born_sum);
	for (size_t b = 0; b < MT_AGE_BUCKETS; b++)
		s->freed_by_age[b] = read_once(&from->freed_by_age[b]);
	memset(s->live_by_age, 0, sizeof(s->live_by_age));
	ages_fold(from, now_s, s->live_by_age);
	ages_close(site_live_count(s), s->live_by_age);
	if (s->exposed > 0 || s->waiting > 0)
		take_doubted(s);
}
