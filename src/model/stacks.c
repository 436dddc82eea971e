/* See stacks.h. Frames in an array, found by program counter through an open hash table. */
#include "model/stacks.h"

#include "base/cleanup.h"
#include "base/str.h"
#include "base/vec.h"

#define SLOT_EMPTY UINT32_MAX
#define SYMBOL_MAX 1024 /* longer names are cut: C++ can make them arbitrarily long */
#define CYCLE_MAX 16	/* frames of a recursion through several functions */

#define FNV_START 0xcbf29ce484222325ull
#define FNV_PRIME 0x100000001b3ull

struct stacks {
	const struct modules *modules; /* borrowed */
	struct frame *frame;	       /* owned */
	bool *retired;		       /* owned: the address means something else by now */
	size_t n, cap, retired_cap, limit;
	uint32_t *slot; /* owned: handles by hash of pc */
	size_t slots;	/* a power of two, at least twice the frames */
	size_t unplaced;
	bool wants_map; /* unplaced frames came since the map was read */
	uint64_t refused;
};

int stacks_new(size_t limit, const struct modules *modules, struct stacks **ret)
{
	struct stacks *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->modules = modules;
	t->limit = limit;
	*ret = t;
	return 0;
}

void stacks_free(struct stacks *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n; i++) {
		free(t->frame[i].symbol);
		free(t->frame[i].file);
		free(t->frame[i].inlined);
	}
	free(t->frame);
	free(t->retired);
	free(t->slot);
	free(t);
}

size_t stacks_count(const struct stacks *t)
{
	return t->n;
}

uint64_t stacks_refused(const struct stacks *t)
{
	return t->refused;
}

const struct frame *stacks_at(const struct stacks *t, uint32_t handle)
{
	return handle < t->n ? &t->frame[handle] : NULL;
}

/* Final mix of MurmurHash3: every input bit reaches every output bit. */
static uint64_t hash_mix(uint64_t h)
{
	h = (h ^ h >> 33) * 0xff51afd7ed558ccdull;
	h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53ull;
	return h ^ h >> 33;
}

/* Where pc is, or the empty slot where it belongs. The table has room. */
static size_t slot_of(const struct stacks *t, uint64_t pc)
{
	size_t i = hash_mix(pc) & (t->slots - 1);

	while (t->slot[i] != SLOT_EMPTY && t->frame[t->slot[i]].pc != pc)
		i = (i + 1) & (t->slots - 1);
	return i;
}

static void slots_fill(struct stacks *t)
{
	memset(t->slot, 0xff, t->slots * sizeof(*t->slot));
	for (size_t i = 0; i < t->n; i++)
		if (!t->retired[i])
			t->slot[slot_of(t, t->frame[i].pc)] = (uint32_t)i;
}

static int slots_grow(struct stacks *t)
{
	size_t more = t->slots ? t->slots * 2 : 256;
	uint32_t *slot;

	if (t->n * 2 < t->slots)
		return 0;
	slot = reallocarray(t->slot, more, sizeof(*slot));
	if (!slot)
		return -ENOMEM;
	t->slot = slot;
	t->slots = more;
	slots_fill(t);
	return 0;
}

static void frame_place(struct stacks *t, struct frame *f)
{
	const struct map_line *l = modules_line_of(t->modules, f->pc);

	if (!l || !l->executable)
		return;
	if (modules_line_has_module(l) && l->module == MODULE_NONE)
		return;
	if (modules_line_has_module(l)) {
		f->place = FRAME_IN_MODULE;
		f->module = l->module;
		f->file_offset = f->pc - l->start + l->file_offset;
	} else {
		f->place = FRAME_IN_JIT;
	}
	t->unplaced--;
}

int stacks_intern(struct stacks *t, uint64_t pc, uint32_t *ret)
{
	size_t at;
	int r;

	r = slots_grow(t);
	if (r < 0)
		return r;
	at = slot_of(t, pc);
	if (t->slot[at] != SLOT_EMPTY) {
		*ret = t->slot[at];
		return 0;
	}
	r = vec_reserve(&t->frame, sizeof(*t->frame), t->n, &t->cap, t->limit);
	if (r == 0)
		r = vec_reserve(&t->retired, sizeof(*t->retired), t->n, &t->retired_cap, t->limit);
	if (r < 0) {
		t->refused += r == -ENOSPC;
		return r;
	}
	t->frame[t->n] = (struct frame){ .pc = pc, .module = MODULE_NONE };
	t->retired[t->n] = false;
	t->unplaced++;
	frame_place(t, &t->frame[t->n]);
	t->wants_map |= t->frame[t->n].place == FRAME_UNPLACED;
	t->slot[at] = (uint32_t)t->n;
	*ret = (uint32_t)t->n++;
	return 0;
}

