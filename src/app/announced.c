#include "app/announced.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "app/tracee.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "sys/usdt.h"

#define PROVIDER "otel_memory"
#define PRELOAD "libmemtrace-preload.so"
#define PRELOAD_PROVIDER "memtrace_preload"
#define ALLOC_ARGS 3 /* pointer, bytes, bytes that it stands for */

/* Attach points of one name in one file. */
struct points {
	struct usdt_probes found;
	struct keeper_point point[2 * USDT_PROBES_MAX];
	size_t count;
};

static int add_points(struct tracee *t, const struct usdt_probes *found, uint64_t cookie,
		      struct points *p)
{
	for (size_t i = 0; i < found->count; i++) {
		uint32_t spec;
		int r = collector_usdt_spec(t->run->collector, &found->probe[i].spec, &spec);

		if (r)
			return r;
		p->point[p->count++] = (struct keeper_point){
			.file_offset = found->probe[i].location,
			.cookie = cookie | spec,
			.semaphore = found->probe[i].semaphore,
		};
	}
	return 0;
}

static void explain(const struct tracee *t, const char *file, const char *name,
		    const struct usdt_probes *found)
{
	for (size_t i = 0; t->run->opts->explain_probes && i < found->count; i++)
		log_info("%s " PROVIDER ":%s: in the file at 0x%llx%s (announced by the program: "
			 "its allocators are not probed)",
			 file, name, (unsigned long long)found->probe[i].location,
			 found->probe[i].semaphore ? ", with a count of listeners" : "");
}

/* -ENOENT: there is none. */
static int find(struct tracee *t, const struct elf_file *f, const char *file, const char *name,
		size_t args, struct points *p)
{
	int r = usdt_find(f, PROVIDER, name, args, &p->found);

	if (r)
		return r;
	if (p->found.refused)
		log_warn("%s: %u of its probes " PROVIDER ":%s cannot be read", file,
			 p->found.refused, name);
	if (!p->found.count)
		return -ENOTSUP;
	explain(t, file, name, &p->found);
	return add_points(t, &p->found, 0, p);
}

/* What the preload library has no room for is counted: a probe of its own beside the samples. */
static int add_refused(struct tracee *t, const struct elf_file *f, struct points *p)
{
	int r = usdt_find(f, PRELOAD_PROVIDER, "refused", 0, &p->found);

	return r ? r == -ENOENT ? 0 : r : add_points(t, &p->found, MT_COOKIE_USDT_REFUSED, p);
}

static int attach(struct tracee *t, int fd, const struct elf_file *f, const char *file,
		  uint32_t *ret_probes, struct err *err)
{
	auto_free struct points *allocs = calloc(1, sizeof(*allocs));
	auto_free struct points *frees = calloc(1, sizeof(*frees));
	struct collector_probes probes = { 0 };
	int r;

	if (!allocs || !frees)
		return -ENOMEM;
	r = find(t, f, file, "alloc", ALLOC_ARGS, allocs);
	if (!r)
		r = find(t, f, file, "free", 1, frees);
	if (r)
		return r;
	*ret_probes = allocs->count + frees->count;
	r = add_refused(t, f, allocs);
	if (r)
		return r;
	probes.role[PROBE_USDT_ALLOC].point = allocs->point;
	probes.role[PROBE_USDT_ALLOC].count = allocs->count;
	probes.role[PROBE_USDT_FREE].point = frees->point;
	probes.role[PROBE_USDT_FREE].count = frees->count;
	return collector_attach(t->run->collector, t->pid, t->asid, fd, &probes, err);
}

enum announced announced_find(const struct elf_file *f)
{
	auto_free struct usdt_probes *found = calloc(1, sizeof(*found));

	if (!found || usdt_find(f, PROVIDER, "alloc", ALLOC_ARGS, found))
		return ANNOUNCED_NOTHING;
	return usdt_find(f, PRELOAD_PROVIDER, "refused", 0, found) ? ANNOUNCED_ITS_OWN
								   : ANNOUNCED_ALL;
}

bool announced_is_of(const struct tracee *t, const char *name)
{
	for (size_t i = 0; i < t->allocator_count; i++)
		if (!strcmp(t->allocator[i].name, PROVIDER) &&
		    !strcmp(t->allocator[i].module, name))
			return true;
	return false;
}

void announced_attach(struct tracee *t, int fd, const struct elf_file *f, const char *name)
{
	struct tracee_allocator *a = &t->allocator[t->allocator_count];
	struct err err = { 0 };
	uint32_t probes = 0;
	int r = attach(t, fd, f, name, &probes, &err);

	if (r == -ESRCH) /* it has just exited, which is no news */
		return;
	if (r) {
		log_warn("%s announces its allocations by " PROVIDER ", which cannot be used (%s); "
			 "probing allocators instead",
			 name, err.text[0] ? err.text : strerror(-r));
		return;
	}
	t->heap_traced = t->announces = true;
	if (t->allocator_count == TRACEE_ALLOCATORS_MAX)
		return;
	snprintf(a->name, sizeof(a->name), PROVIDER);
	snprintf(a->module, sizeof(a->module), "%s", name);
	a->probes = probes;
	t->allocator_count++;
}

#define HAS_MALLOC 1
#define HAS_OPERATORS 2

static int on_symbol(void *ctx, const struct elf_symbol *s)
{
	unsigned int *has = ctx;

	if (s->dynamic && !strcmp(s->name, "malloc"))
		*has |= HAS_MALLOC;
	else if (s->dynamic && !strcmp(s->name, "_Znwm"))
		*has |= HAS_OPERATORS;
	return 0;
}

void announced_check_operators(struct tracee *t, const struct elf_file *f, const char *name)
{
	unsigned int has = 0;

	if (!announced_is_of(t, PRELOAD) || !strcmp(name, PRELOAD))
		return;
	elf_each_function(f, on_symbol, &has);
	if (has != (HAS_MALLOC | HAS_OPERATORS))
		return;
	log_warn("%s: its operator new does not pass through the library of --preload, what C++ "
		 "code allocates by it is not seen",
		 name);
	tracee_unmeasured(t, "allocations",
			  "%.60s: operator new does not pass through the library of --preload",
			  name);
}
