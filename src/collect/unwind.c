/*
 * See unwind.h. A file is opened as it is mapped (/proc/PID/map_files): no name is followed. It is
 * looked at before it is opened for reading, for opening a device can have effects.
 */
#include "collect/unwind.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/vec.h"
#include "sys/elf.h"
#include "sys/mapfile.h"
#include "sys/vdso.h"
#include "unwind/table.h"

#define FILES_MAX 16384u /* of the map, too */
#define CODE_MAPPINGS_MAX 4096u
#define SHARD_BYTES (MT_UNWIND_SHARD_WORDS * sizeof(uint32_t))
#define RULE_SLOTS (MT_UNWIND_RULES + 2)
#define RULE_BYTES (RULE_SLOTS * sizeof(struct mt_unwind_rule))
#define RACACHE_BYTES (16384 * sizeof(uint64_t))
#define VDSO_TABLE_BYTES_MAX (64u << 10)
#define NSEC 1000000000ull

static const struct mt_file_key vdso_key = { .inode = MT_VDSO_INODE, .dev = MT_VDSO_DEV };

/* A file that was looked at; its table lies in the shards. */
struct known {
	struct mt_file_key at; /* by fstat(): BPF's key, or an overlay's */
	uint64_t size, changed_ns;
	uint64_t bytes;		       /* of its table */
	struct mt_unwind_piece *piece; /* owned */
	uint32_t count;
	struct mt_file_key
		published; /* under which BPF finds it: the last one that was asked for */
	bool is_published;
};

struct unwind {
	struct unwind_cfg cfg;
	struct unwind_dict *dict;     /* owned */
	struct mt_unwind_rule *rules; /* mapped */
	uint64_t *racache;	      /* mapped */
	size_t rules_written;
	uint32_t *shard[MT_UNWIND_SHARDS]; /* mapped */
	uint32_t used[MT_UNWIND_SHARDS];   /* words */
	uint32_t shards;
	struct known *known; /* owned */
	size_t known_count, known_cap;
	bool has_vdso;
	uint32_t text_age;
	struct unwind_stats stats;
};

static size_t page_round(size_t n)
{
	size_t page = sysconf(_SC_PAGESIZE);

	return (n + page - 1) / page * page;
}

static int map_of(int fd, size_t bytes, void *ret)
{
	void *p = mmap(NULL, page_round(bytes), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return -errno;
	*(void **)ret = p;
	return 0;
}

static void unmap(void *p, size_t bytes)
{
	if (p)
		munmap(p, page_round(bytes));
}

void unwind_free(struct unwind *u)
{
	if (!u)
		return;
	for (uint32_t i = 0; i < u->shards; i++)
		unmap(u->shard[i], SHARD_BYTES);
	unmap(u->rules, RULE_BYTES);
	unmap(u->racache, RACACHE_BYTES);
	for (size_t i = 0; i < u->known_count; i++)
		free(u->known[i].piece);
	free(u->known);
	unwind_dict_free(u->dict);
	free(u);
}

static void unwind_freep(struct unwind **u)
{
	unwind_free(*u);
}

int unwind_new(const struct unwind_cfg *cfg, struct unwind **ret)
{
	auto_clean(unwind_freep) struct unwind *u = calloc(1, sizeof(*u));
	int r;

	if (!u)
		return -ENOMEM;
	u->cfg = *cfg;
	r = unwind_dict_new(&u->dict);
	if (!r)
		r = map_of(cfg->rules, RULE_BYTES, &u->rules);
	if (!r)
		r = map_of(cfg->racache, RACACHE_BYTES, &u->racache);
	if (r)
		return r;
	*ret = steal(u);
	return 0;
}

/* --- where tables lie ----------------------------------------------------------------------- */

static int shard_add(struct unwind *u)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
	auto_close int fd = -1;
	uint32_t i = u->shards;
	int r;

	if (i == MT_UNWIND_SHARDS)
		return -ENOSPC;
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "shard", sizeof(uint32_t), SHARD_BYTES, 1, &opts);
	if (fd < 0)
		return fd;
	r = map_of(fd, SHARD_BYTES, &u->shard[i]);
	if (r)
		return r;
	if (bpf_map_update_elem(u->cfg.shards, &i, &fd, BPF_ANY)) {
		r = -errno;
		unmap(u->shard[i], SHARD_BYTES);
		return r;
	}
	u->used[i] = 0;
	u->shards++;
	return 0;
}

