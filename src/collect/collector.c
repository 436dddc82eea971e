/* Opens the skeleton, sets sizes, loads what is wanted, attaches the tracepoints, polls. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "collect/collector_impl.h"
#include "collect/self.h"
#include "collect/syscall_numbers.h"

#define SCRATCH_PER_CPU 4

void collector_free(struct collector *c)
{
	if (!c)
		return;
	keeper_listen(c->keeper, NULL, NULL);
	collector_detach_all(c);
	for (size_t i = 0; i < sizeof(c->tracepoints) / sizeof(c->tracepoints[0]); i++)
		bpf_link__destroy(c->tracepoints[i]);
	collector_watch_done(c);
	collector_work_done(c);
	collector_set_sniffers(c, false);
	ring_buffer__free(c->ring);
	unwind_free(c->unwind);
	free(c->usdt_spec);
	collector_unmap_tables(c);
	collector_conns_done(c);
	memtrace_bpf__destroy(c->skel);
	free(c);
}

void collector_freep(struct collector **c)
{
	collector_free(*c);
}

/* A power of two: pages of one busy site. */
static uint32_t shards_for(int cpus)
{
	uint32_t n = 1;

	while (n < MT_SHARDS_MAX && 2 * n <= (uint32_t)cpus)
		n *= 2;
	return n;
}

static void set_sizes(struct memtrace_bpf *s, const struct collector_cfg *cfg, int cpus)
{
	struct bucket_plan plan = collector_plan_buckets(cfg->live_max);

	bpf_map__set_max_entries(s->maps.live, plan.spill);
	bpf_map__set_max_entries(s->maps.live_front, 1u << plan.bits);
	s->rodata->cfg.bucket_bits = plan.bits;
	bpf_map__set_max_entries(s->maps.threads, cfg->threads_max);
	bpf_map__set_max_entries(s->maps.site_index, cfg->sites_max);
	bpf_map__set_max_entries(s->maps.sites, cfg->sites_max + MT_SHARD_PAGES);
	bpf_map__set_max_entries(s->maps.shard_of, cfg->sites_max);
	s->rodata->cfg.shard_mask = shards_for(cpus) - 1;
	bpf_map__set_max_entries(s->maps.space_cpu, MT_SPACES * cpus);
	bpf_map__set_max_entries(s->maps.events, cfg->ring_bytes);
	bpf_map__set_max_entries(s->maps.scratch, SCRATCH_PER_CPU * cpus);
	bpf_map__set_max_entries(s->maps.syscalls, MT_SYSCALLS);
	s->rodata->cfg.boot_ns = cfg->boot_ns;
	s->rodata->cfg.site_capacity = cfg->sites_max;
	s->rodata->cfg.thread_capacity = cfg->threads_max;
	s->rodata->cfg.scratch_slots = SCRATCH_PER_CPU;
	s->rodata->cfg.cpus = cpus;
	s->rodata->cfg.max_frames = cfg->max_frames;
	s->rodata->cfg.send_events = cfg->send_events;
	s->rodata->cfg.follow = cfg->follow;
}

static void want(struct bpf_program *p, bool multi)
{
	bpf_program__set_autoload(p, true);
	if (multi)
		bpf_program__set_expected_attach_type(p, BPF_TRACE_UPROBE_MULTI);
}

static void want_session(struct bpf_program *p)
{
	bpf_program__set_autoload(p, true);
	bpf_program__set_expected_attach_type(p, KEEPER_SESSION_TYPE);
}

static void choose_programs(struct memtrace_bpf *s, const struct features *f, bool sniff)
{
	bool multi = f->has[FEATURE_uprobe_multi], lengths = f->has[FEATURE_sock_lengths];

	bpf_program__set_autoload(s->progs.mt_sys_enter, true);
	bpf_program__set_autoload(s->progs.mt_sys_exit, true);
	bpf_program__set_autoload(s->progs.mt_fork, true);
	bpf_program__set_autoload(s->progs.mt_exec, true);
	bpf_program__set_autoload(s->progs.mt_exit, true);
	bpf_program__set_autoload(s->progs.mt_sniff_exit, sniff && !lengths);
	bpf_program__set_autoload(s->progs.mt_sniff_sent, sniff && lengths);
	bpf_program__set_autoload(s->progs.mt_sniff_got, sniff && lengths);
	bpf_program__set_autoload(s->progs.mt_end_block, true);
	if (f->has[FEATURE_page_faults]) {
		bpf_program__set_autoload(s->progs.mt_fault_user, true);
		bpf_program__set_autoload(s->progs.mt_fault_kernel, true);
	}
	bpf_program__set_autoload(s->progs.mt_control, true);
	bpf_program__set_autoload(s->progs.mt_work, true);
	if (f->has[FEATURE_task_file_iter])
		bpf_program__set_autoload(s->progs.mt_fdtable, true);
	if (f->has[FEATURE_uprobe] || multi) {
		want(s->progs.mt_alloc_enter, multi);
		want(s->progs.mt_alloc_exit, multi);
		want(s->progs.mt_alloc_whole, multi);
		want(s->progs.mt_alloc_result, multi);
		want(s->progs.mt_free_enter, multi);
		want(s->progs.mt_usdt_alloc, multi);
		want(s->progs.mt_usdt_free, multi);
		if (sniff)
			want(s->progs.mt_sniff_plain, multi);
	}
	if (f->has[FEATURE_uprobe_session])
		want_session(s->progs.mt_alloc_session);
}

