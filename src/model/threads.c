/* See threads.h: an array sorted by thread id; new ids are mostly the highest. */
#include "model/threads.h"

#include "base/cleanup.h"
#include "base/search.h"
#include "model/sat.h"
#include "base/vec.h"

struct thread {
	uint32_t tid;
	struct site *site; /* borrowed from the sites of the address space; may be NULL */
	uint64_t born_ns;
};

struct threads {
	struct thread *thread; /* owned */
	size_t n, cap, limit;
	uint64_t refused;
};

int threads_new(size_t limit, struct threads **ret)
{
	struct threads *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->limit = limit;
	*ret = t;
	return 0;
}

void threads_free(struct threads *t)
{
	if (!t)
		return;
	free(t->thread);
	free(t);
}

size_t threads_count(const struct threads *t)
{
	return t->n;
}

uint64_t threads_refused(const struct threads *t)
{
	return t->refused;
}

/* Index of the first thread whose id is not below. */
static size_t threads_lower(const struct threads *t, uint32_t tid)
{
	return search_first(t->n, i, t->thread[i].tid < tid);
}

void threads_remove(struct threads *t, uint32_t tid, uint64_t now_ns)
{
	size_t i = threads_lower(t, tid);

	if (i == t->n || t->thread[i].tid != tid)
		return;
	site_died(t->thread[i].site, 0, 1, t->thread[i].born_ns, now_ns);
	vec_close(&t->thread, sizeof(*t->thread), t->n--, i);
}

int threads_add(struct threads *t, uint32_t tid, struct site *site, uint64_t now_ns)
{
	size_t i;
	int r;

	threads_remove(t, tid, now_ns); /* its end was missed and the id used again */
	r = vec_reserve(&t->thread, sizeof(*t->thread), t->n, &t->cap, t->limit);
	if (r < 0) {
		t->refused++;
		return r == -ENOSPC ? 0 : r;
	}
	i = threads_lower(t, tid);
	vec_open(&t->thread, sizeof(*t->thread), t->n++, i);
	t->thread[i] = (struct thread){ tid, site, now_ns };
	site_born(site, 0, 1, now_ns);
	return 0;
}

static int tid_compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

int threads_keep(struct threads *t, const uint32_t *tid, size_t n, uint64_t now_ns)
{
	auto_free uint32_t *sorted = calloc(n ? n : 1, sizeof(*sorted));
	size_t kept = 0;

	if (!sorted)
		return -ENOMEM;
	if (n)
		memcpy(sorted, tid, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), tid_compare);
	for (size_t i = 0; i < t->n; i++) {
		struct thread *x = &t->thread[i];

		if (x->born_ns >= now_ns ||
		    bsearch(&x->tid, sorted, n, sizeof(*sorted), tid_compare))
			t->thread[kept++] = *x;
		else
			site_died(x->site, 0, 1, x->born_ns, now_ns);
	}
	t->n = kept;
	return 0;
}

void threads_add_ages(const struct threads *t, uint64_t now_ns)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->thread[i].site)
			t->thread[i].site->live_by_age[age_bucket(
				sat_sub(now_ns, t->thread[i].born_ns))]++;
}
