/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Checks memtrace's stacks of a process, event by event, while a memtrace traces it.
 *   validate --tracer PID -p PID --probe FILE:SYMBOL [--probe ...] [--return] [--every N]
 *            [--events N] [--seconds S]
 *   validate --tracer PID -p PID --syscalls ...    at the return of every system call instead
 * compares each with what libdwfl makes of a copy of registers and stack, and ends with one line
 * of JSON: counts, depths, reasons to end, and the first differences.
 *   validate ... --stop
 * stops the process at an event instead, says the stack, and lets it go on when a line is read,
 * until the input ends: for a comparison with a debugger.
 */
#include <bpf/libbpf.h>
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "memtrace/wire.h"
#include "oracle.h"
#include "share.h"
#include "validate.h"
#include "validate.skel.h"

#define MAX_PROBES 8
#define MAX_SHOWN 5
#define SEEN_SLOTS (1u << 18)

struct options {
	int tracer, pid;
	const char *probe[MAX_PROBES];
	int probes;
	bool at_return, syscalls, stop;
	long long every, events;
	double seconds;
};

/* Sums over events, and again over distinct stacks. */
struct sums {
	long long stacks, frames, complete;
	long long kernel_frames, kernel_complete;
	long long oracle_frames, oracle_whole;
};

struct run {
	const struct options *opt;
	struct validate_bpf *skel;
	struct oracle *oracle;
	double until;
	struct sums events, distinct;
	long long identical, flagged, different, capped, beyond_copy, pc_frames, pc_equal;
	long long ends[256];
	__u64 seen[SEEN_SLOTS];
	json_t *shown, *roots;
};

/* Everything that the unwinder reads and writes, and where it asks for the table of a new file. */
static const char *const shared[] = { "procs",	    "scratch",	  "events",  "shards",	 "rules",
				      "files",	    "pending",	  "racache", "plumbing", "layouts",
				      "code_pages", "memo_texts", NULL };

static const struct {
	const char *name;
	bool complete;
} ends[] = {
#define STACK_END(id, name, complete, text) [id] = { #name, complete },
#include "memtrace/stack_ends.def"
#undef STACK_END
};

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* --- one record ------------------------------------------------------------------------------ */

static json_t *addresses(const __u64 *pc, int n)
{
	json_t *list = json_array();
	char text[24];

	for (int i = 0; i < n; i++) {
		snprintf(text, sizeof(text), "%llx", (unsigned long long)pc[i]);
		json_array_append_new(list, json_string(text));
	}
	return list;
}

static const char *end_name(__u32 end)
{
	return end < MT_END_MAX && ends[end].name ? ends[end].name : "?";
}

static bool is_complete(__u32 end)
{
	return end < MT_END_MAX && ends[end].complete;
}

static json_t *describe(const struct sv_record *r)
{
	return json_pack("{s:I, s:s, s:b, s:o, s:o}", "tid", (json_int_t)r->tid, "end",
			 end_name(r->end), "complete", (int)is_complete(r->end), "stack",
			 addresses(r->pc, r->frames), "kernel",
			 addresses(r->kernel_pc, r->kernel_frames));
}

static int equal_frames(const struct sv_record *r, const struct oracle_stack *o)
{
	int n = 0;

	while (n < (int)r->frames && n < o->frames && r->pc[n] == o->pc[n])
		n++;
	return n;
}

/* True for the first event with this stack. */
static bool is_new(struct run *run, const struct sv_record *r)
{
	__u64 h = 1;

	for (__u32 i = 0; i < r->frames; i++) {
		h = (h ^ r->pc[i]) * 0x9fb21c651e98df25ull;
		h ^= h >> 29;
	}
	for (__u32 i = 0; i < 64; i++) {
		__u64 *slot = &run->seen[(h + i) % SEEN_SLOTS];

		if (*slot == h)
			return false;
		if (!*slot) {
			*slot = h;
			return true;
		}
	}
	return false;
}

static void add(struct sums *s, const struct sv_record *r, const struct oracle_stack *o)
{
	__u64 root = o->whole && o->frames ? o->pc[o->frames - 1] : 0;
	__u32 k = r->kernel_frames;

	s->stacks++;
	s->frames += r->frames;
	s->complete += is_complete(r->end);
	s->kernel_frames += k;
	s->kernel_complete += k && root && r->kernel_pc[k - 1] == root;
	s->oracle_frames += o->frames;
	s->oracle_whole += o->whole;
}

static void add_root(struct run *run, __u64 pc)
{
	char text[24];

	snprintf(text, sizeof(text), "%llx", (unsigned long long)pc);
	if (json_object_size(run->roots) < 64 && !json_object_get(run->roots, text))
		json_object_set_new(run->roots, text, json_true());
}

static void show(struct run *run, const struct sv_record *r, const struct oracle_stack *o, int same)
{
	json_t *d;

	if (json_array_size(run->shown) >= MAX_SHOWN)
		return;
	d = describe(r);
	json_object_set_new(d, "equal", json_integer(same));
	json_object_set_new(d, "oracle", addresses(o->pc, o->frames));
	json_object_set_new(d, "oracle_whole", json_boolean(o->whole));
	json_array_append_new(run->shown, d);
}

