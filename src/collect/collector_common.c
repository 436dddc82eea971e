/*
 * Probes that many processes share. Who maps a file is read from /proc once, before; afterwards the
 * probes themselves tell of a process that they are not meant for, at its first call.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"
#include "collect/collector_impl.h"
#include "sys/maps.h"

#define PROC "/proc"
#define COMMON_MIN 16		/* processes: a hit costs 0.5 us more then, out of 0.6 to 0.9 */
#define PAUSE_NS 60000000000ull /* after a stranger: it was seen that there are some */

static bool is_of(const struct probe_link *l, dev_t dev, ino_t inode)
{
	return l->dev == dev && l->inode == inode;
}

static struct common_file *common_of(const struct collector *c, dev_t dev, ino_t inode)
{
	struct common_file *f = c->commons;

	while (f && (f->dev != dev || f->inode != inode))
		f = f->next;
	return f;
}

static void common_free(struct common_file *f)
{
	close_fd(&f->file);
	free(f->points);
	free(f);
}

static void common_freep(struct common_file **f)
{
	if (*f)
		common_free(*f);
}

/* How many processes have probes of their own there. */
static size_t count_owners(const struct collector *c, const struct stat *st)
{
	uint32_t last = 0;
	size_t n = 0;

	/* all links of a process in a file are neighbours */
	for (const struct probe_link *l = c->links; l; l = l->next)
		if (is_of(l, st->st_dev, st->st_ino) && l->tgid && l->tgid != last) {
			last = l->tgid;
			n++;
		}
	return n;
}

static bool is_owner(const struct collector *c, const struct stat *st, uint32_t tgid)
{
	for (const struct probe_link *l = c->links; l; l = l->next)
		if (l->tgid == tgid && is_of(l, st->st_dev, st->st_ino))
			return true;
	return false;
}

/*
 * By inode alone: what the kernel says of devices differs from place to place. What may not be
 * looked at is left to the probes, which will tell.
 */
static int maps_inode(uint32_t pid, ino_t inode)
{
	struct vma_table maps = { 0 };
	int r = maps_read(PROC, pid, &maps), found = 0;

	if (r)
		return r == -ESRCH || r == -EACCES ? 0 : r;
	for (size_t i = 0; i < maps.count && !found; i++)
		found = maps.vma[i].inode == inode;
	if (maps.refused)
		found = -EPROTO;
	maps_done(&maps);
	return found;
}

/* Traced already, or about to be: its allocators are probed next. */
static bool is_expected(const struct collector *c, uint32_t pid)
{
	for (size_t i = 0; i < c->expected_count; i++)
		if (c->expected[i] == pid)
			return true;
	return collector_text(c, pid) != UNWIND_NO_TEXT;
}

static void dir_close(DIR **d)
{
	if (*d)
		closedir(*d);
}

/* Whether no other process maps the file, as far as can be seen; an owner must be seen to map it.
 */
static bool is_exclusive(const struct collector *c, const struct stat *st)
{
	auto_clean(dir_close) DIR *proc = opendir(PROC);
	bool seen = false;
	struct dirent *d;
	uint64_t pid;

	while (proc && (d = readdir(proc))) {
		if (num_parse_u64(d->d_name, 1, INT32_MAX, &pid))
			continue;
		if (is_owner(c, st, pid))
			seen = seen || maps_inode(pid, st->st_ino) == 1;
		else if (!is_expected(c, pid) && maps_inode(pid, st->st_ino))
			return false;
	}
	return seen;
}

static struct common_file *common_new(int file, const struct stat *st,
				      const struct collector_probes *probes)
{
	auto_clean(common_freep) struct common_file *f = calloc(1, sizeof(*f));
	size_t n = 0;

	for (size_t i = 0; i < PROBE_ROLES; i++)
		n += probes->role[i].count;
	if (!f)
		return NULL;
	f->dev = st->st_dev;
	f->inode = st->st_ino;
	f->file = fcntl(file, F_DUPFD_CLOEXEC, 0);
	f->points = calloc(n + 1, sizeof(*f->points));
	if (f->file < 0 || !f->points)
		return NULL;
	n = 0;
	for (size_t i = 0; i < PROBE_ROLES; i++) {
		f->probes.role[i].point = f->points + n;
		f->probes.role[i].count = probes->role[i].count;
		for (size_t k = 0; k < probes->role[i].count; k++)
			f->points[n++] = probes->role[i].point[k];
	}
	return steal(f);
}

/* The links that processes have of their own become one each, of the common probes. */
static void use_common(struct collector *c, const struct common_file *f)
{
	struct probe_link **at = &c->links;
	uint32_t last = 0;

	for (struct probe_link *l = c->links; l; l = l->next)
		if (is_of(l, f->dev, f->inode) && l->tgid)
			collector_set_common(c, l->tgid, true);
	while (*at) {
		struct probe_link *l = *at;

		if (!is_of(l, f->dev, f->inode) || !l->tgid) {
			at = &l->next;
			continue;
		}
		if (l->id)
			keeper_detach(c->keeper, l->id);
		l->id = 0;
		if (l->tgid != last) {
			last = l->tgid;
			at = &l->next;
			continue;
		}
		*at = l->next;
		free(l);
	}
}

