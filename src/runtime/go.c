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

struct go {
	char version[32];
	uint64_t arenas;   /* where they begin */
	uint64_t counters; /* runtime.gcController in the process; 0: no symbols */
	size_t words;	   /* of it */
	size_t at;	   /* of the counters in it, or NOT_FOUND */
	const char *why;   /* without counters */
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
	g->why = "no symbol table: the runtime's counters cannot be found";
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

/* NULL, or why they are not known. */
static const char *read_counters(struct go *g, const struct process_view *v, uint64_t mapped,
				 struct go_counters *ret)
{
	uint64_t words[GO_WORDS_MAX];

	if (!g->counters)
		return g->why;
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
	return 0;
}

const struct runtime_ops runtime_go = { "go", go_open, go_read, free };
