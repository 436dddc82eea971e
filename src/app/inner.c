/*
 * See inner.h. Two lists of ranges are kept, since they are of different age: of the runtime and of
 * the allocator's walk. Where both claim an address the runtime is right, but for its buffers: an
 * allocator that serves from there knows what is live.
 */
#include "app/inner.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/search.h"

/* One reader of either kind. */
struct reader {
	void *state;	    /* owned by its close() */
	bool open, settled; /* settled: not to be opened again until code changes */
	uint32_t tries;	    /* to open it, since code changed */
	uint64_t retry_ns;  /* not before: the next one */
	const char *name, *why;
	uint32_t failures; /* readings in a row */
	struct inner_ranges ranges;
	bool found; /* its fact and ranges hold something */
};

struct inner {
	struct inner_cfg cfg;
	uint64_t code;
	struct reader heap, walk;
	const struct runtime_ops *runtime_ops;
	const struct walk_ops *walk_ops;
	struct inner_runtime runtime;
	struct inner_allocator allocator;
	uint64_t walked_ns;   /* as of when `allocator` is */
	uint64_t tried_ns;    /* the last walk, whatever came of it */
	uint64_t walk_cpu_ns; /* of the last walk, and ... */
	bool walked_now;      /* ... whether it was part of the last reading */
	uint64_t walked_held; /* outside of the runtime's heap at the last walk, bytes */
	struct inner_ranges all;
};

struct inner_cfg inner_defaults(void)
{
	return (struct inner_cfg){
		.runtimes = runtimes,
		.walks = walks,
		.walk_ns = 60000000000ull,
		.walk_change = 0.05,
		.walk_bytes = 1 << 20,
		.walk_share = 50,
		.keep = 5,
		.eager = 4,
		.retry_ns = 1000000000ull,
		.retry_log2 = 6,
	};
}

int inner_new(const struct inner_cfg *cfg, struct inner **ret)
{
	struct inner *in = calloc(1, sizeof(*in));

	if (!in)
		return -ENOMEM;
	in->cfg = *cfg;
	*ret = in;
	return 0;
}

static void reader_drop(struct reader *r)
{
	inner_ranges_done(&r->ranges);
	*r = (struct reader){ .open = false };
}

void inner_drop(struct inner *in)
{
	if (in->heap.open)
		in->runtime_ops->close(in->heap.state);
	if (in->walk.open)
		in->walk_ops->close(in->walk.state);
	reader_drop(&in->heap);
	reader_drop(&in->walk);
	inner_ranges_done(&in->all);
	in->code = in->walked_ns = in->tried_ns = in->walked_held = 0;
}

void inner_free(struct inner *in)
{
	if (!in)
		return;
	inner_drop(in);
	free(in);
}

static void ask_later(const struct inner_cfg *cfg, struct reader *r, uint64_t now_ns)
{
	uint32_t late = r->tries > cfg->eager ? r->tries - cfg->eager : 0;

	if (late)
		now_ns += cfg->retry_ns << (late <= cfg->retry_log2 ? late - 1 : cfg->retry_log2);
	r->retry_ns = now_ns;
}

static bool is_to_be_opened(struct reader *r, bool changed, uint64_t now_ns)
{
	if (r->open || (!changed && (r->settled || now_ns < r->retry_ns)))
		return false;
	r->tries = changed ? 1 : r->tries + 1;
	return true;
}

typedef int open_fn(const struct process_view *v, void **state, const char **why);

/*
 * Asks one of the readers. True: the search is over, since this is the one, be it readable or not.
 * -EAGAIN leaves the door open for the next time.
 */
static bool reader_ask(const struct inner_cfg *cfg, struct reader *r, const char *name,
		       open_fn *open, const struct process_view *view, uint64_t now_ns)
{
	const char *why = NULL;
	void *state = NULL;
	int answer = open(view, &state, &why);

	if (answer == -ENOENT)
		return false;
	r->open = answer == 0;
	r->state = answer == 0 ? state : NULL;
	r->settled = answer != -EAGAIN;
	r->name = name;
	r->why = answer == 0	     ? NULL
		 : why		     ? why
		 : answer == -EAGAIN ? "it has not set itself up yet"
				     : "it could not be looked at";
	ask_later(cfg, r, now_ns);
	return true;
}