bool stacks_wants_map(const struct stacks *t)
{
	return t->wants_map;
}

void stacks_place(struct stacks *t)
{
	t->wants_map = false;
	for (size_t i = 0; t->unplaced && i < t->n; i++)
		if (t->frame[i].place == FRAME_UNPLACED && !t->retired[i])
			frame_place(t, &t->frame[i]);
}

void stacks_forget(struct stacks *t, uint64_t start, uint64_t end)
{
	bool any = false;

	for (size_t i = 0; i < t->n; i++) {
		if (t->retired[i] || t->frame[i].pc < start || t->frame[i].pc >= end)
			continue;
		t->retired[i] = any = true;
		t->unplaced -= t->frame[i].place == FRAME_UNPLACED;
	}
	if (any)
		slots_fill(t);
}

uint64_t stacks_offset(const struct stacks *t, const struct frame *f)
{
	const struct module *m;

	if (f->place != FRAME_IN_MODULE)
		return f->pc;
	m = modules_at(t->modules, f->module);
	return m ? module_vaddr(m, f->file_offset) : f->file_offset;
}

void stacks_mark_asked(struct stacks *t, uint32_t handle)
{
	if (handle < t->n)
		t->frame[handle].naming = NAMING_ASKED;
}

static size_t text_bytes(const char *text)
{
	return text && text[0] ? strnlen(text, SYMBOL_MAX) + 1 : 0;
}

static int copy_text(const char *text, char **ret)
{
	*ret = text_bytes(text) ? strndup(text, SYMBOL_MAX) : NULL;
	return text_bytes(text) && !*ret ? -ENOMEM : 0;
}

/* Takes text's place at *at. NULL for nothing. */
static const char *store_text(const char *text, char **at)
{
	const size_t bytes = text_bytes(text);
	char *stored = *at;

	if (!bytes)
		return NULL;
	memcpy(stored, text, bytes - 1);
	stored[bytes - 1] = '\0';
	*at += bytes;
	return stored;
}

/* One block: the names, and their texts behind them. NULL when count is 0. */
static int copy_names(const struct frame_name *name, size_t count, struct frame_name **ret)
{
	size_t bytes = count * sizeof(*name);
	struct frame_name *copy;
	char *text;

	*ret = NULL;
	if (count == 0)
		return 0;
	for (size_t i = 0; i < count; i++)
		bytes += text_bytes(name[i].symbol) + text_bytes(name[i].file);
	copy = malloc(bytes);
	if (!copy)
		return -ENOMEM;
	text = (char *)(copy + count);
	for (size_t i = 0; i < count; i++) {
		copy[i].symbol = store_text(name[i].symbol, &text);
		copy[i].file = store_text(name[i].file, &text);
		copy[i].line = name[i].line;
	}
	*ret = copy;
	return 0;
}

int stacks_set_names(struct stacks *t, uint32_t handle, const struct frame_name *name, size_t count,
		     bool more)
{
	auto_free struct frame_name *inlined = NULL;
	auto_free char *symbol = NULL, *file = NULL;
	const size_t others = count - 1 < UINT8_MAX ? count - 1 : UINT8_MAX;
	struct frame *f;

	if (handle >= t->n || count == 0)
		return -ENOENT;
	f = &t->frame[handle];
	if (copy_names(name, others, &inlined) < 0 ||
	    copy_text(name[count - 1].symbol, &symbol) < 0 ||
	    copy_text(name[count - 1].file, &file) < 0)
		return -ENOMEM;
	free(f->symbol);
	free(f->file);
	free(f->inlined);
	f->symbol = steal(symbol);
	f->file = steal(file);
	f->line = name[count - 1].line;
	f->inlined = steal(inlined);
	f->inlined_count = (uint8_t)others;
	f->naming = more ? NAMING_PARTLY : NAMING_DONE;
	return 0;
}

int stacks_set_name(struct stacks *t, uint32_t handle, const char *symbol)
{
	const struct frame_name name = { .symbol = symbol };
	struct frame *f;

	if (handle >= t->n)
		return -ENOENT;
	f = &t->frame[handle];
	if (symbol)
		return stacks_set_names(t, handle, &name, 1, false);
	f->naming = f->symbol ? NAMING_PARTLY : NAMING_OPEN;
	return 0;
}

