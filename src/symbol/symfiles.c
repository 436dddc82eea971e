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
#include "model/vec.h"
#include "symbol/symbolizer.h"
#include "symbol/symtable.h"
#include "sys/elf.h"

struct symfiles {
	struct symbolizer_cfg cfg;
	struct symfile *files; /* owned */
	size_t count, cap;
	uint64_t turn;
	struct symbolizer_stats stats; /* those about files and tables */
};

int symfiles_new(const struct symbolizer_cfg *cfg, struct symfiles **ret)
{
	struct symfiles *s;

	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->cfg = *cfg;
	*ret = s;
	return 0;
}

static void unload(struct symfiles *s, struct symfile *f)
{
	if (!f->table)
		return;
	s->stats.tables--;
	s->stats.table_bytes -= symtable_bytes(f->table);
	s->stats.tables_dropped++;
	symtable_freep(&f->table);
	elf_closep(&f->elf);
}

static void file_done(struct symfiles *s, struct symfile *f)
{
	unload(s, f);
	free(f->key);
	free(f->path);
}

void symfiles_free(struct symfiles *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->count; i++)
		file_done(s, &s->files[i]);
	free(s->files);
	free(s);
}

void symfiles_freep(struct symfiles **s)
{
	symfiles_free(*s);
	*s = NULL;
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
		s->files[s->count] = (struct symfile){ .number = (uint32_t)s->count };
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
	*oldest = (struct symfile){ .number = number };
	*ret = oldest;
	return 0;
}

/* The newest way to open a file is the likeliest to work: its process still runs. */
static int use_path(struct symfile *f, const char *path, uint64_t inode)
{
	char *copy;

	if (strcmp(f->path, path) == 0)
		return 0;
	copy = strdup(path);
	if (!copy)
		return -ENOMEM;
	free(f->path);
	f->path = copy;
	f->inode = inode;
	f->error = 0;
	return 0;
}

int symfiles_add(struct symfiles *s, const struct symbol_file *file, uint32_t *ret)
{
	auto_free char *key = NULL, *path = NULL;
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
		r = use_path(f, file->path, file->inode);
		if (r < 0)
			return r;
		f->used = ++s->turn;
		*ret = f->number;
		return 0;
	}
	path = strdup(file->path);
	if (!path)
		return -ENOMEM;
	r = take_slot(s, &f);
	if (r < 0)
		return r;
	f->key = steal(key);
	f->path = steal(path);
	f->has_build_id = file->build_id && file->build_id[0];
	f->inode = file->inode;
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

int symfiles_load(struct symfiles *s, struct symfile *f)
{
	auto_clean(elf_closep) struct elf_file *elf = NULL;
	int r;

	if (f->table || f->error)
		return f->error;
	stop_waiting(s, f);
	r = open_file(f, &elf);
	if (r == 0)
		r = symtable_build(elf, s->cfg.table_bytes_max, &f->table);
	if (r < 0) {
		f->error = passes(r) ? 0 : r;
		s->stats.files_failed++;
		return r;
	}
	f->elf = steal(elf);
	s->stats.tables++;
	s->stats.tables_built++;
	s->stats.table_bytes += symtable_bytes(f->table);
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
}
