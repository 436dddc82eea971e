/* What watching costs the machine, attached and taken out: hooks of system calls, page faults. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>

#include "base/vec.h"
#include "collect/collector_impl.h"

/* Stacks a second at most, of one process: a stack costs 1 to 3 us. */
#define FAULT_STACKS_MOST 512

void links_destroy(struct bpf_link *link[2])
{
	for (int i = 0; i < 2; i++) {
		bpf_link__destroy(link[i]);
		link[i] = NULL;
	}
}

int links_attach(struct bpf_link *link[2], struct bpf_program *a, struct bpf_program *b)
{
	struct bpf_program *const program[2] = { a, b };

	for (int i = 0; i < 2 && program[i]; i++) {
		int r;

		link[i] = bpf_program__attach(program[i]);
		if (link[i])
			continue;
		r = -errno;
		links_destroy(link);
		return r;
	}
	return 0;
}

/* --- system calls --- */

static int control(struct collector *c, enum mt_control_op op, uint32_t tgid, uint32_t value)
{
	struct mt_control ask = { .op = op, .tgid = tgid, .value = value };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &ask, .ctx_size_in = sizeof(ask));

	return bpf_prog_test_run_opts(bpf_program__fd(c->skel->progs.mt_control), &opts);
}

int collector_note_code(struct collector *c, uint32_t tgid)
{
	return control(c, MT_CONTROL_TEXT, tgid, 0);
}

/* Of every process: nobody noted what changed meanwhile. */
static int note_all_code(struct collector *c)
{
	uint32_t tgid, *before = NULL, next;
	int first = 0;

	/* processes that end meanwhile make it begin again */
	for (uint32_t i = 0;
	     i < 2 * MT_PROCS_MAX &&
	     !bpf_map__get_next_key(c->skel->maps.procs, before, &next, sizeof(next));
	     i++) {
		int r;

		tgid = next;
		before = &tgid;
		r = collector_note_code(c, tgid);
		first = first ? first : r;
	}
	return first;
}

bool collector_has_hooks(const struct collector *c)
{
	return c->hooks[0] != NULL;
}

int collector_set_hooks(struct collector *c, bool on)
{
	int r;

	if (on == collector_has_hooks(c))
		return 0;
	if (!on) {
		collector_set_contexts(c, false); /* nobody would tell that they end */
		/* first: who takes a stack from here on looks at the code itself */
		__atomic_store_n(&c->skel->bss->hooks_in, 0, __ATOMIC_SEQ_CST);
		links_destroy(c->hooks);
		return 0;
	}
	r = links_attach(c->hooks, c->skel->progs.mt_sys_exit, c->skel->progs.mt_sys_enter);
	if (!r)
		r = note_all_code(c);
	if (r) {
		links_destroy(c->hooks);
		return r;
	}
	__atomic_store_n(&c->skel->bss->hooks_in, 1, __ATOMIC_SEQ_CST);
	return 0;
}

/* --- page faults --- */

static size_t fault_find(const struct collector *c, uint32_t tgid)
{
	size_t i = 0;

	while (i < c->faults_count && c->faults_of[i] != tgid)
		i++;
	return i;
}

void collector_drop_faults(struct collector *c, uint32_t tgid)
{
	size_t i = fault_find(c, tgid);

	if (i == c->faults_count)
		return;
	bpf_map__delete_elem(c->skel->maps.faults, &tgid, sizeof(tgid), 0);
	c->faults_of[i] = c->faults_of[--c->faults_count];
	if (c->faults_count == 0)
		links_destroy(c->fault_hooks);
}

static int faults_add(struct collector *c, uint32_t tgid)
{
	struct mt_faults f = { .most = FAULT_STACKS_MOST };
	struct mt_proc p;

	if (bpf_map__lookup_elem(c->skel->maps.procs, &tgid, sizeof(tgid), &p, sizeof(p), 0))
		return -ESRCH;
	f.asid = p.asid;
	if (bpf_map__update_elem(c->skel->maps.faults, &tgid, sizeof(tgid), &f, sizeof(f), BPF_ANY))
		return -errno;
	if (fault_find(c, tgid) == c->faults_count)
		c->faults_of[c->faults_count++] = tgid;
	/* with exec_vm 0 the first fault says that code has changed: it may have */
	return 0;
}

int collector_set_faults(struct collector *c, uint32_t tgid, bool on)
{
	int r;

	if (!on) {
		collector_drop_faults(c, tgid);
		return 0;
	}
	if (!c->has_faults)
		return -EOPNOTSUPP;
	r = vec_reserve(&c->faults_of, sizeof(*c->faults_of), c->faults_count, &c->faults_room,
			SIZE_MAX);
	if (!r)
		r = faults_add(c, tgid);
	if (!r && !c->fault_hooks[0])
		r = links_attach(c->fault_hooks, c->skel->progs.mt_fault_user,
				 c->skel->progs.mt_fault_kernel);
	if (r)
		collector_drop_faults(c, tgid);
	return r;
}

int collector_set_fault_skip(struct collector *c, uint32_t tgid, uint32_t skip_log2)
{
	if (skip_log2 > MT_FAULT_SKIP_MAX)
		return -EINVAL;
	return control(c, MT_CONTROL_SKIP, tgid, skip_log2);
}

void collector_watch_done(struct collector *c)
{
	links_destroy(c->hooks);
	links_destroy(c->fault_hooks);
	free(c->faults_of);
}
