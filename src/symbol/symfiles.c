/*
 * See symfiles.h. A file number is its slot plus a multiple of files_max, so that the number of a
 * slot that was given away is recognised.
 */
#include "symbol/symfiles.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "base/vec.h"
#include "symbol/debugfile.h"
#include "symbol/fetch.h"
#include "symbol/minidebug.h"
#include "symbol/symbolizer.h"
#include "symbol/symtable.h"
#include "sys/elf.h"

#define FETCH_PATIENCE_NS 60000000000u

struct symfiles {
	struct symbolizer_cfg cfg;
	struct fetcher *fetcher; /* owned; NULL when nobody is to be asked */
	struct symfile *files;	 /* owned */
	size_t count, cap;
	uint64_t turn;
	struct symbolizer_stats stats; /* those about files and tables */
};

int symfiles_new(const struct symbolizer_cfg *cfg, struct symfiles **ret)
{
	const struct fetcher_cfg fetch = { cfg->now_ns, FETCH_PATIENCE_NS };
	struct symfiles *s;

	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->cfg = *cfg;
	if (cfg->debuginfod && fetcher_new(&fetch, &s->fetcher) < 0) {
		free(s);
		return -ENOMEM;
	}
	*ret = s;
	return 0;
}

static void close_files(struct symfile *f)
{
	symtable_freep(&f->table);
	debug_search_freep(&f->search);
	elf_closep(&f->shared);
	elf_closep(&f->extra);
	elf_closep(&f->elf);
	f->dwarf = NULL;
	f->packed = false;
}

static void unload(struct symfiles *s, struct symfile *f)
{
	if (f->table) {
		s->stats.tables--;
		s->stats.table_bytes -= f->bytes;
		s->stats.tables_dropped++;
	}
	close_files(f);
}

static void file_done(struct symfiles *s, struct symfile *f)
{
	unload(s, f);
	close_fd(&f->fetched_fd);
	free(f->key);
	free(f->path);
	free(f->name);
	free(f->root);
}

void symfiles_free(struct symfiles *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->count; i++)
		file_done(s, &s->files[i]);
	free(s->files);
	fetcher_free(s->fetcher);
	free(s);
}

static int make_key(const struct symbol_file *file, char **ret)
{
	const char *name = file->name && file->name[0] ? file->name : file->path;
	auto_strbuf struct strbuf b = {};
	int r;

	if (file->build_id && file->build_id[0])
		r = strbuf_add(&b, file->build_id);
	else
		r = strbuf_printf(&b, "%llx:%llx:%s", (unsigned long long)file->dev,
				  (unsigned long long)file->inode, name);
	return r < 0 ? r : strbuf_take(&b, ret);
}

static struct symfile *find_key(struct symfiles *s, const char *key)
{
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->files[i].key, key) == 0)
			return &s->files[i];
	return NULL;
}

static void stop_waiting(struct symfiles *s, struct symfile *f)
{
	s->stats.files_pending -= f->pending;
	f->pending = false;
}

/* A free slot with its new number; when there is none, that of the least recently used file. */
static int take_slot(struct symfiles *s, struct symfile **ret)
{
	struct symfile *oldest = s->files;
	uint32_t number;
	int r;

	r = vec_reserve(&s->files, sizeof(*s->files), s->count, &s->cap, s->cfg.files_max);
	if (r == 0) {
		s->files[s->count] =
			(struct symfile){ .number = (uint32_t)s->count, .fetched_fd = -1 };
		*ret = &s->files[s->count++];
		return 0;
	}
	if (r != -ENOSPC)
		return r;
	for (size_t i = 1; i < s->count; i++)
		if (s->files[i].used < oldest->used)
			oldest = &s->files[i];
	number = oldest->number;
	if (__builtin_add_overflow(number, (uint32_t)s->cfg.files_max, &number))
		return -ENOSPC;
	stop_waiting(s, oldest);
	file_done(s, oldest);
	*oldest = (struct symfile){ .number = number, .fetched_fd = -1 };
	*ret = oldest;
	return 0;
}

static int replace_text(char **to, const char *text)
{
	char *copy = NULL;

	if (text && text[0]) {
		copy = strdup(text);
		if (!copy)
			return -ENOMEM;
	}
	free(*to);
	*to = copy;
	return 0;
}

/* The newest way to open a file is the likeliest to work: its process still runs. */
static int use_path(struct symfile *f, const struct symbol_file *file)
{
	if (f->path && strcmp(f->path, file->path) == 0)
		return 0;
	if (replace_text(&f->name, file->name) < 0 || replace_text(&f->root, file->root) < 0 ||
	    replace_text(&f->path, file->path) < 0)
		return -ENOMEM;
	f->inode = file->inode;
	f->error = 0;
	return 0;
}