/* Which of the ways of agreeing, or that they do not. */
static void judge(struct run *run, const struct sv_record *r, const struct oracle_stack *o)
{
	int same = equal_frames(r, o), longer = o->frames;

	if (longer < (int)r->frames)
		longer = r->frames;
	if (same == (int)r->frames && same == o->frames) {
		run->identical++;
	} else if (same == o->frames && o->beyond_copy) {
		run->beyond_copy++; /* all that can be compared is equal */
		longer = same;
	} else if (same == (int)r->frames && r->end == MT_END_depth) {
		run->capped++;
		longer = same;
	} else if (same == (int)r->frames && !is_complete(r->end)) {
		run->flagged++; /* it ends early and says so */
		show(run, r, o, same);
	} else {
		run->different++;
		show(run, r, o, same);
	}
	run->pc_frames += longer;
	run->pc_equal += same;
}

static int on_record(void *ctx, void *data, size_t len)
{
	static struct oracle_stack o; /* large */
	struct run *run = ctx;
	const struct sv_record *r = data;
	int same;

	if (len < sizeof(*r) - sizeof(r->stack))
		return 0;
	if (run->events.stacks >= run->opt->events || now_s() >= run->until)
		return -ECANCELED; /* there may always be another one */
	oracle_unwind(run->oracle, r, &o);
	same = equal_frames(r, &o);
	if (same != o.frames && (is_complete(r->end) || same != (int)r->frames) &&
	    oracle_refresh(run->oracle))
		oracle_unwind(run->oracle, r, &o);
	judge(run, r, &o);
	run->ends[r->end & 255]++;
	add(&run->events, r, &o);
	if (is_new(run, r))
		add(&run->distinct, r, &o);
	if (o.whole && o.frames)
		add_root(run, o.pc[o.frames - 1]);
	return 0;
}

/* --- the run --------------------------------------------------------------------------------- */

static json_t *sums_json(const struct sums *s)
{
	double n = s->stacks ? s->stacks : 1;

	return json_pack("{s:I, s:f, s:f, s:f, s:f, s:f, s:f}", "stacks", (json_int_t)s->stacks,
			 "complete", s->complete / n, "depth", s->frames / n, "fp_complete",
			 s->kernel_complete / n, "fp_depth", s->kernel_frames / n,
			 "oracle_complete", s->oracle_whole / n, "oracle_depth",
			 s->oracle_frames / n);
}

static void report(struct run *run)
{
	json_t *reasons = json_object(), *roots = json_array(), *all;
	const char *key;
	json_t *value;

	for (int i = 0; i < 256; i++)
		if (run->ends[i])
			json_object_set_new(reasons, end_name(i), json_integer(run->ends[i]));
	json_object_foreach(run->roots, key, value) json_array_append_new(roots, json_string(key));
	all = json_pack(
		"{s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o}",
		"events", sums_json(&run->events), "distinct", sums_json(&run->distinct),
		"identical", (json_int_t)run->identical, "flagged", (json_int_t)run->flagged,
		"different", (json_int_t)run->different, "capped", (json_int_t)run->capped,
		"beyond_copy", (json_int_t)run->beyond_copy, "frames", (json_int_t)run->pc_frames,
		"frames_equal", (json_int_t)run->pc_equal, "lost",
		(json_int_t)run->skel->bss->sv_lost, "known", (json_int_t)run->skel->bss->sv_known,
		"wrong", (json_int_t)run->skel->bss->sv_wrong, "ends", reasons, "roots", roots,
		"differences", json_incref(run->shown));
	json_dumpf(all, stdout, JSON_COMPACT);
	puts("");
	json_decref(all);
}

static int compare_all(struct run *run)
{
	struct ring_buffer *rb =
		ring_buffer__new(bpf_map__fd(run->skel->maps.sv_ring), on_record, run, NULL);

	if (!rb)
		return 1;
	run->until = now_s() + run->opt->seconds;
	run->skel->bss->sv_every = run->opt->every;
	run->skel->bss->sv_wait = 0;
	while (now_s() < run->until && run->events.stacks < run->opt->events)
		if (ring_buffer__poll(rb, 100) < 0)
			break;
	run->skel->bss->sv_every = 0;
	run->skel->bss->sv_wait = -1;
	ring_buffer__free(rb);
	report(run);
	return 0;
}

/* --- stopped at an event --------------------------------------------------------------------- */

static int on_stop(void *ctx, void *data, size_t len)
{
	json_t *d = describe(data);

	(void)len;
	json_object_set_new(d, "trampoline", json_integer(((struct sv_record *)data)->trampoline));
	json_dumpf(d, stdout, JSON_COMPACT);
	puts("");
	fflush(stdout);
	json_decref(d);
	*(bool *)ctx = true;
	return 0;
}

