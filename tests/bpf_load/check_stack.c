/*
 * Loads every BPF program with the verifier's statistics on and checks what CI must: each
 * sub-program uses at most 48 bytes of BPF stack (from 64 on newer kernels give it a per-CPU stack
 * that a preempting thread overwrites), and prints the price of each program. Root needed.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memtrace/wire.h"
#include "memtrace.skel.h"

#define STACK_LIMIT 48
#define LOG_BYTES (1 << 20)
#define PROGRAMS 64

static int quiet(enum libbpf_print_level level, const char *format, va_list ap)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, format, ap) : 0;
}

/* "stack depth 24+8+32": every part counts. Returns the largest. */
static int deepest(const char *log)
{
	const char *p = strstr(log, "stack depth ");
	int most = 0;

	if (!p)
		return -1;
	p += strlen("stack depth ");
	while (*p >= '0' && *p <= '9') {
		int n = strtol(p, (char **)&p, 10);

		most = n > most ? n : most;
		if (*p == '+')
			p++;
	}
	return most;
}

/* Linux 6.1 does not tell of messages: FEATURE_sock_lengths. */
static bool is_offered(const struct memtrace_bpf *s, const struct bpf_program *p)
{
	if (p != s->progs.mt_sniff_sent && p != s->progs.mt_sniff_got)
		return true;
	return libbpf_find_vmlinux_btf_id("sock_send_length", BPF_TRACE_RAW_TP) > 0;
}

static int judge(const char *name, const char *log)
{
	const char *insns = strstr(log, "processed ");
	int most = deepest(log);

	printf("%-16s %6ld instructions verified, %2d bytes of stack at most\n", name,
	       insns ? strtol(insns + strlen("processed "), NULL, 10) : -1L, most);
	if (most < 0)
		fprintf(stderr, "%s: the verifier's log does not tell the stack depth\n", name);
	if (most > STACK_LIMIT)
		fprintf(stderr, "%s: more than %d bytes of stack in a sub-program\n", name,
			STACK_LIMIT);
	return most < 0 || most > STACK_LIMIT;
}

/* Per-CPU memory is shared by every thread that a CPU runs in turn: only atomic counters live
 * there. */
static int per_cpu_scratch(const struct bpf_map *m)
{
	enum bpf_map_type t = bpf_map__type(m);
	bool per_cpu = t == BPF_MAP_TYPE_PERCPU_ARRAY || t == BPF_MAP_TYPE_PERCPU_HASH ||
		       t == BPF_MAP_TYPE_LRU_PERCPU_HASH;

	if (!per_cpu || strcmp(bpf_map__name(m), "counters") == 0)
		return 0;
	fprintf(stderr, "map %s is per-CPU: a preempting thread would share it\n",
		bpf_map__name(m));
	return 1;
}

int main(void)
{
	char *log[PROGRAMS] = { 0 };
	struct bpf_program *p;
	struct bpf_map *m;
	struct memtrace_bpf *s;
	int n = 0, bad = 0;

	libbpf_set_print(quiet);
	s = memtrace_bpf__open();
	if (!s)
		return 1;
	bpf_map__set_max_entries(s->maps.live, 1024);
	bpf_map__set_max_entries(s->maps.live_front, 128);
	s->rodata->cfg.bucket_bits = 7;
	bpf_map__set_max_entries(s->maps.threads, 1024);
	bpf_map__set_max_entries(s->maps.site_index, 1024);
	bpf_map__set_max_entries(s->maps.sites, 1024);
	bpf_map__set_max_entries(s->maps.shard_of, 1024);
	bpf_map__set_max_entries(s->maps.events, 1 << 16);
	bpf_map__set_max_entries(s->maps.scratch, 4);
	bpf_map__set_max_entries(s->maps.syscalls, 512);
	s->rodata->cfg.site_capacity = 1024;
	s->rodata->cfg.max_frames = MT_MAX_FRAMES;
	s->rodata->cfg.follow = 1; /* the longest paths */
	s->rodata->cfg.send_events = 1;
	bpf_object__for_each_program(p, s->obj)
	{
		log[n] = calloc(1, LOG_BYTES);
		if (n == PROGRAMS - 1 || !log[n])
			return 1;
		bpf_program__set_autoload(p, is_offered(s, p));
		bpf_program__set_log_level(p, 4);
		bpf_program__set_log_buf(p, log[n++], LOG_BYTES);
	}
	if (memtrace_bpf__load(s)) {
		fprintf(stderr, "the kernel refused the programs\n");
		return 1;
	}
	n = 0;
	bpf_object__for_each_program(p, s->obj)
	{
		if (bpf_program__autoload(p))
			bad += judge(bpf_program__name(p), log[n]);
		n++;
	}
	bpf_object__for_each_map(m, s->obj) bad += per_cpu_scratch(m);
	memtrace_bpf__destroy(s);
	return bad != 0;
}
