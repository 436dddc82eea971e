/* A link is a descriptor; closing it takes the probes out. */
#include "collect/keeper_sets.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

#define PMU "/sys/bus/event_source/devices/uprobe/"
#define SETS_STEP 64

/* What bpf(BPF_LINK_CREATE) takes for uprobe_multi; libbpf refuses sessions before 1.5. */
struct multi_attr {
	uint32_t program, target, type, flags;
	uint64_t path, offsets, semaphores, cookies;
	uint32_t count, multi_flags, pid, reserved;
};

static int attach_multi(struct probe_set *p, const char *path)
{
	unsigned long offsets[KEEPER_POINTS_MAX], semaphores[KEEPER_POINTS_MAX];
	__u64 cookies[KEEPER_POINTS_MAX];
	struct multi_attr attr = {
		.program = p->program,
		.type = p->session ? KEEPER_SESSION_TYPE : BPF_TRACE_UPROBE_MULTI,
		.path = (uintptr_t)path,
		.offsets = (uintptr_t)offsets,
		.semaphores = (uintptr_t)semaphores,
		.cookies = (uintptr_t)cookies,
		.count = p->count,
		.multi_flags = p->on_return ? BPF_F_UPROBE_MULTI_RETURN : 0,
		.pid = p->tgid,
	};
	int fd;

	for (size_t i = 0; i < p->count; i++) {
		offsets[i] = p->point[i].file_offset;
		semaphores[i] = p->point[i].semaphore;
		cookies[i] = p->point[i].cookie;
	}
	fd = syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));
	if (fd < 0)
		return -errno;
	p->link[p->link_count++] = fd;
	return 0;
}

/* A number that sysfs shows, alone or behind a prefix. */
static int sysfs_number(const char *path, const char *format, int *ret)
{
	auto_fclose FILE *f = fopen(path, "re");

	return f && fscanf(f, format, ret) == 1 ? 0 : -ENOENT;
}

/* Kernels before 6.6: a perf event for each probe. The link keeps the event. */
static int attach_each(struct probe_set *p, const char *path)
{
	struct perf_event_attr attr = { .size = sizeof(attr), .config1 = (uintptr_t)path };
	int type, bit, semaphore, fd, event;

	if (sysfs_number(PMU "type", "%d", &type) ||
	    sysfs_number(PMU "format/retprobe", "config:%d", &bit) ||
	    sysfs_number(PMU "format/ref_ctr_offset", "config:%d", &semaphore))
		return -EOPNOTSUPP;
	attr.type = type;
	for (size_t i = 0; i < p->count; i++) {
		LIBBPF_OPTS(bpf_link_create_opts, opts,
			    .perf_event.bpf_cookie = p->point[i].cookie);

		attr.config = (p->on_return ? 1ull << bit : 0) | p->point[i].semaphore << semaphore;
		attr.config2 = p->point[i].file_offset;
		event = syscall(SYS_perf_event_open, &attr, p->tgid, -1, -1, PERF_FLAG_FD_CLOEXEC);
		if (event < 0)
			return -errno;
		fd = bpf_link_create(p->program, event, BPF_PERF_EVENT, &opts);
		close(event);
		if (fd < 0)
			return fd;
		p->link[p->link_count++] = fd;
	}
	return 0;
}

static void set_out(struct probe_sets *s, struct probe_set *p)
{
	while (p->link_count)
		closers_close(s->closers, p->link[--p->link_count]);
	free(p->link);
	p->link = NULL;
}

static bool process_lives(const struct probe_set *p)
{
	return p->tgid == 0 || !syscall(SYS_pidfd_send_signal, p->process, 0, NULL, 0);
}

/* The process is looked at again afterwards: its number may just have become another's. */
static int set_in(struct probe_sets *s, struct probe_set *p)
{
	char path[32];
	int r;

	p->link = calloc(p->multi ? 1 : p->count, sizeof(*p->link));
	if (!p->link)
		return -ENOMEM;
	/* the very file that is open, whatever its name means now or in which namespace */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", p->file);
	r = p->multi ? attach_multi(p, path) : attach_each(p, path);
	if (!r && !process_lives(p))
		r = -ESRCH;
	if (r)
		set_out(s, p);
	return r;
}

static void set_done(struct probe_sets *s, struct probe_set *p)
{
	set_out(s, p);
	close_fd(&p->process);
	close_fd(&p->program);
	close_fd(&p->file);
	free(p->point);
}

static int make_room(struct probe_sets *s)
{
	struct probe_set *more;

	if (s->count < s->room)
		return 0;
	more = realloc(s->set, (s->room + SETS_STEP) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	s->set = more;
	s->room += SETS_STEP;
	return 0;
}

int sets_attach(struct probe_sets *s, const struct keeper_request *q, int program, int file)
{
	int process = q->tgid ? syscall(SYS_pidfd_open, q->tgid, 0) : -1;
	int r = q->tgid && process < 0 ? -errno : 0;
	struct probe_set p = {
		.id = q->id,
		.tgid = q->tgid,
		.process = process,
		.program = program,
		.file = file,
		.on_return = q->on_return,
		.multi = q->multi,
		.session = q->session,
		.apart = q->apart,
		.point = malloc(q->count * sizeof(*p.point) + 1),
		.count = q->count,
	};

	if (!r)
		r = p.point ? make_room(s) : -ENOMEM;
	if (!r && !q->tgid && !q->multi)
		r = -EOPNOTSUPP;
	if (!r && (program < 0 || file < 0))
		r = -EMFILE; /* they were sent and there was no room for them here */
	if (!r) {
		memcpy(p.point, q->point, q->count * sizeof(*p.point));
		r = set_in(s, &p);
	}
	if (r)
		set_done(s, &p);
	else
		s->set[s->count++] = p;
	return r;
}

void sets_detach(struct probe_sets *s, uint32_t id)
{
	size_t kept = 0;

	for (size_t i = s->count; i-- > 0;)
		if (!id || s->set[i].id == id)
			set_out(s, &s->set[i]);
	for (size_t i = 0; i < s->count; i++) {
		if (!id || s->set[i].id == id)
			set_done(s, &s->set[i]);
		else
			s->set[kept++] = s->set[i];
	}
	s->count = kept;
}

void sets_disarm(struct probe_sets *s, uint32_t tgid)
{
	for (size_t i = s->count; i-- > 0;)
		if (s->set[i].tgid == tgid && !s->set[i].apart)
			set_out(s, &s->set[i]);
}

int sets_arm(struct probe_sets *s, uint32_t tgid)
{
	int r = -ENOENT;

	for (size_t i = 0; i < s->count; i++) {
		struct probe_set *p = &s->set[i];

		if (p->tgid != tgid || p->apart)
			continue;
		r = p->link ? 0 : process_lives(p) ? set_in(s, p) : -ESRCH;
		if (r)
			break;
	}
	if (r)
		sets_disarm(s, tgid);
	return r;
}