static int stop_often(struct run *run)
{
	bool stopped = false;
	struct ring_buffer *rb =
		ring_buffer__new(bpf_map__fd(run->skel->maps.sv_ring), on_stop, &stopped, NULL);
	char line[16];
	unsigned int spread = run->opt->every > 0 ? run->opt->every : 1;

	srand(1);
	puts("{\"ready\": true}");
	fflush(stdout);
	while (rb && fgets(line, sizeof(line), stdin)) {
		double until = now_s() + run->opt->seconds;

		if (stopped)
			kill(run->opt->pid, SIGCONT);
		stopped = false;
		__atomic_store_n(&run->skel->bss->sv_wait, rand() % spread, __ATOMIC_SEQ_CST);
		while (!stopped && now_s() < until && ring_buffer__poll(rb, 100) >= 0)
			;
		if (!stopped)
			break;
	}
	run->skel->bss->sv_wait = -1;
	kill(run->opt->pid, SIGCONT);
	ring_buffer__free(rb);
	return 0;
}

/* --- setting up ------------------------------------------------------------------------------ */

static int attach(struct run *run)
{
	if (run->opt->syscalls)
		return bpf_program__attach(run->skel->progs.sv_syscall) ? 0 : -1;
	for (int i = 0; i < run->opt->probes; i++) {
		char file[4096];
		const char *symbol = strrchr(run->opt->probe[i], ':');
		LIBBPF_OPTS(bpf_uprobe_opts, o, .retprobe = run->opt->at_return);

		if (!symbol || symbol - run->opt->probe[i] >= (long)sizeof(file))
			return -1;
		snprintf(file, sizeof(file), "%.*s", (int)(symbol - run->opt->probe[i]),
			 run->opt->probe[i]);
		o.func_name = symbol + 1;
		if (!bpf_program__attach_uprobe_opts(run->skel->progs.sv_event, run->opt->pid, file,
						     0, &o)) {
			fprintf(stderr, "no probe on %s\n", run->opt->probe[i]);
			return -1;
		}
	}
	return 0;
}

static int load(struct run *run)
{
	struct validate_bpf *s = run->skel = validate_bpf__open();

	if (!s || share_config(run->opt->tracer, &s->rodata->cfg))
		return -1;
	s->rodata->sv_tgid = run->opt->pid;
	s->rodata->sv_stop = run->opt->stop;
	s->rodata->sv_return = run->opt->at_return;
	s->bss->sv_wait = -1;
	/* what is not shared has no size of its own */
	bpf_map__set_max_entries(s->maps.live, 1);
	bpf_map__set_max_entries(s->maps.threads, 1);
	if (share_maps(s->obj, run->opt->tracer, shared) < 2) {
		fprintf(stderr, "process %d shares no maps: is it a memtrace?\n", run->opt->tracer);
		return -1;
	}
	return validate_bpf__load(s) || attach(run) ? -1 : 0;
}

static int parse(int argc, char **argv, struct options *o)
{
	static const struct option names[] = {
		{ "tracer", 1, NULL, 't' },   { "pid", 1, NULL, 'p' },
		{ "probe", 1, NULL, 'b' },    { "return", 0, NULL, 'r' },
		{ "every", 1, NULL, 'n' },    { "events", 1, NULL, 'e' },
		{ "seconds", 1, NULL, 's' },  { "stop", 0, NULL, 'S' },
		{ "syscalls", 0, NULL, 'y' }, { 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "p:", names, NULL)) >= 0)
		switch (c) {
		case 't': o->tracer = strtol(optarg, NULL, 10); break;
		case 'p': o->pid = strtol(optarg, NULL, 10); break;
		case 'b':
			if (o->probes < MAX_PROBES)
				o->probe[o->probes++] = optarg;
			break;
		case 'r': o->at_return = true; break;
		case 'n': o->every = strtoll(optarg, NULL, 10); break;
		case 'e': o->events = strtoll(optarg, NULL, 10); break;
		case 's': o->seconds = strtod(optarg, NULL); break;
		case 'S': o->stop = true; break;
		case 'y': o->syscalls = true; break;
		default: return -1;
		}
	return o->tracer && o->pid && (o->probes || o->syscalls) ? 0 : -1;
}

int main(int argc, char **argv)
{
	struct options o = { .every = 1, .events = 1000000000, .seconds = 10 };
	struct run *run = calloc(1, sizeof(*run));
	int status = 1;

	if (!run || parse(argc, argv, &o)) {
		fprintf(stderr, "validate --tracer PID -p PID --probe FILE:SYMBOL [--return] "
				"[--every N] [--events N] [--seconds S] [--stop]\n");
		return 2;
	}
	run->opt = &o;
	run->shown = json_array();
	run->roots = json_object();
	if (load(run) == 0 && (o.stop || (run->oracle = oracle_new(o.pid))))
		status = o.stop ? stop_often(run) : compare_all(run);
	validate_bpf__destroy(run->skel);
	oracle_free(run->oracle);
	json_decref(run->shown);
	json_decref(run->roots);
	free(run);
	return status;
}
