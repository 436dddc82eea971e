/*
 * See modules.h. A file is known by device, inode and path. Paths and everything an ELF file says
 * of itself are the target's to choose.
 */
#include "model/modules.h"

#include "base/cleanup.h"
#include "base/search.h"
#include "base/str.h"
#include "base/vec.h"

#define DELETED_SUFFIX " (deleted)"

struct modules {
	struct module **module; /* owned, each too */
	size_t n, cap, limit;
	struct map_line *line; /* owned, sorted by address */
	size_t lines, line_limit;
	char exe[FACT_PATH_BYTES]; /* "": not known */
	char exe_name[64];	   /* what people call it; "": its file name */
	uint64_t read_ns;
	uint64_t refused; /* in the worst reading */
};

int modules_new(size_t limit, size_t line_limit, struct modules **ret)
{
	struct modules *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->limit = limit < MODULE_NONE ? limit : MODULE_NONE - 1;
	t->line_limit = line_limit;
	*ret = t;
	return 0;
}

void modules_free(struct modules *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n; i++)
		free(t->module[i]);
	free(t->module);
	free(t->line);
	free(t);
}

static bool module_is(const struct module *m, const struct vma *v)
{
	return m->inode == v->inode && m->dev == v->dev && strcmp(m->path, v->path) == 0;
}

/* Finds or adds the module of a line; `hint` is where the line before found its own. */
static uint32_t module_of(struct modules *t, const struct vma *v, uint32_t hint)
{
	struct module *m;

	if (hint < t->n && module_is(t->module[hint], v))
		return hint;
	for (size_t i = 0; i < t->n; i++)
		if (module_is(t->module[i], v))
			return (uint32_t)i;
	if (vec_reserve(&t->module, sizeof(*t->module), t->n, &t->cap, t->limit) < 0)
		return MODULE_NONE;
	m = calloc(1, sizeof(*m));
	if (!m)
		return MODULE_NONE;
	memcpy(m->path, v->path, sizeof(m->path));
	m->path[sizeof(m->path) - 1] = '\0';
	m->dev = v->dev;
	m->inode = v->inode;
	t->module[t->n] = m;
	return (uint32_t)t->n++;
}

/* Length of a path without the mark of a file that has no name any more. */
static size_t path_len(const char *path)
{
	size_t len = strlen(path), suffix = strlen(DELETED_SUFFIX);

	if (len > suffix && strcmp(path + len - suffix, DELETED_SUFFIX) == 0)
		return len - suffix;
	return len;
}

static bool path_is(const char *a, const char *b)
{
	size_t len = path_len(a);

	return len == path_len(b) && memcmp(a, b, len) == 0;
}

/* Without a known path the executable is taken to be the module at the lowest address. */
static void modules_find_exe(struct modules *t)
{
	struct module *found = NULL;

	for (size_t i = 0; i < t->n; i++) {
		struct module *m = t->module[i];

		m->main_exe = false;
		if (t->exe[0] ? !found && path_is(m->path, t->exe)
			      : m->end && !module_is_special(m) &&
					(!found || m->start < found->start))
			found = m;
	}
	if (found)
		found->main_exe = true;
}

/* Enters a line's module. Returns false when it could not be entered. */
static bool line_set_module(struct modules *t, struct map_line *l, const struct vma *v,
			    uint32_t *hint)
{
	struct module *m;

	if ((v->kind != VMA_FILE && v->kind != VMA_SPECIAL) || !v->executable)
		return true;
	l->module = *hint = module_of(t, v, *hint);
	if (l->module == MODULE_NONE)
		return false;
	m = t->module[l->module];
	if (m->end == 0) {
		m->start = v->start;
		m->end = v->end;
		m->deleted = v->deleted;
	}
	return true;
}