static uint64_t fnv_add(uint64_t h, const void *bytes, size_t n)
{
	const unsigned char *b = bytes;

	for (size_t i = 0; i < n; i++)
		h = (h ^ b[i]) * FNV_PRIME;
	return h;
}

/* Least significant byte first, whatever the machine. */
static uint64_t fnv_add_u64(uint64_t h, uint64_t v)
{
	for (int i = 0; i < 8; i++)
		h = (h ^ (v >> 8 * i & 0xff)) * FNV_PRIME;
	return h;
}

static uint64_t code_hash(uint64_t h, const struct frame *f)
{
	const char *file = f->file ? str_file_name(f->file) : "";

	if (!f->symbol)
		return h;
	h = fnv_add(h, f->symbol, strlen(f->symbol) + 1);
	h = fnv_add(h, file, strlen(file) + 1);
	return fnv_add_u64(h, f->line);
}

/* *ret_final is cleared when the hash can still change. */
static uint64_t frame_hash(const struct stacks *t, struct frame *f, bool *ret_final)
{
	const struct module *m = NULL;
	uint64_t h = fnv_add_u64(FNV_START, f->place);
	const char *who;

	if (f->hash)
		return f->hash;
	if (f->place == FRAME_IN_MODULE)
		m = modules_at(t->modules, f->module);
	if (m) {
		who = m->fact.build_id[0] ? m->fact.build_id : module_name(m);
		h = fnv_add(h, who, strlen(who) + 1);
		h = fnv_add_u64(h, stacks_offset(t, f));
	}
	if (m && m->described)
		f->hash = h;
	else
		*ret_final = false;
	return h;
}

/* The first answer decides: the id must not change when a name comes to be known late. */
static void code_answered(struct frame *f)
{
	if (f->place == FRAME_IN_JIT && !f->hash)
		f->hash = code_hash(fnv_add_u64(FNV_START, f->place), f);
}

int stacks_set_code_name(struct stacks *t, uint32_t handle, const struct code_name *name)
{
	auto_free char *file = NULL;
	struct frame *f;
	char *symbol;

	if (handle >= t->n)
		return -ENOENT;
	f = &t->frame[handle];
	if (name && !f->symbol) {
		if (name->file && name->file[0] && !(file = strndup(name->file, SYMBOL_MAX)))
			return -ENOMEM;
		symbol = strndup(name->symbol, SYMBOL_MAX);
		if (!symbol)
			return -ENOMEM;
		f->symbol = symbol;
		free(f->file);
		f->file = steal(file);
		f->line = name->line;
		f->interpreted = name->interpreted;
	}
	f->naming = NAMING_DONE;
	code_answered(f);
	return 0;
}

static bool same_run(const uint64_t *h, size_t at, size_t back, size_t len)
{
	return at >= back && memcmp(&h[at], &h[at - back], len * sizeof(*h)) == 0;
}

/* Leaves out runs of hashes that repeat the run before them; returns how many are left. */
static size_t fold_cycles(uint64_t *h, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		h[kept++] = h[i];
		for (size_t run = 1; run <= CYCLE_MAX && run * 2 <= kept; run++)
			if (same_run(h, kept - run, run, run)) {
				kept -= run;
				break;
			}
	}
	return kept;
}

/* Where the frame limit cut a repetition in two: the part of it that is there. */
static size_t begun_repetition(const uint64_t *h, size_t n)
{
	for (size_t part = CYCLE_MAX - 1; part > 0; part--)
		for (size_t run = part + 1; run <= CYCLE_MAX && run + part <= n; run++)
			if (same_run(h, n - part, run, part))
				return part;
	return 0;
}

uint64_t stacks_site_id(struct stacks *t, enum mt_site_kind kind, enum mt_stack_end end,
			const uint32_t *frame, size_t n, bool *ret_final)
{
	uint64_t h = fnv_add_u64(FNV_START, kind), part[MT_MAX_FRAMES];
	size_t used = 0;

	*ret_final = true;
	for (size_t i = 0; i < n && used < MT_MAX_FRAMES; i++)
		if (frame[i] < t->n)
			part[used++] = frame_hash(t, &t->frame[frame[i]], ret_final);
	used = fold_cycles(part, used);
	if (end == MT_END_depth)
		used -= begun_repetition(part, used);
	for (size_t i = 0; i < used; i++)
		h = fnv_add_u64(h, part[i]);
	h = hash_mix(h);
	return h ? h : 1;
}
