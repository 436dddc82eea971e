/* SPDX-License-Identifier: GPL-2.0-only
 *
 * What a stack costs per event, side by side and interleaved: memtrace's unwinder on a program
 * without frame pointers, bpf_get_stackid() on the same program with them.
 *   cost TRACER-PID BINARY:PID BINARY:PID BINARY:PID
 * drives three chains (chain.c): one for the unwinder, one with frame pointers, one for the program
 * that does nothing. Their standard inputs and outputs are descriptors 3/4, 5/6 and 7/8. Prints one
 * line of JSON: the times of a run of the BPF program in nanoseconds, medians over the rounds.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "memtrace/wire.h"
#include "cost.skel.h"
#include "share.h"

#define ROUNDS 11
#define CALLS 5000
#define WARM_UP 500

enum way { UNWIND, STACKID, EMPTY, WAYS };

static const char *const way_name[WAYS] = { "unwind", "stackid", "empty" };
static const int depths[] = { 10, 20, 40 };
#define DEPTHS (int)(sizeof(depths) / sizeof(depths[0]))

static const char *const shared[] = { "procs",	 "scratch",  "shards",	"rules",      "files",
				      "racache", "plumbing", "layouts", "code_pages", NULL };

struct bench {
	struct cost_bpf *skel;
	struct bpf_program *program[WAYS];
	FILE *in[WAYS], *out[WAYS];
	double ns[DEPTHS][WAYS][ROUNDS];
	int frames[DEPTHS][WAYS];
	__u16 site_frames[1024]; /* of the stacks that were sent */
};

static int call(struct bench *b, enum way w, int levels, int calls)
{
	char line[16];

	fprintf(b->in[w], "%d %d\n", levels, calls);
	fflush(b->in[w]);
	return fgets(line, sizeof(line), b->out[w]) && strcmp(line, "done\n") == 0 ? 0 : -1;
}

static int stats(struct bpf_program *p, __u64 *ret_ns, __u64 *ret_runs)
{
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info);

	if (bpf_prog_get_info_by_fd(bpf_program__fd(p), &info, &len))
		return -1;
	*ret_ns = info.run_time_ns;
	*ret_runs = info.run_cnt;
	return 0;
}

/* Nanoseconds of one run, or less than 0. */
static double measure(struct bench *b, enum way w, int levels)
{
	__u64 ns0, runs0, ns1, runs1;

	if (call(b, w, levels, WARM_UP) || stats(b->program[w], &ns0, &runs0) ||
	    call(b, w, levels, CALLS) || stats(b->program[w], &ns1, &runs1) || runs1 == runs0)
		return -1;
	return (double)(ns1 - ns0) / (runs1 - runs0);
}

static int on_site(void *ctx, void *data, size_t len)
{
	struct bench *b = ctx;
	const struct mt_ev_site *e = data;

	if (len >= sizeof(*e) - sizeof(e->pc) && e->hdr.kind == MT_KIND_site && e->site < 1024)
		b->site_frames[e->site] = e->frames;
	return 0;
}

/* How many frames the last event's stack had. */
static int frames_of_last(struct bench *b, enum way w, struct ring_buffer *rb)
{
	__u64 pc[127] = { 0 };
	__s32 id = b->skel->bss->cost_stack;
	int n = 0;

	if (w == UNWIND) {
		ring_buffer__consume(rb);
		return b->skel->bss->cost_site < 1024 ? b->site_frames[b->skel->bss->cost_site] : 0;
	}
	if (bpf_map_lookup_elem(bpf_map__fd(b->skel->maps.cost_stacks), &id, pc))
		return 0;
	while (n < 127 && pc[n])
		n++;
	return n;
}

/* The levels at which a stack has `depth` frames: what the program adds itself is found by one
 * call. */
