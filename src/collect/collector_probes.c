/*
 * Allocator probes: the keeper holds them, and they are kept in one list with the process they
 * belong to; detaching takes them out newest first.
 */
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "collect/collector_impl.h"

static struct probe_state *state_of(const struct collector *c, uint32_t tgid)
{
	struct probe_state *s = c->states;

	while (s && s->tgid != tgid)
		s = s->next;
	return s;
}

static void states_clear(struct collector *c, uint32_t tgid, bool all)
{
	struct probe_state **at = &c->states;

	while (*at) {
		struct probe_state *s = *at;

		if (!all && s->tgid != tgid) {
			at = &s->next;
			continue;
		}
		*at = s->next;
		free(s);
	}
}

/* Probes of a process are in: the first ones, or more of them. */
static int state_begin(struct collector *c, uint32_t tgid)
{
	struct probe_state *s = state_of(c, tgid);

	if (s)
		return 0;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	*s = (struct probe_state){ .tgid = tgid,
				   .wanted = true,
				   .in = true,
				   .since_ns = clock_monotonic_ns(),
				   .next = c->states };
	c->states = s;
	return 0;
}

/* An arm that was taken back meanwhile is no news. */
static void on_armed(void *ctx, uint32_t tgid, int result, uint64_t time_ns)
{
	struct probe_state *s = state_of(ctx, tgid);

	if (!s)
		return;
	if (s->pending)
		s->pending--;
	if (result) {
		s->error = result;
		s->in = false;
	} else if (s->wanted && !s->in && !s->pending) {
		s->in = true;
		s->since_ns = time_ns;
		collector_note_out(ctx, tgid, time_ns);
		collector_note_shut(ctx, tgid, 0);
	}
}

void collector_listen(struct collector *c)
{
	keeper_listen(c->keeper, on_armed, c);
}

static void link_drop(struct collector *c, struct probe_link *l)
{
	if (l->id)
		keeper_detach(c->keeper, l->id);
	free(l);
}

void collector_links_clear(struct collector *c, uint32_t tgid, bool all)
{
	struct probe_link **at = &c->links;

	states_clear(c, tgid, all);
	if (c->commons)
		collector_set_common(c, tgid, false);
	while (*at) {
		struct probe_link *l = *at;

		if (!all && l->tgid != tgid) {
			at = &l->next;
			continue;
		}
		*at = l->next;
		link_drop(c, l);
	}
	collector_drop_commons(c, all);
}

void collector_detach_all(struct collector *c)
{
	collector_links_clear(c, 0, true);
}

static struct bpf_program *program_of(const struct collector *c, enum probe_role role)
{
	const struct memtrace_bpf *s = c->skel;

	switch (role) {
	case PROBE_FREE: return s->progs.mt_free_enter;
	case PROBE_RETURN: return s->progs.mt_alloc_exit;
	case PROBE_SESSION: return s->progs.mt_alloc_session;
	case PROBE_RESULT: return s->progs.mt_alloc_result;
	case PROBE_WHOLE: return s->progs.mt_alloc_whole;
	case PROBE_ENTRY: return s->progs.mt_alloc_enter;
	case PROBE_USDT_FREE: return s->progs.mt_usdt_free;
	case PROBE_USDT_ALLOC: return s->progs.mt_usdt_alloc;
	default: return NULL;
	}
}

static bool has_inner(const struct collector_probes *probes)
{
	for (size_t role = 0; role < PROBE_ROLES; role++)
		for (size_t i = 0; i < probes->role[role].count; i++)
			if (probes->role[role].point[i].cookie & MT_COOKIE_INNER)
				return true;
	return false;
}

bool collector_has_sessions(const struct collector *c)
{
	return c->sessions;
}

bool collector_sees_inside(const struct collector *c)
{
	return program_of(c, PROBE_WHOLE) && program_of(c, PROBE_RESULT);
}

static int attach_role(struct collector *c, uint32_t tgid, uint32_t asid, int file,
		       const struct collector_probes *probes, enum probe_role role)
{
	struct bpf_program *program = program_of(c, role);
	size_t n = probes->role[role].count;
	auto_free struct keeper_point *points = calloc(n + 1, sizeof(*points));
	auto_free struct probe_link *l = calloc(1, sizeof(*l));
	struct keeper_probes p = {
		.point = points,
		.count = n,
		.tgid = tgid,
		.file = file,
		.on_return = role == PROBE_RETURN,
		.multi = c->multi,
		.session = role == PROBE_SESSION,
	};
	int r;

	if (n == 0)
		return 0;
	if (!program)
		return -EOPNOTSUPP;
	if (!points || !l)
		return -ENOMEM;
	memcpy(points, probes->role[role].point, n * sizeof(*points));
	for (size_t i = 0; i < n; i++) {
		points[i].cookie |= MT_COOKIE_ASID(asid);
		if ((role == PROBE_ENTRY || role == PROBE_SESSION) && has_inner(probes))
			points[i].cookie |= MT_COOKIE_OUTER;
	}
	p.program = bpf_program__fd(program);
	r = keeper_attach(c->keeper, &p, &l->id);
	if (r)
		return r;
	l->tgid = tgid;
	l->asid = asid;
	l->next = c->links;
	c->links = steal(l);
	return 0;
}

