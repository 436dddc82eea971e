/* See descriptors.h. */
#include "analyse/descriptors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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

static void row_add(struct descriptors_row *row, const struct peer *p, const struct fd_fact *f)
{
	row->count++;
	row->confidence += (p->confidence - row->confidence) / (double)row->count;
	if (p->confidence < row->least) {
		row->least = p->confidence;
		row->evidence = p->evidence;
	}
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

static bool is_of(const struct snap_fd *fd, const struct finding_path *path, size_t paths)
{
	for (size_t i = 0; i < paths && fd->site_id; i++)
		if (path[i].site_id == fd->site_id)
			return true;
	return false;
}

void descriptors_of_sites(const struct snapshot *s, const struct finding_path *path, size_t paths,
			  struct descriptors_held *ret)
{
	struct descriptors_held h = { .kernel_bytes = FACT_UNKNOWN, .oldest_s = NAN };
	struct descriptors_row row[DESCRIPTORS_KINDS_MAX];
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
		h.count++;
		h.oldest_s = fmax(h.oldest_s, s->elapsed_s - fd->opened_s);
	}
	qsort(row, rows, sizeof(*row), compare_rows);
	for (size_t i = 0; i < rows; i++)
		if (row[i].kernel_bytes != FACT_UNKNOWN)
			h.kernel_bytes = row[i].kernel_bytes +
					 (h.kernel_bytes == FACT_UNKNOWN ? 0 : h.kernel_bytes);
	if (rows) {
		h.kind = row[0].kind;
		h.of_kind = row[0].count;
	}
	*ret = h;
}
