/*
 * Folding. A group's key is made of its owner's build id (or name), the function of the owner's
 * frame (its offset where it has no name) and the kind, so that it survives restarts; a site
 * without an owner is its own group.
 */
#include "analyse/fold.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define SMALL 0.01 /* a call path below this share is not worth a look */

uint64_t fold_mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15u;
	return hash ^ (hash >> 29);
}

static uint64_t mix_text(uint64_t hash, const char *text)
{
	for (; text && *text; text++)
		hash = fold_mix(hash, (unsigned char)*text);
	return hash;
}

static uint64_t key_of(const struct snapshot *snap, const struct snap_site *site,
		       const struct owner *owner)
{
	/* what was touched is another view of what was asked for: never added up with it */
	uint64_t hash = fold_mix(1, site->touched ? MT_SITE_FAULT + (uint64_t)site->touched
						  : (uint64_t)site->kind);
	const struct snap_frame *outer;
	const struct snap_module *module;
	uint32_t at;

	if (!owner || owner->frame >= site->stack.count)
		return fold_mix(fold_mix(hash, 2), site->id);
	if (owner->class == CLASS_buffers) /* what is made beside each of them is counted apart */
		hash = fold_mix(hash, CLASS_buffers);
	/* generated code is made anew, with others inside: what it called stays */
	at = owner->module < snap->module_count ? owner->frame : owner->holder;
	outer = &site->stack.frames[snap_outer_frame(&site->stack, at)];
	if (outer->module >= snap->module_count)
		return fold_mix(fold_mix(hash, 2), site->id);
	module = &snap->modules[outer->module];
	hash = mix_text(hash,
			module->build_id && *module->build_id ? module->build_id : module->name);
	/* five calls in one function are one leak */
	if (outer->symbol && *outer->symbol)
		return mix_text(hash, outer->symbol);
	return fold_mix(hash, outer->offset);
}

static int by_key(const void *a, const void *b)
{
	const struct fold_member *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return (x->site > y->site) - (x->site < y->site);
}

int fold_sites(const struct snapshot *snap, const struct owner *owners, struct fold_member **ret)
{
	struct fold_member *m = calloc(snap->site_count ? snap->site_count : 1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	for (size_t i = 0; i < snap->site_count; i++) {
		m[i].key = key_of(snap, &snap->sites[i], owners ? &owners[i] : NULL);
		m[i].site = i;
	}
	qsort(m, snap->site_count, sizeof(*m), by_key);
	*ret = m;
	return 0;
}

static double known(uint64_t value)
{
	return value == FACT_UNKNOWN ? 0 : (double)value;
}

void fold_add_totals(const struct snap_site *site, struct fold_totals *totals)
{
	totals->live_bytes += known(site->live_bytes);
	totals->live_count += known(site->live_count);
	totals->allocated_count += known(site->allocated_count);
	totals->freed_count += known(site->freed_count);
	totals->last_alloc_s = fmax(totals->last_alloc_s, site->last_alloc_s);
	for (int b = 0; b < MT_AGE_BUCKETS && site->ages_known; b++) {
		totals->live_by_age[b] += known(site->live_by_age[b]);
		totals->freed_by_age[b] += known(site->freed_by_age[b]);
	}
}

/* What one observation stands for, on average over all that came. */
static double mean_weight(double weight, double count, const struct snap_site *site)
{
	double more = known(site->allocated_count), all = count + more;

	if (!site->estimated || !(all > 0))
		return weight > 1 && all > 0 ? (weight * count + more) / all : weight;
	return (weight * count + fmax(site->weight, 1) * more) / all;
}

/* Buffers are, whoever says that they are some. */
static enum collected collected_by_owner(const struct owner *o)
{
	return !o->collected && o->class == CLASS_buffers ? COLLECTED_ANY : o->collected;
}

void fold_unit(const struct snapshot *snap, const struct owner *owners,
	       const struct fold_member *members, size_t count, struct suspect_unit *ret)
{
	size_t first = members[0].site;
	struct suspect_unit u = {
		.kind = snap->sites[first].kind,
		.collected = owners ? collected_by_owner(&owners[first]) : COLLECTED_NOT,
		.now_s = snap->elapsed_s,
		.ages_known = true,
	};
	struct fold_totals totals = {};

	u.born_s = u.now_s;
	u.weight = 1;
	for (size_t i = 0; i < count; i++) {
		const struct snap_site *site = &snap->sites[members[i].site];

		fold_add_totals(site, &totals);
		u.born_s = fmax(fmin(u.born_s, site->first_seen_s), 0);
		u.ages_known = u.ages_known && site->ages_known;
		u.exposed += known(site->exposed_count);
		u.left += known(site->left_count);
		u.weight = mean_weight(u.weight, u.allocated_count, site);
		u.allocated_count = totals.allocated_count;
		robust_grid_add(&site->live_count_series, site->first_seen_s, u.now_s, u.count);
		robust_grid_add(&site->live_bytes_series, site->first_seen_s, u.now_s, u.bytes);
	}
	for (int b = 0; b < MT_AGE_BUCKETS; b++) {
		u.live_by_age[b] = totals.live_by_age[b];
		u.freed_by_age[b] = totals.freed_by_age[b];
	}
	u.live_bytes = totals.live_bytes;
	u.live_count = totals.live_count;
	u.allocated_count = totals.allocated_count;
	u.freed_count = totals.freed_count;
	*ret = u;
}

static double held_by(const struct snap_site *site, double cut_s)
{
	struct fold_totals one = {};

	fold_add_totals(site, &one);
	if (cut_s > 0)
		return survival_sum(one.live_by_age, survival_bucket(cut_s));
	return suspect_counts_things(site->kind) ? one.live_count : one.live_bytes;
}

size_t fold_largest(const struct snapshot *snap, const struct fold_member *members, size_t count,
		    double cut_s, size_t *ret, size_t max)
{
	double sum = 0, held;
	size_t n = 0, at;

	for (size_t i = 0; i < count; i++) {
		held = held_by(&snap->sites[members[i].site], cut_s);
		sum += held;
		for (at = n; at > 0 && held > held_by(&snap->sites[ret[at - 1]], cut_s); at--)
			if (at < max)
				ret[at] = ret[at - 1];
		if (at == max)
			continue;
		ret[at] = members[i].site;
		n += n < max;
	}
	while (n > 1 && held_by(&snap->sites[ret[n - 1]], cut_s) < SMALL * sum)
		n--;
	return n;
}