/* Takes out what was attached since `mark` was the newest link. */
static void links_rewind(struct collector *c, const struct probe_link *mark)
{
	while (c->links && c->links != mark) {
		struct probe_link *l = c->links;

		c->links = l->next;
		link_drop(c, l);
	}
}

static bool has_links(const struct collector *c, uint32_t tgid)
{
	const struct probe_link *l = c->links;

	while (l && l->tgid != tgid)
		l = l->next;
	return l;
}

/* A file that was renamed, or is mapped under two names, is probed once all the same. */
static bool is_probed(const struct collector *c, uint32_t tgid, const struct stat *file)
{
	for (const struct probe_link *l = c->links; l; l = l->next)
		if (l->tgid == tgid && l->dev == file->st_dev && l->inode == file->st_ino)
			return true;
	return false;
}

static void links_note_file(struct collector *c, const struct probe_link *mark,
			    const struct stat *file, bool apart)
{
	for (struct probe_link *l = c->links; l && l != mark; l = l->next) {
		l->dev = file->st_dev;
		l->inode = file->st_ino;
		l->apart = apart;
	}
}

int collector_attach_roles(struct collector *c, uint32_t tgid, uint32_t asid, int file,
			   const struct collector_probes *probes)
{
	const struct probe_link *mark = c->links;
	struct stat st;
	int r = fstat(file, &st) ? -errno : 0;

	for (enum probe_role role = 0; !r && role < PROBE_ROLES; role++)
		r = attach_role(c, tgid, asid, file, probes, role);
	if (r)
		links_rewind(c, mark);
	else
		links_note_file(c, mark, &st, probes->apart);
	return r;
}

int collector_attach(struct collector *c, uint32_t tgid, uint32_t asid, int file,
		     const struct collector_probes *probes, struct err *err)
{
	struct stat st;
	int r;

	if (fstat(file, &st))
		return err_set(err, -errno, "cannot look at the file (%s)", strerror(errno));
	if (is_probed(c, tgid, &st))
		return 0;
	r = state_begin(c, tgid);
	if (has_inner(probes)) /* first: a call that begins before is not counted */
		collector_note_inner(c, asid);
	if (!r && probes->apart)
		collector_leave_commons(c);
	else if (!r && collector_join_common(c, tgid, asid, &st))
		return 0;
	if (!r)
		r = collector_attach_roles(c, tgid, asid, file, probes);
	if (r) {
		if (!has_links(c, tgid))
			states_clear(c, tgid, false);
		return err_set(err, r, "cannot attach allocator probes (%s)", strerror(-r));
	}
	if (!state_of(c, tgid)->wanted)
		keeper_disarm(c->keeper, tgid);
	else if (!probes->apart)
		collector_make_common(c, file, probes);
	return 0;
}

void collector_detach(struct collector *c, uint32_t tgid)
{
	collector_links_clear(c, tgid, false);
	keeper_sync(c->keeper);
}

void collector_disarm(struct collector *c, uint32_t tgid)
{
	struct probe_state *s = state_of(c, tgid);
	uint64_t now_ns = clock_monotonic_ns();

	keeper_poll(c->keeper);
	if (!s || !s->wanted)
		return;
	collector_leave_commons(c);
	collector_note_shut(c, tgid, MT_SHUT_CLOSING);
	collector_note_out(c, tgid, UINT64_MAX);
	keeper_disarm(c->keeper, tgid);
	if (s->in && now_ns > s->since_ns)
		s->in_ns += now_ns - s->since_ns;
	s->in = s->wanted = false;
}

int collector_arm(struct collector *c, uint32_t tgid, struct err *err)
{
	struct probe_state *s = state_of(c, tgid);
	int r;

	keeper_poll(c->keeper);
	if (!s)
		return err_set(err, -ENOENT, "process %u has no allocator probes", tgid);
	r = s->error;
	if (!s->wanted)
		collector_note_out(c, tgid, UINT64_MAX); /* also of a program that came meanwhile */
	if (!r && !s->wanted) {
		collector_note_shut(c, tgid, MT_SHUT_OPENING);
		r = keeper_arm(c->keeper, tgid);
	}
	if (r) {
		collector_links_clear(c, tgid, false);
		return err_set(err, r, "cannot attach allocator probes again (%s)", strerror(-r));
	}
	if (!s->wanted)
		s->pending++;
	s->wanted = true;
	return 0;
}

void collector_sync(struct collector *c)
{
	keeper_sync(c->keeper);
}

int collector_armed(struct collector *c, uint32_t tgid, struct collector_armed *ret)
{
	const struct probe_state *s = state_of(c, tgid);
	uint64_t now_ns;

	keeper_poll(c->keeper);
	if (!s)
		return -ENOENT;
	now_ns = clock_monotonic_ns();
	*ret = (struct collector_armed){ .in = s->in, .in_ns = s->in_ns, .error = s->error };
	if (s->in && now_ns > s->since_ns)
		ret->in_ns += now_ns - s->since_ns;
	return 0;
}
