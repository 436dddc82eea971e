/* See serving.h. */
#include "app/serving.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "app/tracee.h"
#include "app/watching.h"
#include "base/cleanup.h"
#include "base/log.h"

#define CALL_NS 300.0		 /* to a read or accept of a target's; 6.18 */
#define TARGET_RATIO_MAX 0.01	 /* of the targets' CPU time, without a budget; with one ... */
#define BUDGET_SHARE 0.1	 /* ... this much of it */
#define CPU_LEAST 0.1		 /* a target that idles is not held against it below that */
#define WINDOW_NS 10000000000ull /* at least, once it began, ... */
#define DEAR_MAX 2.0		 /* ... unless it takes more than so many times what it may */
#define HALF_WIDTH_SDS 1.96	 /* of a 95 % interval */

/* --- when --- */

static double share_allowed(const struct opts *o)
{
	if (o->mode == MODE_FULL)
		return INFINITY;
	return o->budget_pct > 0 ? o->budget_pct / 100 * BUDGET_SHARE : TARGET_RATIO_MAX;
}

/* What it took since the last look. */
static double ratio_of(const struct serving *s, double cpus, uint64_t calls, uint64_t now_ns)
{
	double seconds = (now_ns - s->looked_ns) / 1e9;
	double cost = (calls - s->looked_calls) * CALL_NS / 1e9;

	return seconds > 0 ? cost / seconds / fmax(cpus, CPU_LEAST) : 0;
}

static void set(struct serving *s, const struct run *run, bool on, uint64_t now_ns)
{
	int r = collector_set_contexts(run->collector, on);

	if (r)
		log_debug("connections that threads serve: %s", strerror(-r));
	else
		log_debug("connections that threads serve are %s",
			  on ? "followed" : "not followed any more");
	s->on_ns = on && !r ? now_ns : 0;
	if (r)
		s->not_before_ns = now_ns + WINDOW_NS;
}

static bool is_of_use(const struct tracee *t)
{
	return !t->ended && t->alive && t->heap_traced && !t->stepped_down &&
	       model_has_streams(t->run->model, t->pid);
}

void serving_look(struct serving *s, const struct run *run, struct tracee *const *tracee,
		  size_t count, uint64_t calls, uint64_t now_ns)
{
	bool wanted = false;
	double dear;

	for (size_t i = 0; i < count; i++)
		wanted |= is_of_use(tracee[i]);
	wanted &= collector_has_hooks(run->collector);
	if (!collector_has_contexts(run->collector))
		s->on_ns = 0; /* they went with the hooks */
	s->ratio = s->on_ns ? ratio_of(s, tracees_cpus(tracee, count), calls, now_ns) : 0;
	if (s->on_ns) {
		dear = s->ratio / share_allowed(run->opts);
		if (wanted && dear > 1 && (dear > DEAR_MAX || now_ns - s->on_ns >= WINDOW_NS)) {
			s->not_before_ns = now_ns + watching_pause_ns(dear, now_ns - s->on_ns);
			wanted = false;
		}
	} else {
		wanted &= now_ns >= s->not_before_ns;
	}
	s->looked_ns = now_ns;
	s->looked_calls = calls;
	if (wanted != (s->on_ns != 0))
		set(s, run, wanted, now_ns);
}

/* --- what --- */

struct reading {
	struct tracee *t;
	const uint64_t *open; /* inode numbers, sorted */
	size_t opens;
	uint32_t read_ds, on_ds;    /* when descriptors were read; since when all was followed */
	struct native_fact *native; /* owned */
	size_t count, room;
	struct native_left left;
};

static uint32_t ds_of(const struct run *run, uint64_t ns)
{
	return ns > run->boot_ns ? (uint32_t)((ns - run->boot_ns) / 100000000ull) : 0;
}

static int compare_inodes(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static bool is_open(const struct reading *r, const struct collector_conn *c)
{
	return c->since_ds + 1 >= r->read_ds ||
	       bsearch(&c->inode, r->open, r->opens, sizeof(*r->open), compare_inodes);
}

static enum native_how how_of(const struct reading *r, const struct collector_conn *c)
{
	return c->from_start && r->on_ds && c->since_ds >= r->on_ds ? NATIVE_WHOLE : NATIVE_PART;
}

static bool on_conn(void *ctx, const struct collector_conn *c)
{
	struct reading *r = ctx;

	if (!is_open(r, c)) {
		if (!c->closed) {
			r->t->served.closed++;
			r->t->served.closed_bytes += c->open_bytes;
		}
		r->left.bytes += c->bytes;
		r->left.count += c->bytes > 0;
		return false;
	}
	/* of what is freed while no probe is in nothing is seen: not measured then */
	if (c->gapless && r->count < r->room)
		r->native[r->count++] = (struct native_fact){
			.inode = c->inode,
			.bytes = c->bytes,
			.count = c->count,
			.error_bytes = HALF_WIDTH_SDS * sqrt(c->variance),
			.how = how_of(r, c),
		};
	return true;
}

static size_t list_sockets(const struct fd_fact *fact, size_t n, uint64_t *inode)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		if (fact[i].kind == FD_SOCKET && fact[i].inode)
			inode[count++] = fact[i].inode;
	qsort(inode, count, sizeof(*inode), compare_inodes);
	return count;
}

void serving_read(struct tracee *t, const struct fd_fact *fact, size_t n, uint64_t read_ns)
{
	auto_free uint64_t *open = calloc(n + 1, sizeof(*open));
	auto_free struct native_fact *native = calloc(MT_CONNS, sizeof(*native));
	struct reading r = { .t = t,
			     .open = open,
			     .read_ds = ds_of(t->run, read_ns),
			     .on_ds = ds_of(t->run, t->run->serving->on_ns),
			     .native = native,
			     .room = MT_CONNS };

	if (!open || !native)
		return;
	r.opens = list_sockets(fact, n, open);
	if (collector_each_conn(t->run->collector, t->asid, on_conn, &r))
		return;
	r.left.closed = t->served.closed;
	r.left.closed_bytes = t->served.closed_bytes;
	model_set_native(t->run->model, t->pid, native, r.count, &r.left);
}
