/*
 * A mapped file is opened as it is mapped (/proc/PID/map_files), whatever its name means now;
 * where the kernel does not allow that, by its path in the target's own root, if it is still the
 * same file. One opening serves the description, the search for allocators and the attachment.
 */
#include "app/modules_scan.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "app/announced.h"
#include "app/tracee.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/str.h"
#include "model/stacks.h"
#include "sys/elf.h"
#include "sys/inside.h"
#include "sys/mapfile.h"
#include "sys/vdso.h"

#define PENDING_BATCH 1024
#define EXPLAIN_BYTES 512

static void elf_freep(struct elf_file **f)
{
	elf_close(*f);
}

int modules_scan_exe(const char *proc, uint32_t pid, struct exe_facts *ret)
{
	auto_clean(elf_freep) struct elf_file *f = NULL;
	auto_close int fd = -1;
	char path[64];
	int r;

	snprintf(path, sizeof(path), "%s/%u/exe", proc, pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = elf_open_fd(fd, &f, NULL);
	if (r)
		return r;
	ret->is_32bit = !elf_is_64(f);
	ret->is_go = elf_is_go(f);
	ret->is_static = !elf_has_interpreter(f);
	return 0;
}

static bool is_special(const struct module_request *m)
{
	return m->path[0] == '[';
}

/* Of code that the kernel mapped without a file; the copy is kept for its names. */
static int open_special(struct tracee *t, const struct module_request *m)
{
	if (strcmp(m->path, "[vdso]") != 0)
		return -ENOENT;
	if (t->vdso_fd >= 0)
		close(steal_fd(&t->vdso_fd));
	if (vdso_copy(t->run->proc, t->pid, m->start, m->end, &t->vdso_fd) < 0)
		return -ENOENT;
	return fcntl(t->vdso_fd, F_DUPFD_CLOEXEC, 0);
}

static int open_mapped(struct tracee *t, const struct module_request *m)
{
	char path[64];
	struct stat st;
	int fd = -1;

	if (is_special(m))
		return open_special(t, m);
	if (m->start)
		fd = mapfile_open(t->run->proc, t->pid, m->start, m->end, &st);
	if (fd >= 0 || m->deleted)
		return fd;
	snprintf(path, sizeof(path), "%s/%u/root", t->run->proc, t->pid);
	if (inside_open(path, m->path, &st, &fd) < 0)
		return -1;
	if (st.st_ino != m->inode)
		close(steal_fd(&fd));
	return fd;
}

/* Libraries whose functions allocate on behalf of their callers. */
static bool is_plumbing(const char *name, bool allocator)
{
	static const char *const patterns[] = { "libc.so*",   "libc-*.so*", "ld-*",
						"libstdc++*", "libc++*",    "libc.musl-*" };

	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++)
		if (fnmatch(patterns[i], name, 0) == 0)
			return true;
	return allocator;
}

static void note_plumbing(struct tracee *t, const struct module_request *m, bool allocator)
{
	if (m->main_exe && m->start && allocator) {
		t->probed[0] = m->start;
		t->probed[1] = m->end;
		tracee_tell_code(t);
	}
	if (m->main_exe || !m->start || t->plumbing_count == MT_PLUMBING_RANGES ||
	    !is_plumbing(str_file_name(m->path), allocator))
		return;
	t->plumbing[t->plumbing_count][0] = m->start;
	t->plumbing[t->plumbing_count][1] = m->end;
	t->plumbing_count++;
	tracee_tell_code(t);
}

static void note_runtime(struct tracee *t, const char *name, bool main_exe)
{
	if (fnmatch("libjvm.so*", name, 0) == 0)
		t->runtime = "jvm";
	else if (fnmatch("libpython*", name, 0) == 0 || (main_exe && !strncmp(name, "python", 6)))
		t->runtime = "cpython";
	else if (fnmatch("libnode.so*", name, 0) == 0 || (main_exe && strcmp(name, "node") == 0))
		t->runtime = "v8";
}

static void explain(const struct tracee *t, const struct target_points *points, const char *name)
{
	char line[EXPLAIN_BYTES];

	for (size_t i = 0; t->run->opts->explain_probes && i < points->count; i++) {
		target_format_point(&points->point[i], name, line, sizeof(line));
		log_info("%s", line);
	}
}

static enum probe_role role_of(const struct attach_point *p, bool sessions)
{
	switch ((enum mt_point)MT_COOKIE_POINT(p->cookie)) {
	case MT_POINT_WHOLE: return PROBE_WHOLE;
	case MT_POINT_RESULT: return PROBE_RESULT;
	case MT_POINT_SIZE: return PROBE_ENTRY;
	case MT_POINT_CALL: break;
	}
	if (!p->wants_return)
		return PROBE_FREE;
	return sessions ? PROBE_SESSION : PROBE_ENTRY;
}