/* A place for n words: the number of the shard, or -ENOSPC and the like. */
static int shard_with_room(struct unwind *u, size_t n)
{
	int r;

	if (n > MT_UNWIND_SHARD_WORDS)
		return -ENOSPC;
	for (uint32_t i = 0; i < u->shards; i++)
		if (MT_UNWIND_SHARD_WORDS - u->used[i] >= n)
			return (int)i;
	r = shard_add(u);
	return r ? r : (int)u->shards - 1;
}

static int piece_store(struct unwind *u, const struct unwind_piece *p, struct mt_unwind_piece *ret)
{
	int shard = shard_with_room(u, p->count);

	if (shard < 0)
		return shard;
	*ret = (struct mt_unwind_piece){ .start = p->start,
					 .end = p->end,
					 .base = p->base,
					 .shard = shard,
					 .word = u->used[shard] };
	memcpy(u->shard[shard] + u->used[shard], p->words, p->count * sizeof(*p->words));
	u->used[shard] += p->count;
	return 0;
}

static void rules_store(struct unwind *u)
{
	size_t n;
	const struct mt_unwind_rule *rule = unwind_dict_rules(u->dict, &n);

	n = n < MT_UNWIND_RULES ? n : MT_UNWIND_RULES;
	for (; u->rules_written < n; u->rules_written++)
		u->rules[u->rules_written] = rule[u->rules_written];
}

/* Rules before the rows that name them; the entry that makes the pieces known comes last. */
static int table_store(struct unwind *u, const struct unwind_table *t, struct known *k)
{
	auto_free struct mt_unwind_piece *piece = calloc(t->count + 1, sizeof(*piece));
	uint32_t used[MT_UNWIND_SHARDS];
	uint64_t bytes = 0;

	if (!piece)
		return -ENOMEM;
	rules_store(u);
	memcpy(used, u->used, sizeof(used));
	for (size_t i = 0; i < t->count; i++) {
		int r = piece_store(u, &t->piece[i], &piece[i]);

		if (r) { /* nobody knows of what was stored */
			memcpy(u->used, used, u->shards * sizeof(*used));
			return r;
		}
		bytes += t->piece[i].count * sizeof(uint32_t);
	}
	k->piece = steal(piece);
	k->count = t->count;
	k->bytes = bytes;
	return 0;
}

/* --- files ---------------------------------------------------------------------------------- */

static void table_donep(struct unwind_table **t)
{
	if (*t)
		unwind_table_done(*t);
	free(*t);
}

/* Builds and stores the table. 0 also when there is none, or no room: k->count is 0 then. */
static int table_make(struct unwind *u, int fd, struct known *k)
{
	auto_clean(elf_closep) struct elf_file *f = NULL;
	auto_clean(table_donep) struct unwind_table *t = calloc(1, sizeof(*t));
	struct err err = { 0 };
	int r;

	if (!t)
		return -ENOMEM;
	r = elf_open_fd(fd, &f, &err);
	if (!r)
		r = unwind_table_build(f, u->dict, t, &err);
	if (r == -ENOMEM)
		return r;
	if (r && r != -ENOEXEC && r != -EOPNOTSUPP)
		u->stats.failed++;
	if (!r && t->count)
		r = table_store(u, t, k);
	if (r == -ENOSPC && !u->stats.refused++)
		log_debug("unwind tables: no more room, stacks will end at further files");
	if (k->count)
		u->stats.files++;
	u->stats.bytes += k->bytes;
	return r == -ENOMEM ? r : 0;
}

static bool key_equal(const struct mt_file_key *a, const struct mt_file_key *b)
{
	return a->inode == b->inode && a->dev == b->dev;
}

