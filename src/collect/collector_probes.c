/*
 * Allocator probes: the keeper holds them, and they are kept in one list with the process they
 * belong to; detaching takes them out newest first.
 */
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "collect/collector_impl.h"

void collector_links_clear(struct collector *c, uint32_t tgid, bool all)
{
	struct probe_link **at = &c->links;

	while (*at) {
		struct probe_link *l = *at;

		if (!all && l->tgid != tgid) {
			at = &l->next;
			continue;
		}
		*at = l->next;
		keeper_detach(c->keeper, l->id);
		free(l);
	}
}

static struct bpf_program *program_of(const struct collector *c, enum probe_role role)
{
	const struct memtrace_bpf *s = c->skel;

	switch (role) {
	case PROBE_FREE: return s->progs.mt_free_enter;
	case PROBE_RETURN: return s->progs.mt_alloc_exit;
	case PROBE_ENTRY: return s->progs.mt_alloc_enter;
	default: return NULL;
	}
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
	};
	int r;

	if (n == 0)
		return 0;
	if (!program)
		return -EOPNOTSUPP;
	if (!points || !l)
		return -ENOMEM;
	memcpy(points, probes->role[role].point, n * sizeof(*points));
	for (size_t i = 0; i < n; i++)
		points[i].cookie |= MT_COOKIE_ASID(asid);
	p.program = bpf_program__fd(program);
	r = keeper_attach(c->keeper, &p, &l->id);
	if (r)
		return r;
	l->tgid = tgid;
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
		keeper_detach(c->keeper, l->id);
		free(l);
	}
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
			    const struct stat *file)
{
	for (struct probe_link *l = c->links; l && l != mark; l = l->next) {
		l->dev = file->st_dev;
		l->inode = file->st_ino;
	}
}

int collector_attach(struct collector *c, uint32_t tgid, uint32_t asid, int file,
		     const struct collector_probes *probes, struct err *err)
{
	const struct probe_link *mark = c->links;
	struct stat st;
	int r = 0;

	if (fstat(file, &st))
		return err_set(err, -errno, "cannot look at the file (%s)", strerror(errno));
	if (is_probed(c, tgid, &st))
		return 0;
	for (enum probe_role role = 0; !r && role < PROBE_ROLES; role++)
		r = attach_role(c, tgid, asid, file, probes, role);
	if (r) {
		links_rewind(c, mark);
		return err_set(err, r, "cannot attach allocator probes (%s)", strerror(-r));
	}
	links_note_file(c, mark, &st);
	return 0;
}

void collector_detach(struct collector *c, uint32_t tgid)
{
	collector_links_clear(c, tgid, false);
	keeper_sync(c->keeper);
}
