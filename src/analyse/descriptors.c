/* See descriptors.h. */
#include "analyse/descriptors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* The row of a kind, a new one if there is none; NULL when there is no room. */
static struct descriptors_row *row_of(struct descriptors_row *row, size_t *count,
				      const struct peer *p)
{
	for (size_t i = 0; i < *count; i++)
		if (row[i].class == p->class && strcmp(row[i].kind, p->kind) == 0)
			return &row[i];
	if (*count == DESCRIPTORS_KINDS_MAX)
		return NULL;
	row[*count] = (struct descriptors_row){
		.kind = p->kind, .class = p->class, .kernel_bytes = FACT_UNKNOWN, .least = 2
	};
	return &row[(*count)++];
}

static int compare_rows(const void *a, const void *b)
{
	const struct descriptors_row *x = a, *y = b;

	if (x->count != y->count)
		return x->count < y->count ? 1 : -1;
	return strcmp(x->kind, y->kind);
}

static void native_add(struct native_sum *n, const struct native_fact *f)
{
	if (!f->how)
		return;
	n->bytes += f->bytes;
	n->measured++;
	n->whole += f->how == NATIVE_WHOLE;
	n->error_bytes = hypot(n->error_bytes, f->error_bytes);
}

static void native_join(struct native_sum *n, const struct native_sum *with)
{
	n->bytes += with->bytes;
	n->measured += with->measured;
	n->whole += with->whole;
	n->error_bytes = hypot(n->error_bytes, with->error_bytes);
}

#define NATIVE_CLOSED_LEAST 3 /* closed connections that say something */
#define NATIVE_SURE 0.6	      /* before they do */
#define NATIVE_SURE_LEAST 0.3
#define NATIVE_SURE_MOST 0.95

double descriptors_native_confidence(const struct snapshot *s)
{
	const struct native_left *l = &s->native_left;
	double stayed;

	if (l->closed < NATIVE_CLOSED_LEAST || !l->closed_bytes)
		return NATIVE_SURE;
	stayed = fmin((double)l->bytes / (double)l->closed_bytes, 1);
	return NATIVE_SURE_MOST - (NATIVE_SURE_MOST - NATIVE_SURE_LEAST) * stayed;
}

static void row_add(struct descriptors_row *row, const struct peer *p, const struct fd_fact *f)
{
	row->count++;
	row->confidence += (p->confidence - row->confidence) / (double)row->count;
	if (p->confidence < row->least) {
		row->least = p->confidence;
		row->evidence = p->evidence;
	}
	native_add(&row->native, &f->native);
	if (f->kernel_bytes != FACT_UNKNOWN)
		row->kernel_bytes = f->kernel_bytes +
				    (row->kernel_bytes == FACT_UNKNOWN ? 0 : row->kernel_bytes);
}

size_t descriptors_count(const struct snapshot *s,
			 struct descriptors_row ret[static DESCRIPTORS_KINDS_MAX])
{
	size_t count = 0;

	for (size_t i = 0; i < s->fd_count; i++) {
		struct peer p = peers_find(&s->fds[i].fact);
		struct descriptors_row *row = row_of(ret, &count, &p);

		if (row)
			row_add(row, &p, &s->fds[i].fact);
	}
	qsort(ret, count, sizeof(*ret), compare_rows);
	return count;
}

size_t descriptors_largest(const struct snapshot *s, size_t ret[static DESCRIPTORS_LARGEST_MAX])
{
	size_t n = 0, at;

	for (size_t i = 0; i < s->fd_count; i++) {
		const struct native_fact *f = &s->fds[i].fact.native;

		if (!f->how || !f->bytes || !fd_is_connection(&s->fds[i].fact))
			continue;
		for (at = n; at > 0 && s->fds[ret[at - 1]].fact.native.bytes < f->bytes; at--)
			if (at < DESCRIPTORS_LARGEST_MAX)
				ret[at] = ret[at - 1];
		if (at < DESCRIPTORS_LARGEST_MAX)
			ret[at] = i;
		n += n < DESCRIPTORS_LARGEST_MAX;
	}
	return n;
}

