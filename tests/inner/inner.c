/*
 * What the readers of src/runtime tell of one process, one line of JSON for each look.
 *
 *   inner [--ranges] [--every-line] [--all] PID
 *
 * One look without --every-line; with it one for each line of standard input, so that what readers
 * keep between looks is used: a test drives it with its target. With --ranges each range is told;
 * with --all each look does what readers do only from time to time.
 * "begun_ns" and "done_ns" of a reader are of the monotonic clock.
 * "cpu_ms" is of this process and thread: "present" is the scan of which pages are in memory.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/json.h"
#include "runtime/runtime.h"
#include "sys/procfs.h"
#include "sys/residency.h"

#define READERS_MAX 16

struct reader {
	const struct runtime_ops *runtime;
	const struct walk_ops *walk; /* one of the two */
	void *state;
	int opened; /* 0, or what open() returned */
	const char *why;
	bool asked;
};

struct look {
	uint32_t pid;
	bool ranges, all;
	struct reader reader[READERS_MAX];
	size_t readers;
	struct inner_ranges taken; /* owned: of the runtime, at this look */
};

static double cpu_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static const char *use_name(enum inner_use use)
{
	static const char *const names[] = {
		[INNER_HEAP] = "heap",	   [INNER_POOLED] = "pooled",	[INNER_CODE] = "code",
		[INNER_WASM] = "wasm",	   [INNER_RUNTIME] = "runtime", [INNER_ARENA] = "arena",
		[INNER_BUFFER] = "buffer",
	};

	return use < sizeof(names) / sizeof(names[0]) && names[use] ? names[use] : "?";
}

static json_t *known_json(const struct inner_known *k)
{
	json_t *o = json_object();

	json_put(o, "exact", json_boolean(k->exact));
	json_put_string(o, "how", k->how);
	json_put_string(o, "why", k->why);
	return o;
}

static json_t *heap_json(const struct inner_heap *h)
{
	json_t *o = json_object();

	json_put(o, "known", known_json(&h->known));
	json_put_u64_if_known(o, "committed_bytes", h->committed_bytes);
	json_put_u64_if_known(o, "used_bytes", h->used_bytes);
	json_put_string(o, "used_as_of", h->used_as_of);
	json_put_u64_if_known(o, "resident_bytes", h->resident_bytes);
	json_put_u64_if_known(o, "swapped_bytes", h->swapped_bytes);
	json_put_u64_if_known(o, "pooled_bytes", h->pooled_bytes);
	json_put(o, "heaps", json_integer(h->heaps));
	return o;
}

static json_t *runtime_json(const struct inner_runtime *r)
{
	json_t *o = json_object(), *b = json_object();

	json_put_string(o, "name", r->name);
	json_put_string(o, "version", r->version);
	json_put(o, "heap", heap_json(&r->heap));
	json_put(b, "known", known_json(&r->buffers.known));
	json_put_u64_if_known(b, "bytes", r->buffers.bytes);
	json_put_u64_if_known(b, "count", r->buffers.count);
	json_put_u64_if_known(b, "resident_bytes", r->buffers.resident_bytes);
	json_put(o, "buffers", b);
	return o;
}

static json_t *allocator_json(const struct inner_allocator *a)
{
	json_t *o = json_object(), *sizes = json_array();

	json_put_string(o, "name", a->name);
	json_put(o, "known", known_json(&a->known));
	json_put_u64_if_known(o, "live_bytes", a->live_bytes);
	json_put_u64_if_known(o, "live_count", a->live_count);
	json_put_u64_if_known(o, "cached_bytes", a->cached_bytes);
	json_put_u64_if_known(o, "cached_count", a->cached_count);
	json_put_u64_if_known(o, "free_bytes", a->free_bytes);
	json_put_u64_if_known(o, "free_count", a->free_count);
	json_put_u64_if_known(o, "free_resident_bytes", a->free_resident_bytes);
	json_put_u64_if_known(o, "mapped_bytes", a->mapped_bytes);
	json_put_u64_if_known(o, "mapped_count", a->mapped_count);
	json_put_u64_if_known(o, "overhead_bytes", a->overhead_bytes);
	json_put_u64_if_known(o, "unknown_bytes", a->unknown_bytes);
	json_put(o, "arenas", json_integer(a->arenas));
	for (int i = 0; i < INNER_SIZES; i++)
		json_array_append_new(sizes, json_pack("[I,I]", (json_int_t)a->size_count[i],
						       (json_int_t)a->size_bytes[i]));
	json_put(o, "sizes", sizes);
	return o;
}