static struct known *known_find(struct unwind *u, const struct mt_file_key *at)
{
	for (size_t i = 0; i < u->known_count; i++)
		if (key_equal(&u->known[i].at, at))
			return &u->known[i];
	return NULL;
}

/* -ENOSPC, counted, or -ENOMEM. */
static int known_add(struct unwind *u, const struct mt_file_key *at, struct known **ret)
{
	int r = vec_reserve(&u->known, sizeof(*u->known), u->known_count, &u->known_cap, FILES_MAX);

	u->stats.refused += r == -ENOSPC;
	if (r)
		return r;
	u->known[u->known_count] = (struct known){ .at = *at };
	*ret = &u->known[u->known_count++];
	return 0;
}

/* The device as the kernel has it inside: 12 bits of major number, 20 of minor. */
static struct mt_file_key key_of(const struct stat *st)
{
	return (struct mt_file_key){ .inode = st->st_ino,
				     .dev = (uint64_t)major(st->st_dev) << 20 | minor(st->st_dev) };
}

static int publish(struct unwind *u, struct known *k, const struct mt_file_key *key, uint32_t size)
{
	auto_free struct mt_unwind_file *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	f->count = k->count;
	f->size = size;
	if (k->count)
		memcpy(f->piece, k->piece, k->count * sizeof(*k->piece));
	if (bpf_map_update_elem(u->cfg.files, key, f, BPF_ANY))
		return -errno;
	bpf_map_delete_elem(u->cfg.pending, key);
	k->published = *key;
	k->is_published = true;
	return 0;
}

/* Its table as it is now: made when the file is new, or another one under its number. */
static int file_learn(struct unwind *u, int fd, const struct stat *st, struct known **ret)
{
	struct mt_file_key at = key_of(st);
	uint64_t changed_ns = st->st_mtim.tv_sec * NSEC + st->st_mtim.tv_nsec;
	struct known *k = known_find(u, &at);
	uint64_t began_ns;
	int r;

	if (k && k->size == (uint64_t)st->st_size && k->changed_ns == changed_ns) {
		*ret = k;
		return 0;
	}
	r = k ? 0 : known_add(u, &at, &k);
	if (r)
		return r;
	free(k->piece);
	*k = (struct known){ .at = at,
			     .size = st->st_size,
			     .changed_ns = changed_ns,
			     .published = k->published,
			     .is_published = k->is_published };
	began_ns = clock_monotonic_ns();
	r = table_make(u, fd, k);
	u->stats.build_ns += clock_monotonic_ns() - began_ns;
	if (r) /* to be tried again */
		k->changed_ns = ~0ull;
	else if (k->is_published)
		r = publish(u, k, &k->published, st->st_size);
	*ret = k;
	return r;
}
/* --- mappings ------------------------------------------------------------------------------- */

/* Its table is known, and under which name. */
static int add_mapping(struct unwind *u, const struct unwind_process *p, const struct vma *v,
		       struct mt_mapping *ret, struct unwind_cost *cost)
{
	struct mt_file_key key;
	struct known *k;
	struct stat st;
	auto_close int fd = mapfile_open(p->root, p->pid, v->start, v->end, &st);
	int r;

	if (fd < 0)
		return fd; /* unmapped meanwhile, or not a file that can be read */
	r = file_learn(u, fd, &st, &k);
	if (r)
		return r;
	key = key_of(&st);
	if (!k->is_published)
		r = publish(u, k, &key, st.st_size);
	ret->file = k->published;
	ret->file_size = st.st_size;
	if (key.inode != cost->last.inode || key.dev != cost->last.dev) {
		cost->files++;
		cost->bytes += k->bytes;
	}
	cost->last = key;
	return r;
}