/* Reallocations first, for they end blocks too. */
static int attach(struct tracee *t, int fd, const struct target_points *points, struct err *err)
{
	auto_free struct keeper_point *at = calloc(PROBE_ROLES * points->count, sizeof(*at));
	const bool sessions = collector_has_sessions(t->run->collector);
	struct keeper_point *of_role[PROBE_ROLES];
	struct collector_probes probes = { .apart = !t->preflight.return_probes };

	if (!at)
		return err_set(err, -ENOMEM, "out of memory");
	for (size_t role = 0; role < PROBE_ROLES; role++)
		probes.role[role].point = of_role[role] = at + role * points->count;
	for (int realloc_turn = 1; realloc_turn >= 0; realloc_turn--) {
		for (size_t i = 0; i < points->count; i++) {
			const struct attach_point *p = &points->point[i];
			const enum probe_role role = role_of(p, sessions);
			const struct keeper_point point = { .file_offset = p->file_offset,
							    .cookie = p->cookie };

			if ((MT_COOKIE_FN(p->cookie) == MT_FN_REALLOC) != realloc_turn)
				continue;
			of_role[role][probes.role[role].count++] = point;
			if (p->wants_return && !sessions)
				of_role[PROBE_RETURN][probes.role[PROBE_RETURN].count++] = point;
		}
	}
	return collector_attach(t->run->collector, t->pid, t->asid, fd, &probes, err);
}

/* Functions that are probed inside: the kernel does not tell that a thread has entered them. */
static void note_inside(const struct target_points *points, struct module_fact *fact)
{
	for (size_t i = 0; i < points->count && fact->alloc_count < MODULE_ALLOCS; i++) {
		const struct attach_point *p = &points->point[i];
		const uint64_t entry = p->file_offset - p->site.offset;

		if (!p->weight ||
		    (fact->alloc_count && fact->alloc[fact->alloc_count - 1].file_offset == entry))
			continue;
		fact->alloc[fact->alloc_count].file_offset = entry;
		fact->alloc[fact->alloc_count++].size = p->function_bytes;
	}
}

/* -ENOMEM: not looked at. */
static int probe_allocators(struct tracee *t, int fd, const struct elf_file *f,
			    const struct module_request *m, bool *ret_found,
			    struct module_fact *fact)
{
	struct target_module module = {
		.file_name = str_file_name(m->path),
		.fd = fd,
		.main_exe = m->main_exe,
		.nops = PROBE_NOPS_STEPPED,
		.go = elf_is_go(f),
		.inside = collector_sees_inside(t->run->collector),
		.returnless = !t->preflight.return_probes,
		.specs = t->run->specs,
		.spec_count = t->run->spec_count,
	};
	struct tracee_allocator *a = &t->allocator[t->allocator_count];
	struct target_points points;
	struct err err = { 0 };
	bool found;
	int r;

	if (!t->heap_wanted || is_special(m))
		return 0;
	if (t->announces) {
		*ret_found = announced_is_of(t, module.file_name);
		announced_check_operators(t, f, module.file_name);
		return 0;
	}
	if (target_examine(f, &module, &points))
		return -ENOMEM;
	found = points.count > 0;
	explain(t, &points, module.file_name);
	r = found ? attach(t, fd, &points, &err) : 0;
	if (r == -ESRCH) { /* it has just exited, which is no news */
		log_debug("%s: %s", module.file_name, err.text);
	} else if (r) {
		log_warn("%s: %s, going on without its allocations", module.file_name, err.text);
		tracee_unmeasured(t, "allocations", "%.60s: %.90s", module.file_name, err.text);
	} else if (found) {
		t->heap_traced = true;
		note_inside(&points, fact);
		if (t->allocator_count < TRACEE_ALLOCATORS_MAX) {
			snprintf(a->name, sizeof(a->name), "%s", allocator_name(points.allocator));
			snprintf(a->module, sizeof(a->module), "%s", module.file_name);
			a->probes = points.count;
			t->allocator_count++;
		}
	}
	target_done(&points);
	*ret_found = found;
	return 0;
}

struct tls_search {
	const struct elf_file *f; /* borrowed */
	uint64_t offset[COLLECTOR_PLAIN_POINTS];
	size_t count;
};

static int take_tls(void *ctx, const struct elf_symbol *s)
{
	struct tls_search *search = ctx;
	uint64_t offset;

	if (s->ifunc || (strcmp(s->name, "SSL_write") != 0 && strcmp(s->name, "SSL_write_ex") != 0))
		return 0;
	if (elf_vaddr_to_offset(search->f, s->vaddr, &offset) ||
	    (search->count && search->offset[0] == offset))
		return 0;
	search->offset[search->count++] = offset;
	return search->count == COLLECTOR_PLAIN_POINTS;
}

/* Where plaintext goes into TLS: in OpenSSL's library, or in a program that contains it. */
static void note_tls(struct tracee *t, int fd, const struct elf_file *f,
		     const struct module_request *m)
{
	const char *name = str_file_name(m->path);
	struct tls_search search = { .f = f };

	if (t->tls.fd >= 0 || (!m->main_exe && fnmatch("libssl*.so*", name, 0) != 0 &&
			       fnmatch("libnode.so*", name, 0) != 0))
		return;
	elf_each_function(f, take_tls, &search);
	if (!search.count)
		return;
	t->tls.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	t->tls.count = search.count;
	memcpy(t->tls.offset, search.offset, sizeof(t->tls.offset));
}

