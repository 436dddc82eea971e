/* Go: the heap by its addresses, its sizes by the runtime's counters. */
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "runtime/go_counters.h"
#include "runtime/runtime.h"
#include "runtime/symbols.h"
#include "runtime/view.h"
#include "sys/elf.h"
#include "sys/mapfile.h"
#include "sys/procfs.h"

/* Where the runtime asks for its first arena; it goes on from there (malloc.go of Go). */
#define ARENAS_X86 0xc000000000ull
#define ARENAS_ARM 0x4000000000ull
#define ARENAS_BYTES (256ull << 30)
#define NOT_FOUND SIZE_MAX
#define SEARCHES_MAX 8
#define SEARCH_BYTES_MAX (4ull << 20)

struct go {
	char version[32];
	uint64_t dev, inode; /* of the program's file */
	uint64_t arenas;     /* where they begin */
	uint64_t counters;   /* runtime.gcController in the process; 0: no symbols, not found yet */
	size_t words;	     /* of it */
	size_t at;	     /* of the counters in it, or NOT_FOUND */
	uint32_t searches;   /* of the program's data, for counters without a name */
};

/* --- which process */

/* Go's own text of a static string, {pointer, length} at vaddr. */
static void read_version(const struct elf_file *f, uint64_t vaddr, char *ret, size_t size)
{
	uint64_t text[2];
	char bytes[32];
	size_t n = 0;

	if (!vaddr || elf_read_at(f, vaddr, text, sizeof(text)) != sizeof(text) || text[1] < 3 ||
	    text[1] >= sizeof(bytes) ||
	    elf_read_at(f, text[0], bytes, text[1]) != (int64_t)text[1] || memcmp(bytes, "go", 2))
		return;
	for (; n < text[1] - 2 && n < size - 1 && bytes[n + 2] > ' ' && bytes[n + 2] < 0x7f; n++)
		ret[n] = bytes[n + 2];
	ret[n] = 0;
}

static int look_into(const struct process_view *v, const struct vma *m, struct go *g)
{
	static const char *const names[] = { "runtime.gcController", "runtime.buildVersion" };
	auto_clean(elf_closep) struct elf_file *f = NULL;
	struct symbol s[2] = { { 0 } };
	uint64_t bias;
	int r = mapfile_open_elf(v->proc, v->pid, m, &f, &bias);

	if (r == -ENOMEM)
		return r;
	if (r || !elf_is_go(f))
		return -ENOENT; /* nothing says that it is Go */
	g->arenas = elf_machine(f) == EM_AARCH64 ? ARENAS_ARM : ARENAS_X86;
	g->dev = m->dev;
	g->inode = m->inode;
	r = symbols_find(f, true, SYMBOLS_BYTES_MAX, names, 2, s);
	if (r == -ENOMEM)
		return r;
	if (!r && s[0].vaddr && s[0].size) {
		g->counters = s[0].vaddr + bias;
		g->words = s[0].size / 8 < GO_WORDS_MAX ? s[0].size / 8 : GO_WORDS_MAX;
		read_version(f, s[1].vaddr, g->version, sizeof(g->version));
	}
	return 0;
}

static int go_open(const struct process_view *v, void **state, const char **why)
{
	struct go *g = calloc(1, sizeof(*g));
	char exe[FACT_PATH_BYTES] = "";
	bool deleted;
	int r = -ENOENT;

	if (!g)
		return -ENOMEM;
	*why = "the program's file cannot be read";
	g->at = NOT_FOUND;
	procfs_read_exe(v->proc, v->pid, exe, sizeof(exe), &deleted);
	for (size_t i = 0; r == -ENOENT && i < v->maps->count; i++) {
		const struct vma *m = &v->maps->vma[i];

		if (m->executable && m->inode && strcmp(m->path, exe) == 0)
			r = look_into(v, m, g);
	}
	if (r)
		free(g);
	else
		*state = g;
	return r;
}

/* --- figures */

static int add_arenas(const struct go *g, const struct process_view *v, struct inner_ranges *ranges,
		      uint64_t *mapped)
{
	int r = 0;

	*mapped = 0;
	for (size_t i = 0; !r && i < v->maps->count; i++) {
		const struct vma *m = &v->maps->vma[i];

		if (m->start < g->arenas || m->start >= g->arenas + ARENAS_BYTES || !m->writable ||
		    m->shared || m->inode || (m->path[0] && strncmp(m->path, "[anon:", 6)))
			continue;
		*mapped += m->end - m->start;
		r = inner_ranges_add(ranges, m->start, m->end, INNER_HEAP);
	}
	return r;
}

static bool is_of_program(const struct go *g, const struct vma *m)
{
	return m->inode && m->inode == g->inode && m->dev == g->dev;
}

/* Data of the program: a writable mapping of its file, or the memory that follows on one (.bss). */
static bool is_data(const struct go *g, const struct vma_table *maps, size_t i)
{
	const struct vma *m = &maps->vma[i];

	if (!m->readable || !m->writable || m->shared)
		return false;
	return is_of_program(g, m) || (i && m->kind == VMA_ANON && m[-1].end == m->start &&
				       m[-1].writable && is_of_program(g, &m[-1]));
}

/* The counters without their name, in a run of pages that are in memory. */
static int search_run(struct go *g, const struct process_view *v, uint64_t start, uint64_t len,
		      uint64_t mapped)
{
	uint64_t *words = malloc(len);
	struct go_counters c;
	size_t at;
	int r = words ? peek_read(v->peek, start, words, len) : -ENOMEM;

	if (!r)
		r = go_counters_find(words, len / 8, mapped, &at);
	if (!r)
		r = go_counters_check(words + at, mapped, &c);
	free(words);
	if (r)
		return r;
	if (c.in_use + c.released + c.free < mapped / 2)
		return -ENOENT; /* stacks are the rest: without a name that is not believed */
	if (g->counters)
		return -EEXIST;
	g->counters = start + at * 8;
	g->words = GO_COUNTERS;
	g->at = 0;
	return 0;
}

