/*
 * Reading of /proc/PID/maps. The kernel hands out about one page of text per read() and lets the
 * process go on in between, so a mapping that grew may reach back over one already seen: it is
 * clipped to what is new, which keeps the table sorted whatever the file says.
 */
#include "sys/maps.h"

#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <errno.h>

#include "base/cleanup.h"
#include "base/search.h"
#include "base/vec.h"
#include "sys/procio.h"
#include "sys/scan.h"

static bool scan_range(const char **at, const char *end, struct vma *v)
{
	return scan_u64(at, end, 16, &v->start) && scan_char(at, end, '-') &&
	       scan_u64(at, end, 16, &v->end) && v->start < v->end && scan_char(at, end, ' ');
}

static bool scan_flags(const char **at, const char *end, struct vma *v)
{
	const char *p = *at;

	if (end - p < 5 || p[4] != ' ' || (p[3] != 'p' && p[3] != 's'))
		return false;
	v->readable = p[0] == 'r';
	v->writable = p[1] == 'w';
	v->executable = p[2] == 'x';
	v->shared = p[3] == 's';
	*at += 5;
	return true;
}

static bool scan_file(const char **at, const char *end, struct vma *v)
{
	uint64_t major, minor;

	if (!scan_u64(at, end, 16, &v->file_offset) || !scan_char(at, end, ' ') ||
	    !scan_u64(at, end, 16, &major) || !scan_char(at, end, ':') ||
	    !scan_u64(at, end, 16, &minor) || !scan_char(at, end, ' ') ||
	    !scan_u64(at, end, 10, &v->inode))
		return false;
	v->dev = makedev(major, minor);
	return *at == end || **at == ' ';
}

/* Names in brackets are the kernel's own only where no file is behind them. */
static enum vma_kind kind_without_file(const char *name, size_t len, bool shared)
{
	if (len == 0)
		return shared ? VMA_SHM : VMA_ANON;
	if (scan_begins(name, len, "[heap]"))
		return VMA_HEAP;
	if (scan_begins(name, len, "[stack]") || scan_begins(name, len, "[stack:"))
		return VMA_STACK;
	if (scan_begins(name, len, "[anon_shmem:"))
		return VMA_SHM;
	if (scan_begins(name, len, "[anon:"))
		return shared ? VMA_SHM : VMA_ANON;
	return name[0] == '[' ? VMA_SPECIAL : VMA_FILE;
}

static bool path_is(const char *path, size_t len, const char *name)
{
	return len == strlen(name) && scan_begins(path, len, name);
}

static enum vma_kind kind_with_file(const char *path, size_t len, const struct vma *v)
{
	/* Shared memory without a name is a deleted /dev/zero; a private one is plain memory. */
	if (path_is(path, len, "/dev/zero") || path_is(path, len, "/anon_hugepage"))
		return v->shared ? VMA_SHM : VMA_ANON;
	if (v->executable && !v->shared) /* a program run from a memfd is a file like any other */
		return VMA_FILE;
	if (scan_begins(path, len, "/memfd:") || scan_begins(path, len, "/dev/shm/") ||
	    (v->deleted && scan_begins(path, len, "/SYSV")) ||
	    scan_begins(path, len, "[anon_shmem:"))
		return VMA_SHM;
	return VMA_FILE;
}

bool maps_parse_line(const char *line, const char *end, struct vma *ret)
{
	const char *at = line;
	struct vma v = {};
	size_t len;

	if (!scan_range(&at, end, &v) || !scan_flags(&at, end, &v) || !scan_file(&at, end, &v))
		return false;
	scan_blanks(&at, end);
	len = end - at;
	if (scan_ends(at, len, " (deleted)")) {
		v.deleted = true;
		len -= strlen(" (deleted)");
	}
	v.kind = v.inode == 0 && v.dev == 0 ? kind_without_file(at, len, v.shared)
					    : kind_with_file(at, len, &v);
	if (len > sizeof(v.path) - 1) {
		at += len - (sizeof(v.path) - 1);
		len = sizeof(v.path) - 1;
	}
	memcpy(v.path, at, len);
	*ret = v;
	return true;
}

/* False when nothing of it lies behind the mappings seen so far. */
static bool clip_to_new(const struct vma_table *t, struct vma *v)
{
	uint64_t seen = t->count ? t->vma[t->count - 1].end : 0;

	if (v->end <= seen)
		return false;
	if (v->start < seen) {
		if (v->inode)
			v->file_offset += seen - v->start;
		v->start = seen;
	}
	return true;
}

int maps_read(const char *root, uint32_t pid, struct vma_table *ret)
{
	auto_clean(maps_done) struct vma_table t = {};
	struct procio_lines lines;
	const char *line, *end;
	auto_close int fd = -1;
	size_t capacity = 0;
	int r;

	r = procio_open(root, pid, "maps", &fd);
	if (r < 0)
		return r;
	procio_lines_init(&lines, fd);
	while ((r = procio_next_line(&lines, &line, &end)) > 0) {
		if (t.count == MAPS_LINES_MAX) {
			t.refused++;
			continue;
		}
		r = vec_reserve(&t.vma, sizeof(*t.vma), t.count, &capacity, SIZE_MAX);
		if (r < 0)
			return r;
		if (maps_parse_line(line, end, &t.vma[t.count]) && clip_to_new(&t, &t.vma[t.count]))
			t.count++;
		else
			t.refused++;
	}
	if (r < 0)
		return r;
	*ret = (struct vma_table){ steal(t.vma), t.count, t.refused + lines.refused };
	return 0;
}

void maps_done(struct vma_table *table)
{
	free(table->vma);
	*table = (struct vma_table){};
}

const struct vma *maps_find(const struct vma_table *table, uint64_t address)
{
	size_t low = search_first(table->count, i, table->vma[i].end <= address);

	if (low == table->count || address < table->vma[low].start)
		return NULL;
	return &table->vma[low];
}