/* Rows whose number this architecture has; others are skipped where the table is expanded. */
static const struct syscall_row {
	int nr;
	struct mt_syscall row;
} syscall_rows[] = {
#define SYSCALL(name, op_, entry_, site, arg, len) \
	{ SYS_##name,                              \
	  { .op = MT_SYS_##op_,                    \
	    .entry = (entry_),                     \
	    .site_kind = (site),                   \
	    .extra_arg = (arg),                    \
	    .extra_len = (len) } },
#include "memtrace/syscalls.def"
#undef SYSCALL
};
#define SYSCALL_ROWS (sizeof(syscall_rows) / sizeof(syscall_rows[0]))

static void choose_syscalls(struct memtrace_bpf *s)
{
	for (size_t i = 0; i < SYSCALL_ROWS; i++) {
		uint32_t nr = syscall_rows[i].nr;

		if (nr < MT_SYSCALLS)
			s->rodata->followed[nr] =
				MT_FOLLOW_EXIT | (syscall_rows[i].row.entry ? MT_FOLLOW_ENTRY : 0);
	}
}

static const struct {
	uint32_t nr;
	uint8_t what;
} context_rows[] = {
#define CONTEXT(name, what_) { SYS_##name, MT_CONTEXT_##what_ },
#include "memtrace/contexts.def"
#undef CONTEXT
};

static void choose_contexts(struct memtrace_bpf *s)
{
	for (size_t i = 0; i < sizeof(context_rows) / sizeof(context_rows[0]); i++)
		if (context_rows[i].nr < MT_SYSCALLS)
			s->rodata->followed[context_rows[i].nr] |= context_rows[i].what
								   << MT_FOLLOW_CONTEXT_SHIFT;
}

static int fill_syscalls(struct collector *c)
{
	for (size_t i = 0; i < SYSCALL_ROWS; i++) {
		const struct syscall_row *r = &syscall_rows[i];
		uint32_t nr = r->nr;

		if (nr < MT_SYSCALLS &&
		    bpf_map__update_elem(c->skel->maps.syscalls, &nr, sizeof(nr), &r->row,
					 sizeof(r->row), BPF_ANY))
			return -errno;
	}
	return 0;
}

static int load(struct collector *c, const struct collector_cfg *cfg, struct err *err)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .btf_custom_path = self_btf_override());
	int r;

	c->skel = memtrace_bpf__open_opts(&opts);
	if (!c->skel)
		return err_set(err, -errno, "cannot open the BPF object (%s)", strerror(errno));
	if (c->skel->rodata->cfg.wire_version != MT_WIRE_VERSION)
		return err_set(err, -EPROTO, "BPF object speaks wire version %u, memtrace %u",
			       c->skel->rodata->cfg.wire_version, MT_WIRE_VERSION);
	set_sizes(c->skel, cfg, c->cpus);
	c->bucket_bits = c->skel->rodata->cfg.bucket_bits;
	choose_programs(c->skel, cfg->features, !cfg->no_sniff);
	choose_syscalls(c->skel);
	choose_contexts(c->skel);
	collector_choose_sniffed(c->skel);
	r = memtrace_bpf__load(c->skel);
	if (r)
		return err_set(err, r == -EPERM || r == -ENOMEM ? r : -EOPNOTSUPP,
			       "the kernel refused memtrace's BPF programs (%s); `memtrace doctor` "
			       "says what it supports, -vv shows the reason",
			       strerror(-r));
	return 0;
}

static int open_unwind(struct collector *c)
{
	const struct unwind_cfg cfg = {
		.shards = bpf_map__fd(c->skel->maps.shards),
		.rules = bpf_map__fd(c->skel->maps.rules),
		.files = bpf_map__fd(c->skel->maps.files),
		.layouts = bpf_map__fd(c->skel->maps.layouts),
		.pending = bpf_map__fd(c->skel->maps.pending),
		.racache = bpf_map__fd(c->skel->maps.racache),
		.memo_epoch = &c->skel->data->memo_epoch,
	};

	return unwind_new(&cfg, &c->unwind);
}