/*
 * Nobody is asked again until code changes, but for a few times: a runtime without symbols shows
 * by its heap, which it may make later.
 */
static void open_runtime(struct inner *in, const struct process_view *view, uint64_t now_ns)
{
	struct reader *r = &in->heap;

	r->name = r->why = NULL;
	for (size_t i = 0; in->cfg.runtimes[i]; i++) {
		in->runtime_ops = in->cfg.runtimes[i];
		if (reader_ask(&in->cfg, r, in->runtime_ops->name, in->runtime_ops->open, view,
			       now_ns))
			return;
	}
	if (r->tries <= in->cfg.eager)
		r->tries = in->cfg.eager + 1; /* it need not be soon */
	ask_later(&in->cfg, r, now_ns);
	r->settled = r->tries > in->cfg.eager + in->cfg.retry_log2;
}

static void open_walk(struct inner *in, const struct process_view *view, uint64_t now_ns)
{
	struct reader *r = &in->walk;

	r->name = r->why = NULL;
	for (size_t i = 0; in->cfg.walks[i]; i++) {
		in->walk_ops = in->cfg.walks[i];
		if (reader_ask(&in->cfg, r, in->walk_ops->name, in->walk_ops->open, view, now_ns))
			return;
	}
	r->settled = true;
}

/*
 * Takes over what was read, or keeps what was found before for a while: without it all of a heap
 * would look like external memory for one reading. True: what was read is to be taken.
 */
static bool reader_done(const struct inner_cfg *cfg, struct reader *r, int answer, bool known,
			const char *why, struct inner_ranges *ranges)
{
	bool good = answer == 0 && (known || ranges->count);

	if (good || !r->found || ++r->failures > cfg->keep) {
		inner_ranges_settle(ranges);
		inner_ranges_done(&r->ranges);
		r->ranges = *ranges;
		*ranges = (struct inner_ranges){ .count = 0 };
		r->found = answer == 0;
		r->why = known ? NULL : why;
		r->failures = good ? 0 : r->failures;
		if (answer < 0)
			r->why = "reading it failed";
		return true;
	}
	inner_ranges_done(ranges);
	return false;
}

static const char too_many[] = "it is in more pieces than are remembered";

static int read_runtime(struct inner *in, const struct process_view *view)
{
	struct inner_runtime fact = { .name = in->heap.name };
	struct inner_ranges ranges = { .count = 0 };
	int r = in->runtime_ops->read(in->heap.state, view, &fact, &ranges);

	if (ranges.refused)
		fact.heap.known = (struct inner_known){ false, fact.heap.known.how, too_many };
	if (reader_done(&in->cfg, &in->heap, r, fact.heap.known.how, fact.heap.known.why, &ranges))
		in->runtime = fact;
	return r;
}

static int read_walk(struct inner *in, const struct process_view *view, uint64_t held,
		     uint64_t now_ns)
{
	struct inner_allocator fact = { .name = in->walk.name };
	struct inner_ranges ranges = { .count = 0 };
	uint64_t cpu_ns = clock_cpu_ns();
	struct process_view v = *view;
	int r;

	v.taken = &in->heap.ranges;
	r = in->walk_ops->read(in->walk.state, &v, &fact, &ranges);
	in->walk_cpu_ns = clock_cpu_ns() - cpu_ns;
	in->walked_now = true;
	in->walked_held = held;
	in->tried_ns = now_ns;
	if (ranges.refused)
		fact.known = (struct inner_known){ false, fact.known.how, too_many };
	if (!reader_done(&in->cfg, &in->walk, r, fact.known.how, fact.known.why, &ranges))
		return r;
	in->allocator = fact;
	in->walked_ns = now_ns;
	return r;
}