int modules_set_vmas(struct modules *t, const struct vma *vma, size_t n, uint64_t now_ns)
{
	size_t kept = n < t->line_limit ? n : t->line_limit, used = 0;
	uint64_t refused = n - kept;
	uint32_t hint = MODULE_NONE;
	struct map_line *line;

	line = calloc(kept ? kept : 1, sizeof(*line));
	if (!line)
		return -ENOMEM;
	for (size_t i = 0; i < t->n; i++)
		t->module[i]->start = t->module[i]->end = 0;
	for (size_t i = 0; i < kept; i++) {
		const struct vma *v = &vma[i];

		if (v->start >= v->end || (used && v->start < line[used - 1].end))
			continue;
		line[used] = (struct map_line){ v->start,    v->end,	       v->file_offset,
						MODULE_NONE, (uint8_t)v->kind, v->executable };
		refused += !line_set_module(t, &line[used], v, &hint);
		used++;
	}
	free(t->line);
	t->line = line;
	t->lines = used;
	t->read_ns = now_ns;
	if (refused > t->refused)
		t->refused = refused;
	modules_find_exe(t);
	return 0;
}

/* Index of the first line that ends after addr. */
static size_t line_after(const struct modules *t, uint64_t addr)
{
	return search_first(t->lines, i, t->line[i].end <= addr);
}

bool modules_touch(struct modules *t, uint64_t start, uint64_t end, uint64_t now_ns)
{
	bool code = false;

	if (now_ns <= t->read_ns)
		return false;
	for (size_t i = line_after(t, start); i < t->lines && t->line[i].start < end; i++) {
		code |= t->line[i].executable && !t->line[i].stale;
		t->line[i].stale = true;
	}
	return code;
}

size_t modules_line_count(const struct modules *t)
{
	return t->lines;
}

const struct map_line *modules_lines(const struct modules *t)
{
	return t->line;
}

const struct map_line *modules_line_of(const struct modules *t, uint64_t addr)
{
	size_t i = line_after(t, addr);

	if (i == t->lines || t->line[i].start > addr || t->line[i].stale)
		return NULL;
	return &t->line[i];
}

size_t modules_count(const struct modules *t)
{
	return t->n;
}

const struct module *modules_at(const struct modules *t, uint32_t index)
{
	return index < t->n ? t->module[index] : NULL;
}

uint64_t modules_refused(const struct modules *t)
{
	return t->refused;
}

int modules_describe(struct modules *t, uint32_t index, const struct module_fact *fact,
		     bool allocator)
{
	struct module *m;

	if (index >= t->n)
		return -ENOENT;
	m = t->module[index];
	if (fact)
		m->fact = *fact;
	m->fact.build_id[sizeof(m->fact.build_id) - 1] = '\0';
	if (m->fact.alloc_count > MODULE_ALLOCS)
		m->fact.alloc_count = MODULE_ALLOCS;
	if (m->fact.segment_count > MODULE_SEGMENTS)
		m->fact.segment_count = MODULE_SEGMENTS;
	m->allocator = allocator;
	m->described = true;
	return 0;
}

void modules_set_exe(struct modules *t, const char *path)
{
	size_t len = path_len(path), room = sizeof(t->exe) - 1;
	const char *tail = len > room ? path + len - room : path;

	len = len > room ? room : len;
	memcpy(t->exe, tail, len);
	t->exe[len] = '\0';
	modules_find_exe(t);
}

void modules_set_exe_name(struct modules *t, const char *name)
{
	snprintf(t->exe_name, sizeof(t->exe_name), "%s", name);
}

const char *modules_exe_name(const struct modules *t)
{
	return t->exe_name;
}

bool module_is_special(const struct module *m)
{
	return m->path[0] == '[';
}

bool modules_line_has_module(const struct map_line *l)
{
	return l->kind == VMA_FILE || l->kind == VMA_SPECIAL;
}

const char *module_name(const struct module *m)
{
	return str_file_name(m->path);
}

uint64_t module_vaddr(const struct module *m, uint64_t file_offset)
{
	for (uint32_t i = 0; i < m->fact.segment_count; i++) {
		uint64_t into = file_offset - m->fact.segment[i].file_offset;

		if (file_offset >= m->fact.segment[i].file_offset && into < m->fact.segment[i].size)
			return m->fact.segment[i].vaddr + into;
	}
	return file_offset;
}
