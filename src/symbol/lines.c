/*
 * See lines.h. One open hash table of answers, those to come included. The traced program chooses
 * addresses, so a seed is drawn and a search gives up after a few places.
 */
#include "symbol/lines.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "symbol/demangle.h"
#include "symbol/symcache.h"

#define PROBES_MAX 128
#define SLOTS_MIN 256
#define REFUSED_MAX 64 /* files; further ones are asked about again and again */
#define FILE_NAME_BYTES 512

struct answer {
	uint64_t vaddr;
	uint32_t file;
	bool used, open;
	uint8_t count;
	struct symbol_frame *frames; /* owned */
};

struct lines {
	struct lines_cfg cfg;
	struct line_worker *worker; /* owned */
	struct answer *answers;	    /* owned */
	size_t slots, count;
	uint64_t seed;
	uint32_t refused[REFUSED_MAX];
	size_t refused_count;
	uint64_t files_refused, names_refused;
	struct line_answer answer; /* the one being taken in */
};

int lines_new(const struct lines_cfg *cfg, struct lines **ret)
{
	auto_clean(lines_freep) struct lines *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	l->cfg = *cfg;
	l->slots = SLOTS_MIN;
	l->answers = calloc(l->slots, sizeof(*l->answers));
	if (!l->answers)
		return -ENOMEM;
	r = line_worker_new(&cfg->worker, &l->worker);
	if (r < 0)
		return r;
	if (getrandom(&l->seed, sizeof(l->seed), GRND_NONBLOCK) != sizeof(l->seed))
		l->seed = (uintptr_t)l;
	*ret = steal(l);
	return 0;
}

static void forget_all(struct lines *l)
{
	for (size_t i = 0; i < l->slots; i++)
		free(l->answers[i].frames);
	memset(l->answers, 0, l->slots * sizeof(*l->answers));
	l->count = 0;
}

void lines_free(struct lines *l)
{
	if (!l)
		return;
	if (l->answers)
		forget_all(l);
	free(l->answers);
	line_worker_free(l->worker);
	free(l);
}

void lines_freep(struct lines **l)
{
	lines_free(*l);
	*l = NULL;
}

static uint64_t hash(const struct lines *l, uint32_t file, uint64_t vaddr)
{
	uint64_t h = (l->seed ^ vaddr) * 0xd6e8feb86659fd93u;

	h = ((h ^ h >> 32) + file) * 0xd6e8feb86659fd93u;
	return h ^ h >> 32;
}

/* The answer for an address, or a free place for it; NULL when the search gives up. */
static struct answer *find_answer(const struct lines *l, struct answer *slots, size_t n,
				  uint32_t file, uint64_t vaddr)
{
	const uint64_t h = hash(l, file, vaddr);

	for (size_t i = 0; i < PROBES_MAX; i++) {
		struct answer *a = &slots[(h + i) & (n - 1)];

		if (!a->used || (a->file == file && a->vaddr == vaddr))
			return a;
	}
	return NULL;
}

/* Room for one more. Those that find no place in a larger table are forgotten. */
static int grow(struct lines *l)
{
	const size_t n = l->slots * 2;
	struct answer *more, *to;

	if (l->count >= l->cfg.answers_max)
		forget_all(l);
	if (l->count < l->slots / 2)
		return 0;
	more = calloc(n, sizeof(*more));
	if (!more)
		return -ENOMEM;
	l->count = 0;
	for (size_t i = 0; i < l->slots; i++) {
		struct answer *a = &l->answers[i];

		to = a->used ? find_answer(l, more, n, a->file, a->vaddr) : NULL;
		if (to)
			*to = *a;
		else
			free(a->frames);
		l->count += to != NULL;
	}
	free(l->answers);
	l->answers = more;
	l->slots = n;
	return 0;
}

static bool is_refused(const struct lines *l, uint32_t file)
{
	for (size_t i = 0; i < l->refused_count; i++)
		if (l->refused[i] == file)
			return true;
	return false;
}

static void refuse(struct lines *l, uint32_t file)
{
	if (is_refused(l, file))
		return;
	l->files_refused++;
	if (l->refused_count < REFUSED_MAX)
		l->refused[l->refused_count++] = file;
}