static bool walk_is_due(const struct inner *in, uint64_t held, uint64_t now_ns)
{
	uint64_t change = held > in->walked_held ? held - in->walked_held : in->walked_held - held;

	if (in->tried_ns && now_ns - in->tried_ns < in->walk_cpu_ns * in->cfg.walk_share)
		return false;
	return !in->walked_ns || now_ns - in->walked_ns >= in->cfg.walk_ns ||
	       (change >= in->cfg.walk_bytes &&
		(double)change > in->cfg.walk_change * (double)in->walked_held);
}

/* The pieces of `add` that `all` leaves free. Both sorted. */
static int add_free(struct inner_ranges *all, size_t count, const struct inner_range *add)
{
	uint64_t at = add->start;
	size_t lo = search_first(count, i, all->range[i].end <= at);

	for (; lo < count && all->range[lo].start < add->end; lo++) {
		if (inner_ranges_add(all, at, all->range[lo].start, add->use))
			return -ENOMEM;
		at = all->range[lo].end;
	}
	return inner_ranges_add(all, at, add->end, add->use);
}

/* Adds those of a list that are buffers, or those that are not, where nothing is yet. */
static int add_all(struct inner_ranges *all, const struct inner_ranges *from, bool buffers)
{
	size_t count = all->count;
	int r = 0;

	for (size_t i = 0; i < from->count && !r; i++)
		if ((from->range[i].use == INNER_BUFFER) == buffers)
			r = add_free(all, count, &from->range[i]);
	inner_ranges_settle(all);
	return r;
}

static int join(struct inner *in)
{
	struct inner_ranges all = { .count = 0 };
	int r = add_all(&all, &in->heap.ranges, false);

	if (!r)
		r = add_all(&all, &in->walk.ranges, false);
	if (!r)
		r = add_all(&all, &in->heap.ranges, true);
	if (r) {
		inner_ranges_done(&all);
		return r;
	}
	inner_ranges_done(&in->all);
	in->all = all;
	return 0;
}

static uint64_t heap_resident(const struct inner *in, const struct present *present)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < in->heap.ranges.count; i++)
		if (in->heap.ranges.range[i].use != INNER_BUFFER)
			sum += present_bytes(&present->in, in->heap.ranges.range[i].start,
					     in->heap.ranges.range[i].end);
	return sum;
}

int inner_read(struct inner *in, const struct process_view *view, uint64_t code,
	       uint64_t held_bytes, bool walk, uint64_t now_ns)
{
	bool changed = code != in->code;
	uint64_t heap;
	int r = 0, walked = 0;

	in->code = code;
	in->walked_now = false;
	if (is_to_be_opened(&in->heap, changed, now_ns))
		open_runtime(in, view, now_ns);
	if (in->heap.open)
		r = read_runtime(in, view);
	if (is_to_be_opened(&in->walk, changed, now_ns))
		open_walk(in, view, now_ns);
	heap = heap_resident(in, view->present);
	held_bytes = held_bytes > heap ? held_bytes - heap : 0;
	if (in->walk.open && (walk || walk_is_due(in, held_bytes, now_ns)))
		walked = read_walk(in, view, held_bytes, now_ns);
	if (r == -ESRCH || walked == -ESRCH)
		return -ESRCH;
	return join(in);
}

void inner_tell(const struct inner *in, struct inner_found *ret)
{
	*ret = (struct inner_found){
		.range = in->all.range,
		.count = in->all.count,
		.runtime = in->heap.open && in->heap.found ? &in->runtime : NULL,
		.allocator = in->walk.open && in->walk.found ? &in->allocator : NULL,
		.walked_ns = in->walked_ns,
		.walk_cpu_ns = in->walked_now ? in->walk_cpu_ns : 0,
		.runtime_name = in->heap.name,
		.runtime_why = in->heap.why,
		.allocator_name = in->walk.name,
		.allocator_why = in->walk.why,
	};
}