/* -ENOMEM: it stays pending, for the next scan. */
static int learn(struct tracee *t, const struct module_request *m)
{
	auto_clean(elf_freep) struct elf_file *f = NULL;
	auto_close int fd = open_mapped(t, m);
	struct module_fact fact = { 0 };
	bool allocator = false;
	int r = fd < 0 ? fd : elf_open_fd(fd, &f, NULL);

	if (r == -ENOMEM)
		return r;
	note_runtime(t, str_file_name(m->path), m->main_exe);
	if (r) {
		model_set_module(t->run->model, t->pid, m->index, NULL, false);
		return 0;
	}
	elf_describe(f, &fact);
	note_tls(t, fd, f, m);
	r = probe_allocators(t, fd, f, m, &allocator, &fact);
	if (r)
		return r;
	note_plumbing(t, m, allocator);
	model_set_module(t->run->model, t->pid, m->index, &fact, allocator);
	return 0;
}

static enum announced announced_by(struct tracee *t, const struct module_request *m, bool attach)
{
	auto_clean(elf_freep) struct elf_file *f = NULL;
	auto_close int fd = is_special(m) ? -1 : open_mapped(t, m);

	if (fd < 0 || elf_open_fd(fd, &f, NULL))
		return ANNOUNCED_NOTHING;
	if (attach)
		announced_attach(t, fd, f, str_file_name(m->path));
	return announced_find(f);
}

/*
 * Before any allocator is probed: whether files announce what they allocate. The preload library
 * goes before all others, which allocate behind it. Those that come when allocators are probed
 * already are not listened to: all would be counted twice.
 */
static void find_announced(struct tracee *t, const struct module_request *pending, int count)
{
	auto_free uint8_t *found = calloc(count + 1, sizeof(*found));
	enum announced best = ANNOUNCED_NOTHING;

	if (!found || !t->heap_wanted || t->heap_traced)
		return;
	for (int i = 0; i < count; i++) {
		found[i] = announced_by(t, &pending[i], false);
		if (found[i] > best)
			best = found[i];
	}
	for (int i = 0; best && i < count; i++)
		if (found[i] == best)
			announced_by(t, &pending[i], true);
}

int modules_scan(struct tracee *t)
{
	auto_free struct module_request *pending = calloc(PENDING_BATCH, sizeof(*pending));
	bool before = t->heap_traced;
	int n, r = 0;

	if (!pending)
		return -ENOMEM;
	while (!r &&
	       (n = model_modules_pending(t->run->model, t->pid, pending, PENDING_BATCH)) > 0) {
		find_announced(t, pending, n);
		for (int i = 0; i < n; i++)
			if (learn(t, &pending[i]) < 0)
				r = -ENOMEM;
	}
	if (t->heap_traced != before)
		tracee_tell_traced(t);
	return r ? r : n;
}

static int symbol_file_of(struct tracee *t, const struct module_request *m, uint32_t *ret)
{
	char path[FACT_PATH_BYTES + 64], root[64];
	struct symbol_file file = {
		.build_id = m->build_id,
		.dev = m->dev,
		.inode = m->inode,
		.name = m->path,
		.root = t->alive ? root : NULL,
		.path = path,
	};

	snprintf(root, sizeof(root), "%s/%u/root", t->run->proc, t->pid);
	if (is_special(m))
		snprintf(path, sizeof(path), "/proc/self/fd/%d", t->vdso_fd);
	else if (!t->alive) /* most often the same file; inode and build id are compared at opening
			     */
		snprintf(path, sizeof(path), "%s", m->path);
	else if (m->start)
		snprintf(path, sizeof(path), "%s/%u/map_files/%lx-%lx", t->run->proc, t->pid,
			 (unsigned long)m->start, (unsigned long)m->end);
	else
		snprintf(path, sizeof(path), "%s/%u/root%s", t->run->proc, t->pid, m->path);
	return symbolizer_add_file(t->run->symbolizer, &file, ret);
}

void modules_scan_name(struct tracee *t, const struct frame_request *frame)
{
	struct model *model = t->run->model;
	struct module_request m;
	struct symbol_frame found[SYMBOL_FRAMES_MAX];
	struct frame_name name[SYMBOL_FRAMES_MAX];
	size_t count = 0;
	bool more = false;
	uint32_t file;
	int r = -ENOENT;

	if (!model_module(model, t->pid, frame->module, &m))
		r = symbol_file_of(t, &m, &file);
	if (!r) /* a return address: the call is before it */
		r = symbolizer_explain(t->run->symbolizer, file, frame->vaddr - 1, found, &count,
				       &more);
	for (size_t i = 0; i < count; i++)
		name[i] = (struct frame_name){ found[i].symbol, found[i].file, found[i].line };
	if (r == 0)
		r = model_set_names(model, frame->handle, name, count, more);
	else if (r != -EAGAIN && r != -ENOMEM)
		r = model_set_name(model, frame->handle, "");
	if (r == -EAGAIN || r == -ENOMEM) /* later, then */
		model_set_name(model, frame->handle, NULL);
}
