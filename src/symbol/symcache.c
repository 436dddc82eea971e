/*
 * See symcache.h. Two open-addressed tables that double until they reach their limit. The traced
 * program chooses names and addresses, so a hash seed is drawn at start and a search gives up after
 * a few places: then a name is kept a second time, or an answer replaces another.
 */
#include "symbol/symcache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "model/arena.h"

#define PROBES_MAX 128 /* longer runs do not happen by chance at a load of a half */
#define SLOTS_MIN 256

struct answer {
	uint64_t vaddr;
	const char *name; /* borrowed: from the arena; NULL for nobody */
	uint32_t file;
	bool used;
};

struct symcache {
	uint64_t seed;
	struct arena arena; /* the names */
	size_t name_bytes, name_bytes_max;
	const char **names; /* owned; their text is in the arena */
	size_t name_slots, name_count;
	struct answer *answers; /* owned */
	size_t answer_slots, answer_count, answers_max;
};

static uint64_t mix(uint64_t h)
{
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93u;
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93u;
	return h ^ (h >> 32);
}

static uint64_t hash_name(const struct symcache *c, const char *name)
{
	uint64_t h = c->seed;

	for (; *name; name++)
		h = mix(h ^ (unsigned char)*name);
	return h;
}

static uint64_t hash_address(const struct symcache *c, uint32_t file, uint64_t vaddr)
{
	return mix(mix(c->seed ^ vaddr) + file);
}

int symcache_new(size_t name_bytes, size_t answers, struct symcache **ret)
{
	auto_clean(symcache_freep) struct symcache *c = NULL;

	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->name_bytes_max = name_bytes;
	c->answers_max = answers;
	c->name_slots = SLOTS_MIN;
	c->answer_slots = SLOTS_MIN;
	c->names = calloc(c->name_slots, sizeof(*c->names));
	c->answers = calloc(c->answer_slots, sizeof(*c->answers));
	if (!c->names || !c->answers)
		return -ENOMEM;
	if (getrandom(&c->seed, sizeof(c->seed), GRND_NONBLOCK) != sizeof(c->seed))
		c->seed = (uintptr_t)c; /* early in boot: a weaker secret, same results */
	*ret = steal(c);
	return 0;
}

void symcache_free(struct symcache *c)
{
	if (!c)
		return;
	arena_done(&c->arena);
	free(c->names);
	free(c->answers);
	free(c);
}

void symcache_freep(struct symcache **c)
{
	symcache_free(*c);
	*c = NULL;
}

size_t symcache_name_bytes(const struct symcache *c)
{
	return c->name_bytes;
}

/* The slot of name, or where it can go; NULL when the search gives up. */
static const char **find_name(struct symcache *c, const char **slots, size_t n, const char *name)
{
	const uint64_t h = hash_name(c, name);

	for (size_t i = 0; i < PROBES_MAX; i++) {
		const char **slot = &slots[(h + i) & (n - 1)];

		if (!*slot || strcmp(*slot, name) == 0)
			return slot;
	}
	return NULL;
}

static int grow_names(struct symcache *c)
{
	const size_t n = c->name_slots * 2;
	const char **more, **slot;

	if (c->name_count < c->name_slots / 2)
		return 0;
	more = calloc(n, sizeof(*more));
	if (!more)
		return -ENOMEM;
	for (size_t i = 0; i < c->name_slots; i++) {
		slot = c->names[i] ? find_name(c, more, n, c->names[i]) : NULL;
		if (slot)
			*slot = c->names[i];
	}
	free(c->names);
	c->names = more;
	c->name_slots = n;
	return 0;
}

int symcache_keep(struct symcache *c, const char *name, const char **ret)
{
	const size_t bytes = strlen(name) + 1;
	const char **slot, *kept;
	int r;

	slot = find_name(c, c->names, c->name_slots, name);
	if (slot && *slot) {
		*ret = *slot;
		return 0;
	}
	if (bytes > c->name_bytes_max - c->name_bytes)
		return -ENOSPC;
	r = grow_names(c);
	if (r < 0)
		return r;
	kept = arena_copy_text(&c->arena, name);
	if (!kept)
		return -ENOMEM;
	c->name_bytes += bytes;
	slot = find_name(c, c->names, c->name_slots, name);
	if (slot) {
		*slot = kept;
		c->name_count++;
	}
	*ret = kept;
	return 0;
}

/* The slot of the address, else a free one, else (every place taken) the first to replace. */
static struct answer *find_answer(const struct symcache *c, struct answer *slots, size_t n,
				  uint32_t file, uint64_t vaddr)
{
	const uint64_t h = hash_address(c, file, vaddr);
	struct answer *a;

	for (size_t i = 0; i < PROBES_MAX; i++) {
		a = &slots[(h + i) & (n - 1)];
		if (!a->used || (a->file == file && a->vaddr == vaddr))
			return a;
	}
	return &slots[h & (n - 1)];
}

void symcache_forget(struct symcache *c)
{
	memset(c->answers, 0, c->answer_slots * sizeof(*c->answers));
	c->answer_count = 0;
}

static int grow_answers(struct symcache *c)
{
	const size_t n = c->answer_slots * 2;
	struct answer *more;

	if (c->answer_count >= c->answers_max) {
		symcache_forget(c);
		return 0;
	}
	if (c->answer_count < c->answer_slots / 2)
		return 0;
	more = calloc(n, sizeof(*more));
	if (!more)
		return -ENOMEM;
	for (size_t i = 0; i < c->answer_slots; i++) {
		const struct answer *a = &c->answers[i];

		if (a->used)
			*find_answer(c, more, n, a->file, a->vaddr) = *a;
	}
	free(c->answers);
	c->answers = more;
	c->answer_slots = n;
	return 0;
}

int symcache_add(struct symcache *c, uint32_t file, uint64_t vaddr, const char *name)
{
	struct answer *a;
	int r;

	r = grow_answers(c);
	if (r < 0)
		return r;
	a = find_answer(c, c->answers, c->answer_slots, file, vaddr);
	c->answer_count += !a->used;
	*a = (struct answer){ .vaddr = vaddr, .name = name, .file = file, .used = true };
	return 0;
}

bool symcache_find(const struct symcache *c, uint32_t file, uint64_t vaddr, const char **ret)
{
	const struct answer *a = find_answer(c, c->answers, c->answer_slots, file, vaddr);

	if (!a->used || a->file != file || a->vaddr != vaddr)
		return false;
	*ret = a->name;
	return true;
}
