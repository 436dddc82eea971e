/* Events and facts of one small process, for the tests of the model. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#include "model/model.h"

#define SEC 1000000000ull
#define P 4096ull
#define PID 100
#define ASID 3
#define BASE 0x7f0000000000ull
#define CODE 0x400000ull

struct world {
	struct model *m;
	uint64_t now; /* of the next event */
	struct mt_site *table;
};

#define WORLD_SITES 64

static inline int world_setup(void **state)
{
	struct model_cfg cfg = { .limits = {
					 .sites = 40, .threads = 8, .fds = 256, .frames = 30 } };
	struct world *w = calloc(1, sizeof(*w));

	*state = w;
	if (!w || model_new(&cfg, &w->m))
		return -1;
	w->now = 10 * SEC;
	w->table = calloc(WORLD_SITES, sizeof(*w->table));
	return model_add_process(w->m, PID, ASID, 55, w->now, "prog");
}

static inline int world_teardown(void **state)
{
	struct world *w = *state;

	model_free(w->m);
	free(w->table);
	free(w);
	return 0;
}

static inline void world_apply(struct world *w, struct event *ev, enum mt_kind kind)
{
	ev->kind = kind;
	ev->hdr.kind = (uint16_t)kind;
	if (!ev->hdr.tgid)
		ev->hdr.tgid = PID;
	ev->hdr.time_ns = w->now++;
	assert_int_equal(model_apply(w->m, ev), 0);
}

/* A site whose stack is `frames` program counters from pc on. */
static inline void world_site(struct world *w, uint32_t site, enum mt_site_kind kind, uint64_t pc,
			      uint16_t frames)
{
	struct event ev = { .site = { .site = site,
				      .asid = ASID,
				      .frames = frames,
				      .site_kind = (uint8_t)kind,
				      .end = MT_END_start } };

	for (uint16_t i = 0; i < frames && i < MT_MAX_FRAMES; i++)
		ev.site.pc[i] = pc + i;
	world_apply(w, &ev, MT_KIND_site);
}

/* A system call of thread 1. */
static inline struct event world_call(enum mt_sysop op, int64_t ret, uint64_t a, uint64_t b)
{
	struct event ev = {
		.sys = { .tid = 1, .asid = ASID, .op = (uint16_t)op, .ret = ret, .arg = { a, b } }
	};

	return ev;
}

static inline void world_sys(struct world *w, enum mt_sysop op, uint32_t site, uint16_t flags,
			     int64_t ret, uint64_t a, uint64_t b)
{
	struct event ev = world_call(op, ret, a, b);

	ev.sys.site = site;
	ev.sys.flags = flags;
	world_apply(w, &ev, MT_KIND_sys);
}

static inline void world_mmap(struct world *w, uint32_t site, uint16_t flags, uint64_t addr,
			      uint64_t len)
{
	struct event ev = world_call(MT_SYS_MMAP, (int64_t)addr, 0, len);

	ev.sys.arg[3] = MAP_ANONYMOUS | MAP_PRIVATE;
	ev.sys.site = site;
	ev.sys.flags = flags;
	world_apply(w, &ev, MT_KIND_sys);
}

static inline struct vma world_vma(uint64_t start, uint64_t end, enum vma_kind kind,
				   const char *path)
{
	struct vma v = { .start = start, .end = end, .kind = kind };

	v.executable = kind == VMA_FILE && path[0];
	strncpy(v.path, path, sizeof(v.path) - 1);
	return v;
}

static inline void world_vmas(struct world *w, const struct vma *v, size_t n)
{
	assert_int_equal(model_set_vmas(w->m, PID, v, n, w->now++), 0);
}

/* Measures every range: so many bytes of it are resident, none swapped. */
static inline void world_measure(struct world *w, uint64_t resident_bytes)
{
	struct residency *r;
	size_t n;

	assert_int_equal(model_ranges(w->m, PID, &r, &n), 0);
	for (size_t i = 0; i < n; i++) {
		r[i].resident_bytes = resident_bytes;
		r[i].swapped_bytes = 0;
	}
	assert_int_equal(model_set_residency(w->m, PID, r, n), 0);
}

static inline struct snapshot *world_snapshot(struct world *w)
{
	struct snapshot *s = NULL;

	assert_int_equal(model_snapshot(w->m, PID, w->now, NULL, &s), 0);
	return s;
}

static inline const struct snap_site *world_find(const struct snapshot *s, uint32_t site)
{
	for (size_t i = 0; i < s->site_count; i++)
		if (s->sites[i].site == site)
			return &s->sites[i];
	return NULL;
}

#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
