/*
 * See symbolizer.h. This file has the budget of time and the choice among names; symfiles.c has the
 * files and what of them is in memory, symtable.c the functions of one file, symcache.c the
 * answers.
 */
#include "symbol/symbolizer.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "symbol/demangle.h"
#include "symbol/lines.h"
#include "symbol/symcache.h"
#include "symbol/symfiles.h"
#include "symbol/symtable.h"
#include "sys/elf.h"

#define LINE_CHILDREN_MAX 16
#define LINE_ANSWERS_MAX ((size_t)16 << 10)
#define FETCH_WAIT_MS 20

struct symbolizer {
	struct symbolizer_cfg cfg;
	struct symcache *cache;	      /* owned */
	struct symfiles *files;	      /* owned */
	struct lines *lines;	      /* owned; NULL when they are not wanted */
	uint64_t budget_ns, spent_ns; /* of this tick */
	uint64_t names_refused;
};

static int start_lines(struct symbolizer *s)
{
	const struct lines_cfg cfg = {
		.worker = { .now_ns = s->cfg.now_ns,
			    .patience_ns = s->cfg.lines_patience_ns,
			    .children_max = LINE_CHILDREN_MAX },
		.names = s->cache,
		.answers_max = LINE_ANSWERS_MAX,
	};

	return s->cfg.lines ? lines_new(&cfg, &s->lines) : 0;
}

int symbolizer_new(const struct symbolizer_cfg *cfg, struct symbolizer **ret)
{
	auto_clean(symbolizer_freep) struct symbolizer *s = NULL;
	int r;

	if (!cfg->now_ns || !cfg->table_bytes_max || !cfg->name_bytes_max || !cfg->answers_max ||
	    !cfg->files_max || cfg->files_max > UINT32_MAX / 2 || !cfg->open_max)
		return -EINVAL;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->cfg = *cfg;
	r = symfiles_new(cfg, &s->files);
	if (r < 0)
		return r;
	r = symcache_new(cfg->name_bytes_max, cfg->answers_max, &s->cache);
	if (r == 0)
		r = start_lines(s);
	if (r < 0)
		return r;
	*ret = steal(s);
	return 0;
}

void symbolizer_free(struct symbolizer *s)
{
	if (!s)
		return;
	lines_free(s->lines);
	symfiles_free(s->files);
	symcache_free(s->cache);
	free(s);
}

void symbolizer_freep(struct symbolizer **s)
{
	symbolizer_free(*s);
	*s = NULL;
}

int symbolizer_add_file(struct symbolizer *s, const struct symbol_file *file, uint32_t *ret)
{
	return symfiles_add(s->files, file, ret);
}

static int leading_underscores(const char *name)
{
	return (int)strspn(name, "_");
}

/* Of equally good aliases the one that people write: malloc, not __libc_malloc. */
static bool reads_better(const char *a, const char *b)
{
	const int a_lead = leading_underscores(a), b_lead = leading_underscores(b);
	const size_t a_len = strlen(a), b_len = strlen(b);

	if (a_lead != b_lead)
		return a_lead < b_lead;
	if (a_len != b_len)
		return a_len < b_len;
	return strcmp(a, b) < 0;
}

/* One name as people know it: without symbol version, demangled. */
static int read_name(const struct symfile *f, const struct symbol_ref *ref, char *ret, size_t size)
{
	char raw[DEMANGLE_INPUT_BYTES];
	char *version;
	int r;

	r = elf_read_name(ref->extra ? f->extra : f->elf, ref->dynamic, ref->name_ref, raw,
			  sizeof(raw));
	if (r < 0)
		return r;
	version = strchr(raw + 1, '@');
	if (version)
		*version = '\0';
	demangle_name(raw, ret, size);
	return 0;
}

/* *ret becomes NULL when nobody covers vaddr or no name can be read. */
static int find_name(struct symbolizer *s, const struct symfile *f, uint64_t vaddr,
		     const char **ret)
{
	char best[DEMANGLE_NAME_BYTES] = "", name[DEMANGLE_NAME_BYTES];
	auto_strbuf struct strbuf clean = {};
	struct symbol_ref ref[SYMTABLE_ALIASES];
	size_t n;
	int r;

	n = symtable_find(f->table, vaddr, ref);
	for (size_t i = 0; i < n; i++) {
		if (read_name(f, &ref[i], name, sizeof(name)) < 0)
			continue;
		if (!best[0] || reads_better(name, best))
			memcpy(best, name, strlen(name) + 1);
	}
	if (!best[0]) {
		*ret = NULL;
		return 0;
	}
	r = str_add_clean_max(&clean, best, strlen(best), DEMANGLE_NAME_BYTES);
	if (r < 0)
		return r;
	r = symcache_keep(s->cache, strbuf_text(&clean), ret);
	s->names_refused += r == -ENOSPC;
	return r;
}

