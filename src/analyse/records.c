/* The judge's memory: a sorted array, since suspects are few and looked up by key once a tick. */
#include "analyse/records.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

void finding_done(struct finding *f)
{
	for (size_t i = 0; i < f->evidence_count; i++)
		free(f->evidence[i]);
	free(f->recommendation);
	*f = (struct finding){};
}

int finding_copy(const struct finding *f, struct finding *ret)
{
	auto_clean(finding_done) struct finding copy = *f;

	copy.evidence_count = 0;
	copy.recommendation = NULL;
	for (size_t i = 0; i < f->evidence_count; i++) {
		copy.evidence[i] = strdup(f->evidence[i]);
		if (!copy.evidence[i])
			return -ENOMEM;
		copy.evidence_count++;
	}
	if (f->recommendation) {
		copy.recommendation = strdup(f->recommendation);
		if (!copy.recommendation)
			return -ENOMEM;
	}
	*ret = copy;
	copy = (struct finding){};
	return 0;
}

void records_done(struct records *r)
{
	for (size_t i = 0; i < r->count; i++)
		finding_done(&r->list[i].f);
	free(r->list);
	*r = (struct records){};
}

/* Where the key is, or would be put. */
static size_t place_of(const struct records *r, uint64_t key)
{
	size_t low = 0, high = r->count;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (r->list[mid].key < key)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct record *records_find(struct records *r, uint64_t key)
{
	size_t at = place_of(r, key);

	return at < r->count && r->list[at].key == key ? &r->list[at] : NULL;
}

int records_add(struct records *r, uint64_t key, struct record **ret)
{
	size_t at = place_of(r, key);

	if (r->count >= r->limit) {
		r->refused++;
		return -ENOSPC;
	}
	if (r->count == r->room) {
		size_t room = r->room ? r->room * 2 : 16;
		struct record *grown = reallocarray(r->list, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		r->list = grown;
		r->room = room;
	}
	memmove(&r->list[at + 1], &r->list[at], (r->count - at) * sizeof(*r->list));
	r->list[at] = (struct record){ .key = key, .unseen_since_s = NAN };
	r->count++;
	*ret = &r->list[at];
	return 0;
}

void records_drop_idle(struct records *r)
{
	size_t kept = 0;

	for (size_t i = 0; i < r->count; i++)
		if (r->list[i].reported || r->list[i].hits || r->list[i].hits_before)
			r->list[kept++] = r->list[i];
	r->count = kept;
}

void findings_done(struct findings *f)
{
	for (size_t i = 0; i < f->count; i++)
		finding_done(&f->list[i]);
	free(f->list);
	*f = (struct findings){};
}

static int by_weight(const void *a, const void *b)
{
	const struct finding *x = a, *y = b;
	double wx = x->confidence * fmax(x->growth_bytes_per_s, 0);
	double wy = y->confidence * fmax(y->growth_bytes_per_s, 0);

	if (x->active != y->active)
		return x->active ? -1 : 1;
	if (x->severity != y->severity)
		return x->severity > y->severity ? -1 : 1;
	if (wx != wy)
		return wx > wy ? -1 : 1;
	if (x->size_bytes != y->size_bytes)
		return x->size_bytes > y->size_bytes ? -1 : 1;
	return (x->leak_id > y->leak_id) - (x->leak_id < y->leak_id);
}

/* Where the sites of an older finding are in this snapshot. */
static void find_sites(const struct snapshot *snap, struct finding *f)
{
	for (size_t k = 0; k < f->path_count; k++) {
		struct finding_path *p = &f->path[k];

		if (p->site < snap->site_count && snap->sites[p->site].id == p->site_id)
			continue;
		p->site = 0;
		while (p->site < snap->site_count && snap->sites[p->site].id != p->site_id)
			p->site++;
		if (p->site == snap->site_count)
			p->site = SIZE_MAX;
	}
	f->site = f->path_count ? f->path[0].site : SIZE_MAX;
}

int records_collect(struct records *all, const struct snapshot *snap, struct findings *ret)
{
	auto_clean(findings_done) struct findings f = {};

	f.list = calloc(all->count ? all->count : 1, sizeof(*f.list));
	if (!f.list)
		return -ENOMEM;
	for (size_t i = 0; i < all->count; i++) {
		struct record *r = &all->list[i];

		if (!r->seen)
			r->f.active = false;
		r->seen = false;
		if (!r->reported)
			continue;
		if (finding_copy(&r->f, &f.list[f.count]) < 0)
			return -ENOMEM;
		find_sites(snap, &f.list[f.count]);
		f.count++;
	}
	qsort(f.list, f.count, sizeof(*f.list), by_weight);
	*ret = f;
	f = (struct findings){};
	return 0;
}