/* Sums by use: bytes of address space and of them in memory and in swap; and each range. */
static void put_ranges(json_t *o, const struct look *l, const struct process_view *v,
		       struct inner_ranges *r)
{
	uint64_t bytes[INNER_BUFFER + 1] = { 0 }, in[INNER_BUFFER + 1] = { 0 },
				      out[INNER_BUFFER + 1] = { 0 };
	json_t *uses = json_object(), *list = json_array();

	inner_ranges_settle(r);
	for (size_t i = 0; i < r->count; i++) {
		const struct inner_range *at = &r->range[i];
		uint64_t resident = present_bytes(&v->present->in, at->start, at->end);

		bytes[at->use] += at->end - at->start;
		in[at->use] += resident;
		out[at->use] += present_bytes(&v->present->swapped, at->start, at->end);
		if (l->ranges)
			json_array_append_new(list,
					      json_pack("[s,I,I,I]", use_name(at->use),
							(json_int_t)at->start, (json_int_t)at->end,
							(json_int_t)resident));
	}
	for (int u = 1; u <= INNER_BUFFER; u++) {
		if (bytes[u])
			json_put(uses, use_name(u),
				 json_pack("{s:I,s:I,s:I}", "bytes", (json_int_t)bytes[u],
					   "resident", (json_int_t)in[u], "swapped",
					   (json_int_t)out[u]));
	}
	json_put(o, "uses", uses);
	json_put(o, "range_count", json_integer(r->count));
	json_put(o, "ranges_refused", json_integer(r->refused));
	if (l->ranges)
		json_put(o, "ranges", list);
	else
		json_decref(list);
}

/* As runtime.h says: the first of each table that opens is the process's. */
static void open_readers(struct look *l, const struct process_view *v)
{
	bool runtime = false, walk = false;

	for (size_t i = 0; i < l->readers; i++) {
		struct reader *r = &l->reader[i];
		bool *taken = r->runtime ? &runtime : &walk;

		if (!*taken && (!r->asked || r->opened == -EAGAIN)) {
			r->asked = true;
			r->opened = r->runtime ? r->runtime->open(v, &r->state, &r->why)
					       : r->walk->open(v, &r->state, &r->why);
		}
		*taken |= r->asked && r->opened == 0;
	}
}

static json_t *read_one(struct look *l, struct reader *r, struct process_view *v)
{
	struct inner_runtime runtime = { .name = NULL };
	struct inner_allocator allocator = { .name = NULL };
	struct inner_ranges ranges = { .count = 0 };
	struct peek before = *v->peek;
	json_t *o = json_object();
	uint64_t begun_ns = clock_monotonic_ns();
	double begun = cpu_ms();
	int e = r->runtime ? r->runtime->read(r->state, v, &runtime, &ranges)
			   : r->walk->read(r->state, v, &allocator, &ranges);
	double spent = cpu_ms() - begun;

	json_put_string(o, "reader", r->runtime ? r->runtime->name : r->walk->name);
	json_put(o, "cpu_ms", json_real(spent));
	json_put(o, "begun_ns", json_integer(begun_ns));
	json_put(o, "done_ns", json_integer(clock_monotonic_ns()));
	json_put(o, "calls", json_integer(v->peek->calls - before.calls));
	json_put(o, "bytes", json_integer(v->peek->bytes - before.bytes));
	json_put(o, "failed", json_integer(v->peek->failed - before.failed));
	if (e)
		json_put_string(o, "error", strerror(-e));
	else if (r->runtime)
		json_put(o, "runtime", runtime_json(&runtime));
	else
		json_put(o, "allocator", allocator_json(&allocator));
	put_ranges(o, l, v, &ranges);
	if (r->runtime) {
		inner_ranges_done(&l->taken);
		l->taken = ranges;
		v->taken = &l->taken;
	} else {
		inner_ranges_done(&ranges);
	}
	return o;
}