static int ask(struct lines *l, const struct line_file *file, uint64_t vaddr)
{
	struct answer *a;
	int r;

	r = grow(l);
	if (r < 0)
		return -EAGAIN;
	a = find_answer(l, l->answers, l->slots, file->number, vaddr);
	if (!a)
		return -ENOENT;
	r = line_worker_ask(l->worker, file, vaddr);
	if (r < 0)
		return r == -EAGAIN ? r : -ENOENT;
	*a = (struct answer){ .vaddr = vaddr, .file = file->number, .used = true, .open = true };
	l->count++;
	return -EAGAIN;
}

int lines_find(struct lines *l, const struct line_file *file, uint64_t vaddr,
	       struct symbol_frame ret[static SYMBOL_FRAMES_MAX], size_t *ret_count)
{
	const struct answer *a;

	if (is_refused(l, file->number))
		return -ENOENT;
	a = find_answer(l, l->answers, l->slots, file->number, vaddr);
	if (!a)
		return -ENOENT;
	if (!a->used)
		return ask(l, file, vaddr);
	if (a->open)
		return -EAGAIN;
	if (a->count)
		memcpy(ret, a->frames, a->count * sizeof(*ret));
	*ret_count = a->count;
	return 0;
}

/* The kept copy; NULL when it is not known, or not to be kept. */
static const char *keep(struct lines *l, const char *text, size_t max)
{
	auto_strbuf struct strbuf clean = {};
	const char *kept = NULL;

	if (!text || str_add_clean_max(&clean, text, strlen(text), max) < 0)
		return NULL;
	if (symcache_keep(l->cfg.names, strbuf_text(&clean), &kept) < 0) {
		l->names_refused++;
		return NULL;
	}
	return kept;
}

static struct symbol_frame keep_frame(struct lines *l, const struct line_frame *f)
{
	char name[DEMANGLE_NAME_BYTES];

	if (f->symbol)
		demangle_name(f->symbol, name, sizeof(name));
	return (struct symbol_frame){
		.symbol = keep(l, f->symbol ? name : NULL, DEMANGLE_NAME_BYTES),
		.file = keep(l, f->file, FILE_NAME_BYTES),
		.line = f->line,
		.inlined = f->inlined,
	};
}

/* -ESTALE: it is asked for again when somebody wants to know. */
static void take_in(struct lines *l, const struct line_answer *from)
{
	struct answer *a = find_answer(l, l->answers, l->slots, from->file, from->vaddr);

	if (from->error && from->error != -ENOENT && from->error != -ESTALE)
		refuse(l, from->file);
	if (!a || !a->used || !a->open)
		return; /* forgotten meanwhile */
	a->open = false;
	if (from->count)
		a->frames = calloc(from->count, sizeof(*a->frames));
	if (a->frames)
		a->count = (uint8_t)from->count;
	for (size_t i = 0; i < a->count; i++)
		a->frames[i] = keep_frame(l, &from->frames[i]);
}

/* An answer that never came leaves its place in the table to be asked again. */
static void reopen(struct lines *l, const struct line_answer *from)
{
	struct answer *a = find_answer(l, l->answers, l->slots, from->file, from->vaddr);

	if (a && a->used)
		a->file = UINT32_MAX; /* nobody's; goes with the next forgetting */
}

void lines_receive(struct lines *l)
{
	while (line_worker_receive(l->worker, &l->answer)) {
		if (l->answer.error == -ESTALE)
			reopen(l, &l->answer);
		else
			take_in(l, &l->answer);
	}
}

bool lines_wait(struct lines *l, uint64_t wait_ns)
{
	const uint64_t begun_ns = l->cfg.worker.now_ns();
	uint64_t gone_ns = 0;

	lines_receive(l);
	while (line_worker_open_questions(l->worker) > 0 && gone_ns < wait_ns) {
		struct pollfd p = { .fd = line_worker_fd(l->worker), .events = POLLIN };
		const uint64_t left_ms = (wait_ns - gone_ns) / 1000000 + 1;

		poll(&p, 1, left_ms < 100 ? (int)left_ms : 100);
		lines_receive(l);
		gone_ns = l->cfg.worker.now_ns() - begun_ns;
	}
	return line_worker_open_questions(l->worker) == 0;
}

void lines_get_stats(const struct lines *l, struct symbolizer_stats *ret)
{
	struct line_worker_stats worker;

	line_worker_get_stats(l->worker, &worker);
	ret->lines_refused = l->files_refused;
	ret->names_refused += l->names_refused;
	ret->child_cpu_ns = worker.cpu_ns;
	ret->child_pid = line_worker_pid(l->worker);
}