/* The program has no symbols: what adds up in only one place of its data are the counters. */
static int search_counters(struct go *g, const struct process_view *v, uint64_t mapped)
{
	uint64_t budget = SEARCH_BYTES_MAX;
	int r = -ENOENT;

	if (g->searches++ >= SEARCHES_MAX)
		return -ENOENT;
	for (size_t i = 0; i < v->maps->count && r != -EEXIST; i++) {
		const struct vma *m = &v->maps->vma[i];
		const struct present_run *run;
		uint64_t at = m->start, end;

		while (is_data(g, v->maps, i) && r != -EEXIST && budget && at < m->end &&
		       (run = present_from(&v->present->in, at)) && run->start < m->end) {
			at = run->start > at ? run->start : at;
			end = run->end < m->end ? run->end : m->end;
			end = end - at > budget ? at + budget : end;
			budget -= end - at;
			r = search_run(g, v, at, end - at, mapped);
			at = end;
		}
	}
	if (r == -EEXIST)
		g->counters = 0;
	return g->counters ? 0 : -ENOENT;
}

/* NULL, or why they are not known. */
static const char *read_counters(struct go *g, const struct process_view *v, uint64_t mapped,
				 struct go_counters *ret)
{
	uint64_t words[GO_WORDS_MAX];

	if (!g->counters && search_counters(g, v, mapped))
		return "no symbol table: the runtime's counters cannot be found";
	if (view_read(v, g->counters, words, g->words * 8) < 0)
		return "the runtime's counters are not in memory";
	if (g->at == NOT_FOUND && go_counters_find(words, g->words, mapped, &g->at) < 0)
		return "the runtime's counters are not where this version of memtrace knows them";
	if (go_counters_check(words + g->at, mapped, ret) < 0) {
		g->at = NOT_FOUND; /* others may have looked like them: they are looked for anew */
		return "the runtime's counters do not agree with what is mapped";
	}
	return NULL;
}

/* Nothing but Go is in the process: no library, and no break that an allocator would grow. */
static bool is_alone(const struct go *g, const struct vma_table *maps)
{
	for (size_t i = 0; i < maps->count; i++) {
		const struct vma *m = &maps->vma[i];

		if (m->kind == VMA_HEAP || (m->executable && m->inode && !is_of_program(g, m)))
			return false;
	}
	return true;
}

static bool may_be_own(const struct go *g, const struct vma_table *maps, size_t i)
{
	const struct vma *m = &maps->vma[i];

	return m->kind == VMA_ANON && m->writable && !m->shared && !m->executable &&
	       (m->start < g->arenas || m->start >= g->arenas + ARENAS_BYTES) &&
	       !is_data(g, maps, i);
}

/*
 * What the runtime works with lies in anonymous mappings beside the arenas, and it counts what it
 * made ready there. Where more than that is resident some of it is the program's own, and nothing
 * tells which.
 */
static int add_own(const struct go *g, const struct process_view *v, const struct go_counters *c,
		   uint64_t mapped, struct inner_ranges *ranges)
{
	uint64_t ready = c->ready - (mapped - c->released), there = 0;
	const struct vma_table *maps = v->maps;
	int r = 0;

	if (!is_alone(g, maps))
		return 0;
	for (size_t i = 0; i < maps->count; i++)
		if (may_be_own(g, maps, i))
			there += present_bytes(&v->present->in, maps->vma[i].start,
					       maps->vma[i].end);
	for (size_t i = 0; i < maps->count && there <= ready && !r; i++)
		if (may_be_own(g, maps, i))
			r = inner_ranges_add(ranges, maps->vma[i].start, maps->vma[i].end,
					     INNER_RUNTIME);
	return r;
}

static int go_read(void *state, const struct process_view *v, struct inner_runtime *ret,
		   struct inner_ranges *ranges)
{
	struct go *g = state;
	struct inner_heap *h = &ret->heap;
	struct go_counters c;
	size_t first = ranges->count;
	uint64_t mapped;
	int r = add_arenas(g, v, ranges, &mapped);

	if (r)
		return r;
	*ret = (struct inner_runtime){ .name = "go" };
	memcpy(ret->version, g->version, sizeof(ret->version));
	ret->buffers = (struct inner_buffers){
		.known.why =
			"Go gives out no memory beyond its heap; that of cgo comes from malloc",
		.bytes = FACT_UNKNOWN,
		.count = FACT_UNKNOWN,
		.resident_bytes = FACT_UNKNOWN,
	};
	h->committed_bytes = h->used_bytes = FACT_UNKNOWN;
	if (!mapped) {
		h->resident_bytes = h->swapped_bytes = h->pooled_bytes = FACT_UNKNOWN;
		h->known.why = "no arena where Go has its first";
		return 0;
	}
	view_sum(v, ranges, first, h);
	h->known.why = read_counters(g, v, mapped, &c);
	h->known.how =
		h->known.why ? "mappings at the addresses of Go's arenas, with stacks of goroutines"
			     : "arenas by address, with stacks of goroutines; the runtime's "
			       "counters agree";
	h->known.exact = !h->known.why;
	if (h->known.why)
		return 0;
	h->committed_bytes = mapped - c.released;
	h->used_bytes = c.allocated - c.freed;
	h->used_as_of = "when threads last filled their caches";
	return add_own(g, v, &c, mapped, ranges);
}

const struct runtime_ops runtime_go = { "go", go_open, go_read, free };