/* The file, in memory. -EAGAIN when loading it has to wait. */
static int get_loaded(struct symbolizer *s, uint32_t number, struct symfile **ret)
{
	struct symfile *f = symfiles_find(s->files, number);
	int r;

	if (!f)
		return -ESTALE;
	if (f->error)
		return f->error;
	if (s->spent_ns >= s->budget_ns) {
		if (!f->table)
			symfiles_await(s->files, f);
		return -EAGAIN;
	}
	r = symfiles_load(s->files, f);
	if (r < 0)
		return r;
	*ret = f;
	return 0;
}

void symbolizer_start_tick(struct symbolizer *s, uint64_t budget_ns)
{
	s->budget_ns = budget_ns;
	s->spent_ns = 0;
	if (s->lines)
		lines_receive(s->lines);
}

/* Of a cached answer, too, the file stays in use. */
static bool is_known(struct symbolizer *s, uint32_t file, uint64_t vaddr, const char **ret)
{
	if (!symcache_find(s->cache, file, vaddr, ret))
		return false;
	symfiles_find(s->files, file);
	return true;
}

int symbolizer_resolve(struct symbolizer *s, uint32_t file, uint64_t vaddr, const char **ret)
{
	const char *name = NULL;
	struct symfile *f;
	uint64_t began_ns;
	int r;

	if (is_known(s, file, vaddr, ret))
		return 0;
	began_ns = s->cfg.now_ns();
	r = get_loaded(s, file, &f);
	if (r == 0)
		r = find_name(s, f, vaddr, &name);
	if (r == 0)
		r = symcache_add(s->cache, file, vaddr, name);
	s->spent_ns += s->cfg.now_ns() - began_ns;
	if (r < 0)
		return r;
	*ret = name;
	return 0;
}

/* As lines_find(), of a file that may have to be loaded again. */
static int find_lines(struct symbolizer *s, uint32_t number, uint64_t vaddr,
		      struct symbol_frame *ret, size_t *ret_count)
{
	struct line_file file = { .number = number };
	struct symfile *f = symfiles_find(s->files, number);
	int r;

	if (!s->lines || !f || f->lineless)
		return -ENOENT;
	r = get_loaded(s, number, &f);
	if (r < 0 || !f->dwarf)
		return r < 0 ? r : -ENOENT;
	file.fd = elf_fd(f->dwarf);
	file.shared_fd = f->shared ? elf_fd(f->shared) : -1;
	return lines_find(s->lines, &file, vaddr, ret, ret_count);
}

/* Whether the debug file of a file is still to come from a server. */
static bool is_fetching(struct symbolizer *s, uint32_t number)
{
	const struct symfile *f = symfiles_find(s->files, number);

	return f && f->fetching;
}

/* One that has come changes what is known of its file. */
static void take_fetched(struct symbolizer *s, uint32_t number)
{
	if (is_fetching(s, number) && symfiles_fetch(s->files, symfiles_find(s->files, number)))
		symcache_forget(s->cache);
}

int symbolizer_explain(struct symbolizer *s, uint32_t file, uint64_t vaddr,
		       struct symbol_frame ret[static SYMBOL_FRAMES_MAX], size_t *ret_count,
		       bool *ret_more)
{
	const char *name;
	uint64_t began_ns;
	size_t count = 0;
	int r;

	take_fetched(s, file);
	r = symbolizer_resolve(s, file, vaddr, &name);
	if (r < 0)
		return r;
	began_ns = s->cfg.now_ns();
	r = find_lines(s, file, vaddr, ret, &count);
	s->spent_ns += s->cfg.now_ns() - began_ns;
	*ret_more = r == -EAGAIN || is_fetching(s, file);
	if (count == 0)
		ret[count++] = (struct symbol_frame){};
	if (name) /* of the file itself: it may say more, such as which clone it is */
		ret[count - 1].symbol = name;
	*ret_count = count;
	return 0;
}

bool symbolizer_wait(struct symbolizer *s, uint64_t wait_ns)
{
	if (s->lines && !lines_wait(s->lines, wait_ns))
		return false;
	if (!symfiles_is_fetching(s->files))
		return true;
	poll(NULL, 0, FETCH_WAIT_MS);
	return false;
}

void symbolizer_get_stats(const struct symbolizer *s, struct symbolizer_stats *ret)
{
	struct symbolizer_stats stats = { .names_refused = s->names_refused };

	symfiles_get_stats(s->files, &stats);
	stats.name_bytes = symcache_name_bytes(s->cache);
	if (s->lines)
		lines_get_stats(s->lines, &stats);
	*ret = stats;
}