void collector_make_common(struct collector *c, int file, const struct collector_probes *probes)
{
	auto_clean(common_freep) struct common_file *f = NULL;
	struct stat st;
	size_t n;
	int r;

	if (!c->multi || clock_monotonic_ns() < c->common_after_ns || fstat(file, &st))
		return;
	for (const struct probe_link *l = c->links; l; l = l->next)
		if (l->apart && is_of(l, st.st_dev, st.st_ino))
			return;
	n = count_owners(c, &st);
	if (n < COMMON_MIN || (n & (n - 1))) /* each look at all processes costs */
		return;
	for (const struct probe_state *s = c->states; s; s = s->next)
		if (!s->wanted)
			return;
	/* a return probe must not kill a process that is not traced and starts in this moment */
	if (!features_probe_seccomp(c->keeper, c->features) || !is_exclusive(c, &st))
		return;
	f = common_new(file, &st, probes);
	r = f ? collector_attach_roles(c, 0, 0, file, probes) : -ENOMEM;
	if (r) {
		log_debug("common probes do not go in (%s)", strerror(-r));
		return;
	}
	use_common(c, f);
	f->next = c->commons;
	c->commons = steal(f);
	c->strangers = __atomic_load_n(&c->skel->bss->strangers, __ATOMIC_RELAXED);
	log_debug("inode %llu: probes are common to %zu processes", (unsigned long long)st.st_ino,
		  n);
}

bool collector_join_common(struct collector *c, uint32_t tgid, uint32_t asid,
			   const struct stat *file)
{
	struct probe_link *l;

	if (!common_of(c, file->st_dev, file->st_ino))
		return false;
	l = calloc(1, sizeof(*l));
	if (!l)
		return false;
	*l = (struct probe_link){ .tgid = tgid,
				  .asid = asid,
				  .dev = file->st_dev,
				  .inode = file->st_ino,
				  .next = c->links };
	c->links = l;
	collector_set_common(c, tgid, true);
	return true;
}

/* The common probes of a file, newest first: the links of no process. */
static void drop_common(struct collector *c, struct common_file *f)
{
	struct probe_link **at = &c->links;

	while (*at) {
		struct probe_link *l = *at;

		if (l->tgid || !is_of(l, f->dev, f->inode)) {
			at = &l->next;
			continue;
		}
		*at = l->next;
		keeper_detach(c->keeper, l->id);
		free(l);
	}
	common_free(f);
}

static bool is_used(const struct collector *c, const struct common_file *f)
{
	for (const struct probe_link *l = c->links; l; l = l->next)
		if (l->tgid && !l->id && is_of(l, f->dev, f->inode))
			return true;
	return false;
}

void collector_drop_commons(struct collector *c, bool all)
{
	struct common_file **at = &c->commons;

	while (*at) {
		struct common_file *f = *at;

		if (!all && is_used(c, f)) {
			at = &f->next;
			continue;
		}
		*at = f->next;
		drop_common(c, f);
	}
}

/* Its own probes for each process that uses the common ones of a file. */
static void give_own(struct collector *c, const struct common_file *f)
{
	struct probe_link **at = &c->links, *l, *users = NULL;
	int r;

	while ((l = *at)) {
		if (l->tgid && !l->id && is_of(l, f->dev, f->inode)) {
			*at = l->next;
			l->next = users;
			users = l;
		} else {
			at = &l->next;
		}
	}
	while ((l = users)) {
		users = l->next;
		r = collector_attach_roles(c, l->tgid, l->asid, f->file, &f->probes);
		collector_set_common(c, l->tgid, false);
		if (r && r != -ESRCH)
			log_warn("process %u: allocator probes are lost (%s)", l->tgid,
				 strerror(-r));
		free(l);
	}
}

void collector_leave_commons(struct collector *c)
{
	while (c->commons) {
		struct common_file *f = c->commons;

		give_own(c, f);
		c->commons = f->next;
		drop_common(c, f);
		c->common_after_ns = clock_monotonic_ns() + PAUSE_NS;
	}
}

/* Twice in a row: a process that executes another program is a stranger for a moment. */
void collector_check_common(struct collector *c)
{
	uint64_t now = __atomic_load_n(&c->skel->bss->strangers, __ATOMIC_RELAXED);
	bool grew = c->commons && now != c->strangers, again = grew && c->strangers_grew;

	c->strangers = now;
	c->strangers_grew = grew;
	if (!again)
		return;
	log_debug("another process runs into common probes: each gets its own");
	collector_leave_commons(c);
}

size_t collector_common_files(const struct collector *c)
{
	size_t n = 0;

	for (const struct common_file *f = c->commons; f; f = f->next)
		n++;
	return n;
}