int collector_new(const struct collector_cfg *cfg, collector_record_fn fn, void *ctx,
		  struct collector **ret, struct err *err)
{
	auto_clean(collector_freep) struct collector *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	c->keeper = cfg->keeper;
	c->features = cfg->features;
	c->expected = cfg->expected;
	c->expected_count = cfg->expected_count;
	c->cpus = libbpf_num_possible_cpus();
	if (c->cpus < 0)
		return err_set(err, c->cpus, "cannot tell the number of CPUs");
	c->sites_max = cfg->sites_max;
	c->multi = cfg->features->has[FEATURE_uprobe_multi];
	c->sessions = cfg->features->has[FEATURE_uprobe_session];
	c->has_faults = cfg->features->has[FEATURE_page_faults];
	c->sniff.lengths = cfg->features->has[FEATURE_sock_lengths];
	c->has_fd_iter = cfg->features->has[FEATURE_task_file_iter];
	r = load(c, cfg, err);
	if (r)
		return r;
	r = fill_syscalls(c);
	if (r)
		return err_set(err, r, "cannot fill the system call table (%s)", strerror(-r));
	r = collector_map_tables(c);
	if (r)
		return err_set(err, r, "cannot map the tables of sites and blocks (%s)",
			       strerror(-r));
	r = open_unwind(c);
	if (r)
		return err_set(err, r, "cannot map the unwind tables (%s)", strerror(-r));
	c->ring = ring_buffer__new(bpf_map__fd(c->skel->maps.events), fn, ctx, NULL);
	if (!c->ring)
		return err_set(err, -errno, "cannot open the ring buffer (%s)", strerror(errno));
	r = collector_open_sniffers(c);
	if (r)
		return err_set(err, r, "cannot open the ring buffer of sockets (%s)", strerror(-r));
	collector_listen(c);
	*ret = steal(c);
	return 0;
}

int collector_start(struct collector *c, struct err *err)
{
	struct bpf_program *programs[] = { c->skel->progs.mt_exit, c->skel->progs.mt_exec,
					   c->skel->progs.mt_fork };
	int r;

	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		c->tracepoints[i] = bpf_program__attach(programs[i]);
		if (!c->tracepoints[i])
			return err_set(err, -errno, "cannot attach %s (%s)",
				       bpf_program__name(programs[i]), strerror(errno));
	}
	r = collector_set_hooks(c, true);
	return r ? err_set(err, r, "cannot attach to system calls (%s)", strerror(-r)) : 0;
}

int collector_add_process(struct collector *c, uint32_t tgid, uint32_t *ret_asid)
{
	uint32_t asid = collector_new_asid(c, tgid);
	uint32_t text = __atomic_fetch_add(&c->skel->data->next_text, 1, __ATOMIC_RELAXED);
	struct mt_proc p = { .asid = asid, .text = text };

	if (!asid)
		return -ENOSPC;
	for (uint32_t i = 0; i < MT_TEXT_PIECES; i++)
		p.piece[i] = text;
	if (bpf_map__update_elem(c->skel->maps.procs, &tgid, sizeof(tgid), &p, sizeof(p),
				 BPF_ANY)) {
		collector_end_asid(c, asid);
		return -errno;
	}
	*ret_asid = asid;
	return 0;
}

int collector_set_code(struct collector *c, uint32_t tgid, uint32_t asid,
		       const struct collector_code *code)
{
	struct mt_plumbing p = { .asid = asid };

	for (size_t i = 0; i < code->plumbing_count && i < MT_PLUMBING_RANGES; i++)
		p.range[i] = (struct mt_range){ code->plumbing[i][0], code->plumbing[i][1] };
	for (size_t i = 0; i < MT_BARE_RANGES; i++)
		p.bare[i] = (struct mt_range){ code->bare[i][0], code->bare[i][1] };
	p.probed = (struct mt_range){ code->probed[0], code->probed[1] };
	if (bpf_map__update_elem(c->skel->maps.plumbing, &tgid, sizeof(tgid), &p, sizeof(p),
				 BPF_ANY))
		return -errno;
	unwind_clear_cache(c->unwind);
	return 0;
}

uint32_t collector_text(const struct collector *c, uint32_t tgid)
{
	struct mt_proc p;

	return bpf_map__lookup_elem(c->skel->maps.procs, &tgid, sizeof(tgid), &p, sizeof(p), 0)
		       ? UNWIND_NO_TEXT
		       : p.text;
}

uint32_t collector_next_text(const struct collector *c)
{
	return __atomic_load_n(&c->skel->data->next_text, __ATOMIC_ACQUIRE);
}

struct unwind *collector_unwind(struct collector *c)
{
	return c->unwind;
}

void collector_remove_process(struct collector *c, uint32_t tgid)
{
	struct mt_proc p;

	if (!tgid) /* nobody: those links are of all who share a file's probes */
		return;
	if (!bpf_map__lookup_elem(c->skel->maps.procs, &tgid, sizeof(tgid), &p, sizeof(p), 0) &&
	    !(p.flags & MT_PROCF_BORROWED))
		collector_end_asid(c, p.asid);
	/* the entry first: taking probes out lasts, and they should have no work meanwhile */
	bpf_map__delete_elem(c->skel->maps.procs, &tgid, sizeof(tgid), 0);
	bpf_map__delete_elem(c->skel->maps.plumbing, &tgid, sizeof(tgid), 0);
	collector_drop_faults(c, tgid);
	unwind_remove_process(c->unwind, tgid);
	collector_links_clear(c, tgid, false);
}

int collector_fd(const struct collector *c)
{
	return ring_buffer__epoll_fd(c->ring);
}

int collector_poll(struct collector *c)
{
	unwind_note_text(c->unwind, __atomic_load_n(&c->skel->data->next_text, __ATOMIC_RELAXED));
	return ring_buffer__consume(c->ring);
}
