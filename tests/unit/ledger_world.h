/*
 * A small process for the ledger's tests: ranges, sites with owners, descriptors, and the state
 * between ticks. Include it after cmocka.h.
 */
#pragma once
#include <stdint.h>
#include <stdlib.h>

#include "analyse/ledger.h"

#define MB (1ull << 20)

enum { EXE, LIBPQ, LIBZ, MODULES };

static const struct snap_module modules[MODULES] = {
	[EXE] = { .name = "server", .main_exe = true },
	[LIBPQ] = { .name = "libpq.so.5" },
	[LIBZ] = { .name = "libz.so.1" },
};

/* A snapshot under construction, with its owners and the state between ticks. */
struct world {
	struct snapshot snap;
	struct snap_range ranges[64];
	struct snap_site sites[64];
	struct owner owners[64];
	struct snap_fd fds[16];
	struct ledger_state state;
	struct ledger ledger;
};

static inline int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	w->snap = (struct snapshot){ .residency_known = true,
				     .fds_known = true,
				     .heap_traced = true,
				     .thread_count = 3,
				     .modules = modules,
				     .module_count = MODULES,
				     .ranges = w->ranges,
				     .sites = w->sites,
				     .fds = w->fds };
	ledger_state_init(&w->state);
	*state = w;
	return 0;
}

static inline int teardown(void **state)
{
	struct world *w = *state;

	ledger_done(&w->ledger);
	free(w);
	return 0;
}

static inline struct snap_range *add_range(struct world *w, enum range_use use,
					   uint64_t resident_bytes)
{
	struct snap_range *r = &w->ranges[w->snap.range_count++];

	r->start = w->snap.range_count << 40;
	r->end = r->start + (1ull << 39);
	r->resident_bytes = resident_bytes;
	r->use = use;
	return r;
}

static inline struct snap_site *add_site(struct world *w, enum mt_site_kind kind, uint32_t module,
					 uint64_t live_bytes)
{
	size_t i = w->snap.site_count++;

	w->sites[i] = (struct snap_site){ .id = 100 + i,
					  .site = 60 - i,
					  .kind = kind,
					  .live_bytes = live_bytes,
					  .live_count = 2 };
	w->owners[i] =
		(struct owner){ .class = module == EXE ? CLASS_application : CLASS_native_modules,
				.module = module,
				.confidence = 0.8 };
	return &w->sites[i];
}

static inline struct fd_fact *add_fd(struct world *w, enum fd_kind kind)
{
	struct fd_fact *f = &w->fds[w->snap.fd_count++].fact;

	f->kind = kind;
	f->kernel_bytes = kind == FD_SOCKET ? 1000 : FACT_UNKNOWN;
	return f;
}

static inline void tick(struct world *w)
{
	ledger_done(&w->ledger);
	assert_int_equal(ledger_build(&w->snap, w->owners, &w->state, &w->ledger), 0);
	w->snap.elapsed_s += 1;
}

static inline uint64_t bytes_of(const struct world *w, enum resource_class class)
{
	return w->ledger.rows[class].bytes;
}

/* The rule that all others serve; also for the list of modules. */
static inline void assert_sum_closes(const struct world *w)
{
	static const bool resident[CLASS_MAX] = {
#define CLASS(id, name, is_resident, summary) [id] = is_resident,
#include "memtrace/classes.def"
#undef CLASS
	};
	unsigned __int128 sum = 0, module_sum = 0;
	size_t i;

	for (i = 1; i < CLASS_MAX; i++) {
		if (resident[i] && w->ledger.rows[i].bytes != FACT_UNKNOWN)
			sum += w->ledger.rows[i].bytes;
	}
	assert_true(sum == w->ledger.external_bytes);
	for (i = 0; i < w->ledger.module_count; i++)
		module_sum += w->ledger.modules[i].bytes;
	if (bytes_of(w, CLASS_native_modules) != FACT_UNKNOWN)
		assert_true(module_sum == bytes_of(w, CLASS_native_modules));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