int symfiles_add(struct symfiles *s, const struct symbol_file *file, uint32_t *ret)
{
	auto_free char *key = NULL;
	struct symfile made = { .fetched_fd = -1 };
	struct symfile *f;
	int r;

	if (!file->path || !file->path[0])
		return -EINVAL;
	if (strnlen(file->path, PATH_MAX) == PATH_MAX)
		return -ENAMETOOLONG;
	r = make_key(file, &key);
	if (r < 0)
		return r;
	f = find_key(s, key);
	if (f) {
		r = use_path(f, file);
		if (r < 0)
			return r;
		f->used = ++s->turn;
		*ret = f->number;
		return 0;
	}
	r = use_path(&made, file);
	if (r == 0)
		r = take_slot(s, &f);
	if (r < 0) {
		file_done(s, &made);
		return r;
	}
	made.number = f->number;
	made.key = steal(key);
	made.has_build_id = file->build_id && file->build_id[0];
	*f = made;
	f->used = ++s->turn;
	*ret = f->number;
	return 0;
}

/* The path may name something else by now: a pipe that would block, a file put in its place. */
static int open_file(const struct symfile *f, struct elf_file **ret)
{
	auto_clean(elf_closep) struct elf_file *elf = NULL;
	struct module_fact fact;
	auto_close int fd = -1;
	struct stat st;
	int r;

	fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	r = elf_open_fd(fd, &elf, NULL);
	if (r < 0)
		return r;
	elf_describe(elf, &fact);
	if (f->has_build_id ? strcmp(fact.build_id, f->key) != 0
			    : f->inode != 0 && f->inode != st.st_ino)
		return -ENOENT;
	*ret = steal(elf);
	return 0;
}

static void make_room(struct symfiles *s, const struct symfile *keep)
{
	struct symfile *oldest;

	while (s->stats.table_bytes > s->cfg.table_bytes_max || s->stats.tables > s->cfg.open_max) {
		oldest = NULL;
		for (size_t i = 0; i < s->count; i++) {
			struct symfile *f = &s->files[i];

			if (f->table && f != keep && (!oldest || f->used < oldest->used))
				oldest = f;
		}
		if (!oldest)
			return;
		unload(s, oldest);
	}
}

/* Failures of this process rather than of the file: the next tick may have more luck. */
static bool passes(int error)
{
	return error == -ENOMEM || error == -EMFILE || error == -ENFILE || error == -EINTR;
}

void symfiles_await(struct symfiles *s, struct symfile *f)
{
	s->stats.files_pending += !f->pending;
	f->pending = true;
}

/* 1, 0 or -ENOMEM. */
static int has_lines(const struct elf_file *elf)
{
	int r = elf_has_section(elf, ".debug_info");

	return r ? r : elf_has_section(elf, ".zdebug_info");
}

static struct debug_place place_of(const struct symfiles *s, const struct symfile *f)
{
	return (struct debug_place){
		.root = f->root,
		.host = s->cfg.host_root,
		.name = f->name,
		.build_id = f->has_build_id ? f->key : NULL,
	};
}

/* The symbols that a stripped file still has in it, packed. */
static int find_packed(struct symfiles *s, struct symfile *f)
{
	int r;

	if (elf_has_symtab(f->elf))
		return 0;
	r = minidebug_open(f->elf, &f->extra);
	f->packed = r == 0;
	s->stats.debug_refused += r == -EBADMSG || r == -EFBIG;
	s->stats.debug_files += r == 0;
	return r == -ENOMEM ? r : 0;
}

static void count_refusals(struct symfiles *s, const struct debug_refusals *n)
{
	s->stats.debug_refused += n->broken;
	s->stats.debug_mismatched += n->mismatched;
}

/* A debug file that came from a server, or comes later: what there is serves until then. */
static int find_fetched(struct symfiles *s, struct symfile *f)
{
	struct debug_refusals refused = {};
	int r = -ENOENT;

	if (f->fetched_fd < 0 && s->fetcher && f->has_build_id)
		f->fetching = fetcher_get(s->fetcher, f->key, &f->fetched_fd) == -EAGAIN;
	if (f->fetched_fd >= 0) {
		r = debug_file_open(f->fetched_fd, f->key, &refused, &f->extra);
		count_refusals(s, &refused);
		close_fd(&f->fetched_fd);
		f->fetched_fd = -1;
	}
	return r;
}