static json_t *read_all(struct look *l, struct process_view *v)
{
	json_t *list = json_array();

	open_readers(l, v);
	for (size_t i = 0; i < l->readers; i++) {
		struct reader *r = &l->reader[i];
		json_t *o;

		if (!r->asked || r->opened == -ENOENT)
			continue;
		if (r->opened == 0) {
			json_array_append_new(list, read_one(l, r, v));
			continue;
		}
		o = json_object();
		json_put_string(o, "reader", r->runtime ? r->runtime->name : r->walk->name);
		json_put_string(o, "error", strerror(-r->opened));
		json_put_string(o, "why", r->why);
		json_array_append_new(list, o);
	}
	return list;
}

/* Every page of the process; 0 or negative errno. */
static int read_present(uint32_t pid, const struct vma_table *maps, struct present *ret)
{
	struct residency_cfg cfg = { .root = "/proc", .whole = true, .present = ret };
	struct residency *r = calloc(maps->count + 1, sizeof(*r));
	struct residency_info info;
	int e;

	if (!r)
		return -ENOMEM;
	for (size_t i = 0; i < maps->count; i++)
		r[i] = (struct residency){ .start = maps->vma[i].start, .end = maps->vma[i].end };
	e = residency_read(&cfg, pid, r, maps->count, &info);
	free(r);
	return e;
}

static int look(struct look *l)
{
	struct present present = { .in.count = 0 };
	struct peek peek = { .pid = l->pid };
	struct vma_table maps = { .count = 0 };
	struct process_view v = { "/proc",  l->pid, &maps,
				  &present, &peek,  l->all ? 0 : clock_monotonic_ns() };
	struct procfs_status status;
	json_t *o = json_object();
	double t0 = cpu_ms(), t1, t2;
	int e = maps_read("/proc", l->pid, &maps);

	t1 = cpu_ms();
	if (!e)
		e = read_present(l->pid, &maps, &present);
	t2 = cpu_ms();
	if (!e)
		e = procfs_read_status("/proc", l->pid, &status);
	if (!e) {
		json_put_u64_if_known(o, "rss_bytes", status.rss_bytes);
		json_put_u64_if_known(o, "swap_bytes", status.swap_bytes);
		json_put(o, "maps", json_integer(maps.count));
		json_put(o, "present_runs", json_integer(present.in.count));
		json_put(o, "present_bytes", json_integer(present.in.bytes));
		json_put(o, "readers", read_all(l, &v));
		json_put(o, "cpu_ms",
			 json_pack("{s:f,s:f,s:f}", "maps", t1 - t0, "present", t2 - t1, "all",
				   cpu_ms() - t0));
		json_write_line(stdout, o);
		fflush(stdout);
	}
	json_decref(o);
	present_done(&present);
	maps_done(&maps);
	if (e)
		fprintf(stderr, "inner: process %u: %s\n", l->pid, strerror(-e));
	return e;
}

static void list_readers(struct look *l)
{
	for (size_t i = 0; runtimes[i] && l->readers < READERS_MAX; i++)
		l->reader[l->readers++].runtime = runtimes[i];
	for (size_t i = 0; walks[i] && l->readers < READERS_MAX; i++)
		l->reader[l->readers++].walk = walks[i];
}

static void close_readers(struct look *l)
{
	for (size_t i = 0; i < l->readers; i++) {
		struct reader *r = &l->reader[i];

		if (!r->asked || r->opened)
			continue;
		if (r->runtime)
			r->runtime->close(r->state);
		else
			r->walk->close(r->state);
	}
	inner_ranges_done(&l->taken);
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "ranges", no_argument, NULL, 'r' },
						 { "every-line", no_argument, NULL, 'l' },
						 { "all", no_argument, NULL, 'a' },
						 { 0 } };
	struct look l = { .ranges = false };
	bool every_line = false;
	char line[64];
	int c, e;

	while ((c = getopt_long(argc, argv, "rla", options, NULL)) != -1) {
		if (c == '?')
			return 2;
		l.ranges |= c == 'r';
		every_line |= c == 'l';
		l.all |= c == 'a';
	}
	l.pid = optind == argc - 1 ? strtoul(argv[optind], NULL, 10) : 0;
	if (!l.pid) {
		fprintf(stderr, "usage: inner [--ranges] [--every-line] [--all] PID\n");
		return 2;
	}
	list_readers(&l);
	if (every_line)
		for (e = 0; !e && fgets(line, sizeof(line), stdin);)
			e = look(&l);
	else
		e = look(&l);
	close_readers(&l);
	return e ? 1 : 0;
}