static int levels_for(struct bench *b, enum way w, int depth, struct ring_buffer *rb)
{
	if (w == EMPTY)
		return depth;
	if (call(b, w, depth, 1))
		return -1;
	return 2 * depth - frames_of_last(b, w, rb);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static int run(struct bench *b, struct ring_buffer *rb)
{
	int levels[DEPTHS][WAYS];

	for (int d = 0; d < DEPTHS; d++)
		for (int w = 0; w < WAYS; w++) {
			levels[d][w] = levels_for(b, w, depths[d], rb);
			if (levels[d][w] < 0 || call(b, w, levels[d][w], 1))
				return -1;
			b->frames[d][w] = w == EMPTY ? 0 : frames_of_last(b, w, rb);
		}
	for (int r = 0; r < ROUNDS; r++)
		for (int d = 0; d < DEPTHS; d++)
			for (int w = 0; w < WAYS; w++) {
				b->ns[d][w][r] = measure(b, w, levels[d][w]);
				if (b->ns[d][w][r] < 0)
					return -1;
			}
	return 0;
}

static void report(struct bench *b)
{
	json_t *all = json_array();

	for (int d = 0; d < DEPTHS; d++) {
		json_t *o = json_object();

		json_object_set_new(o, "depth", json_integer(depths[d]));
		for (int w = 0; w < WAYS; w++) {
			double *ns = b->ns[d][w];

			qsort(ns, ROUNDS, sizeof(*ns), compare);
			json_object_set_new(o, way_name[w],
					    json_pack("{s:f, s:f, s:f, s:i}", "median_ns",
						      ns[ROUNDS / 2], "least_ns", ns[0], "most_ns",
						      ns[ROUNDS - 1], "frames", b->frames[d][w]));
		}
		json_array_append_new(all, o);
	}
	json_dumpf(all, stdout, JSON_COMPACT);
	puts("");
	json_decref(all);
}

/* "BINARY:PID" */
static int attach(struct bpf_program *p, const char *where)
{
	LIBBPF_OPTS(bpf_uprobe_opts, o, .func_name = "marked");
	const char *colon = strrchr(where, ':');
	char file[4096];

	if (!colon || colon - where >= (long)sizeof(file))
		return -1;
	snprintf(file, sizeof(file), "%.*s", (int)(colon - where), where);
	return bpf_program__attach_uprobe_opts(p, strtol(colon + 1, NULL, 10), file, 0, &o) ? 0
											    : -1;
}

static int load(struct bench *b, int tracer)
{
	struct cost_bpf *s = b->skel = cost_bpf__open();

	if (!s || share_config(tracer, &s->rodata->cfg))
		return -1;
	s->rodata->cfg.site_capacity = 1024;
	bpf_map__set_max_entries(s->maps.site_index, 1024);
	bpf_map__set_max_entries(s->maps.sites, 1024);
	bpf_map__set_max_entries(s->maps.events, 1 << 18);
	if (share_maps(s->obj, tracer, shared) < 1 || cost_bpf__load(s))
		return -1;
	b->program[UNWIND] = s->progs.cost_unwind;
	b->program[STACKID] = s->progs.cost_stackid;
	b->program[EMPTY] = s->progs.cost_empty;
	return 0;
}

int main(int argc, char **argv)
{
	struct bench *b = calloc(1, sizeof(*b));
	struct ring_buffer *rb = NULL;
	int stats_fd, status = 1;

	if (!b || argc != 2 + WAYS) {
		fprintf(stderr, "cost TRACER-PID BINARY:PID BINARY:PID BINARY:PID\n");
		return 2;
	}
	if (load(b, strtol(argv[1], NULL, 10)))
		return 1;
	for (int w = 0; w < WAYS; w++) {
		b->in[w] = fdopen(3 + 2 * w, "w");
		b->out[w] = fdopen(4 + 2 * w, "r");
		if (!b->in[w] || !b->out[w] || attach(b->program[w], argv[2 + w]))
			return 1;
	}
	rb = ring_buffer__new(bpf_map__fd(b->skel->maps.events), on_site, b, NULL);
	stats_fd = bpf_enable_stats(BPF_STATS_RUN_TIME);
	if (rb && stats_fd >= 0 && run(b, rb) == 0) {
		report(b);
		status = 0;
	}
	ring_buffer__free(rb);
	cost_bpf__destroy(b->skel);
	free(b);
	return status;
}