struct native_sum descriptors_native_sum(const struct snapshot *s, uint64_t *ret_count)
{
	struct native_sum sum = {};

	*ret_count = 0;
	for (size_t i = 0; i < s->fd_count; i++) {
		if (!fd_is_connection(&s->fds[i].fact))
			continue;
		++*ret_count;
		native_add(&sum, &s->fds[i].fact.native);
	}
	return sum;
}

static bool is_of(const struct snap_fd *fd, const struct finding_path *path, size_t paths)
{
	for (size_t i = 0; i < paths && fd->site_id; i++)
		if (path[i].site_id == fd->site_id)
			return true;
	return false;
}

/* --- the peer that most lead to --- */

/* Majority vote (Boyer and Moore 1981): a candidate, which is then counted. */
struct vote {
	const struct fd_fact *candidate; /* borrowed */
	uint64_t lead, count;
};

static bool has_peer(const struct fd_fact *f)
{
	return f->kind == FD_SOCKET && !f->listening && fd_has_peer(f);
}

static bool is_same_peer(const struct fd_fact *x, const struct fd_fact *y)
{
	return x->family == y->family && x->peer_port == y->peer_port &&
	       memcmp(x->peer_addr, y->peer_addr, sizeof(x->peer_addr)) == 0 &&
	       strncmp(x->path, y->path, sizeof(x->path)) == 0;
}

static void vote(struct vote *v, const struct fd_fact *f)
{
	if (!has_peer(f))
		return;
	if (!v->lead)
		v->candidate = f;
	v->lead += is_same_peer(v->candidate, f) ? 1 : UINT64_MAX;
}

static void find_common_peer(const struct snapshot *s, const struct finding_path *path,
			     size_t paths, struct vote *v, struct descriptors_held *h)
{
	if (!v->lead)
		return;
	for (size_t i = 0; i < s->fd_count; i++)
		v->count += is_of(&s->fds[i], path, paths) && has_peer(&s->fds[i].fact) &&
			    is_same_peer(v->candidate, &s->fds[i].fact);
	if (2 * v->count > h->count)
		peers_format_address(v->candidate, h->peer, sizeof(h->peer));
}

void descriptors_of_sites(const struct snapshot *s, const struct finding_path *path, size_t paths,
			  struct descriptors_held *ret)
{
	struct descriptors_held h = { .kernel_bytes = FACT_UNKNOWN, .oldest_s = NAN };
	struct descriptors_row row[DESCRIPTORS_KINDS_MAX];
	struct vote peer = {};
	size_t rows = 0;

	for (size_t i = 0; i < s->fd_count; i++) {
		const struct snap_fd *fd = &s->fds[i];
		struct descriptors_row *of;
		struct peer p;

		if (!is_of(fd, path, paths))
			continue;
		p = peers_find(&fd->fact);
		of = row_of(row, &rows, &p);
		if (of)
			row_add(of, &p, &fd->fact);
		vote(&peer, &fd->fact);
		h.count++;
		h.oldest_s = fmax(h.oldest_s, s->elapsed_s - fd->opened_s);
	}
	qsort(row, rows, sizeof(*row), compare_rows);
	for (size_t i = 0; i < rows; i++)
		native_join(&h.native, &row[i].native);
	for (size_t i = 0; i < rows; i++)
		if (row[i].kernel_bytes != FACT_UNKNOWN)
			h.kernel_bytes = row[i].kernel_bytes +
					 (h.kernel_bytes == FACT_UNKNOWN ? 0 : h.kernel_bytes);
	if (rows) {
		h.kind = row[0].kind;
		h.of_kind = row[0].count;
	}
	find_common_peer(s, path, paths, &peer, &h);
	*ret = h;
}