bool symfiles_is_fetching(const struct symfiles *s)
{
	return s->fetcher && fetcher_is_busy(s->fetcher);
}

bool symfiles_fetch(struct symfiles *s, struct symfile *f)
{
	int r = fetcher_get(s->fetcher, f->key, &f->fetched_fd);

	f->fetching = r == -EAGAIN;
	if (r < 0)
		return false;
	unload(s, f);
	f->lineless = false;
	return true;
}

/* What tells more than the file itself: a debug file, else packed symbols. */
static int find_extra(struct symfiles *s, struct symfile *f)
{
	const struct debug_place place = place_of(s, f);
	struct debug_refusals refused;
	int r = elf_has_symtab(f->elf) ? has_lines(f->elf) : 0;

	if (r)
		return r < 0 ? r : 0;
	if (!f->search)
		r = debug_search_new(f->elf, &place, &f->search);
	if (r == 0)
		r = debug_search_step(f->search, &f->extra);
	if (r < 0 && r != -ENOENT)
		return r;
	refused = debug_search_refusals(f->search);
	count_refusals(s, &refused);
	if (r < 0)
		r = find_fetched(s, f);
	if (r < 0 && r != -ENOENT)
		return r;
	s->stats.debug_files += r == 0;
	return r == 0 ? 0 : find_packed(s, f);
}

static int find_shared(struct symfiles *s, struct symfile *f)
{
	const char *path = f->dwarf == f->extra ? debug_search_path(f->search) : f->name;
	const struct debug_place place = place_of(s, f);
	struct debug_refusals refused = {};
	int r;

	r = debug_file_open_shared(f->dwarf, path, &place, &refused, &f->shared);
	count_refusals(s, &refused);
	s->stats.debug_files += r == 0;
	return r == -ENOENT ? 0 : r;
}

/* Which file has the lines, if any. */
static int choose_dwarf(struct symfiles *s, struct symfile *f)
{
	const struct elf_file *one = f->elf;
	int r = has_lines(one);

	if (r == 0) {
		one = f->packed ? NULL : f->extra;
		r = one ? has_lines(one) : 0;
	}
	if (r <= 0)
		return r;
	if (elf_file_bytes(one) > DEBUG_FILE_BYTES_MAX) {
		s->stats.debug_refused++;
		return 0;
	}
	f->dwarf = one;
	return find_shared(s, f);
}

static int load(struct symfiles *s, struct symfile *f)
{
	int r = 0;

	if (!f->elf)
		r = open_file(f, &f->elf);
	if (r == 0)
		r = find_extra(s, f);
	if (r == 0)
		r = choose_dwarf(s, f);
	if (r == 0)
		r = symtable_build(f->elf, f->extra, s->cfg.table_bytes_max, &f->table);
	if (r != -EAGAIN)
		debug_search_freep(&f->search);
	return r;
}

int symfiles_load(struct symfiles *s, struct symfile *f)
{
	int r;

	if (f->table || f->error)
		return f->error;
	stop_waiting(s, f);
	r = load(s, f);
	if (r == -EAGAIN) {
		symfiles_await(s, f);
		return r;
	}
	if (r < 0) {
		close_files(f);
		f->error = passes(r) ? 0 : r;
		s->stats.files_failed++;
		return r;
	}
	f->lineless = !f->dwarf;
	f->bytes = symtable_bytes(f->table);
	if (f->packed)
		f->bytes += elf_file_bytes(f->extra);
	s->stats.tables++;
	s->stats.tables_built++;
	s->stats.table_bytes += f->bytes;
	make_room(s, f);
	return 0;
}

struct symfile *symfiles_find(struct symfiles *s, uint32_t number)
{
	const size_t slot = number % s->cfg.files_max;

	if (slot >= s->count || s->files[slot].number != number)
		return NULL;
	s->files[slot].used = ++s->turn;
	return &s->files[slot];
}

void symfiles_get_stats(const struct symfiles *s, struct symbolizer_stats *ret)
{
	const struct symbolizer_stats *own = &s->stats;

	ret->tables_built = own->tables_built;
	ret->tables_dropped = own->tables_dropped;
	ret->files_failed = own->files_failed;
	ret->files_pending = own->files_pending;
	ret->tables = own->tables;
	ret->table_bytes = own->table_bytes;
	ret->debug_files = own->debug_files;
	if (s->fetcher)
		ret->fetch_unavailable = fetcher_is_unavailable(s->fetcher);
	ret->debug_refused = own->debug_refused;
	ret->debug_mismatched = own->debug_mismatched;
}