/* The kernel's code is in no file: it is copied out of the process. */
static int add_vdso(struct unwind *u, const struct unwind_process *p, const struct vma *v)
{
	auto_close int copy = -1;
	struct known *k;
	int r;

	if (u->has_vdso || v->end - v->start > VDSO_TABLE_BYTES_MAX)
		return 0;
	r = vdso_copy(p->root, p->pid, v->start, v->end, &copy);
	if (!r)
		r = known_add(u, &vdso_key, &k);
	if (!r)
		r = table_make(u, copy, k);
	if (r) /* stacks through it end there */
		return r == -ENOMEM ? r : 0;
	u->has_vdso = true;
	return publish(u, k, &vdso_key, 0) == -ENOMEM ? -ENOMEM : 0;
}

/* One executable mapping. -ENOMEM; others: the unwinder has to ask the kernel for it. */
static int add_code(struct unwind *u, const struct unwind_process *p, size_t i,
		    struct mt_mapping *m, struct unwind_cost *cost)
{
	const struct vma *v = &p->vma[i];

	*m = (struct mt_mapping){ .start = v->start, .end = v->end, .offset = v->file_offset };
	if (v->inode)
		return add_mapping(u, p, v, m, cost);
	if (strcmp(v->path, "[vdso]") == 0) {
		m->file = vdso_key;
		return add_vdso(u, p, v);
	}
	return v->path[0] && v->path[0] != '[' ? -ENOENT : 0;
}

int unwind_add_process(struct unwind *u, const struct unwind_process *p, struct unwind_cost *ret)
{
	auto_free struct mt_layout *l = calloc(1, sizeof(*l));
	struct unwind_cost cost = { .build_ns = u->stats.build_ns };
	size_t looked = 0;
	int r = 0;

	if (!l)
		return -ENOMEM;
	l->text = p->text;
	for (size_t i = 0; r != -ENOMEM && i < p->count && looked < CODE_MAPPINGS_MAX; i++) {
		struct mt_mapping m;

		if (!p->vma[i].executable)
			continue;
		looked++;
		r = add_code(u, p, i, &m, &cost);
		if (!r && l->count < MT_LAYOUT_MAPPINGS)
			l->map[l->count++] = m;
	}
	cost.build_ns = u->stats.build_ns - cost.build_ns;
	*ret = cost;
	if (r == -ENOMEM)
		return r;
	if (p->text != UNWIND_NO_TEXT) /* without it the kernel is asked */
		bpf_map_update_elem(u->cfg.layouts, &p->pid, l, BPF_ANY);
	return 0;
}

void unwind_remove_process(struct unwind *u, uint32_t pid)
{
	bpf_map_delete_elem(u->cfg.layouts, &pid);
}

int unwind_add_code(struct unwind *u, const char *root, const struct mt_ev_code *e)
{
	struct known none = { 0 };
	struct known *k;
	struct stat st;
	auto_close int fd = mapfile_open(root, e->hdr.tgid, e->start, e->end, &st);
	int r;

	if (fd == -EACCES) /* not a regular file, and so without a table */
		return publish(u, &none, &e->file, e->file_size) == -ENOMEM ? -ENOMEM : 0;
	if (fd < 0) { /* asked for again if it is ever met again */
		u->stats.gone++;
		bpf_map_delete_elem(u->cfg.pending, &e->file);
		return 0;
	}
	r = file_learn(u, fd, &st, &k);
	if (!r)
		r = publish(u, k, &e->file, e->file_size);
	return r == -ENOMEM ? r : 0;
}

void unwind_clear_cache(struct unwind *u)
{
	for (size_t i = 0; i < RACACHE_BYTES / sizeof(*u->racache); i++)
		__atomic_store_n(&u->racache[i], 0, __ATOMIC_RELAXED);
	__atomic_fetch_add(u->cfg.memo_epoch, 1, __ATOMIC_RELEASE);
}

void unwind_note_text(struct unwind *u, uint32_t next)
{
	uint32_t age = next >> (MT_TEXT_BITS - 1);

	if (age == u->text_age)
		return;
	u->text_age = age;
	unwind_clear_cache(u);
}

void unwind_get_stats(const struct unwind *u, struct unwind_stats *ret)
{
	*ret = u->stats;
}
