/*
 * One traced process with fixed figures, for the tests of the sinks: a server that leaks one call
 * site, a database library that holds a little, and open descriptors under a deep stack.
 */
#pragma once
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "analyse/analysis.h"
#include "report/sink.h"

#define FIX_POINTS 10

struct fixture {
	double t[FIX_POINTS], external[FIX_POINTS], leaking[FIX_POINTS], flat[FIX_POINTS];
	struct snap_frame leak_frames[3], pq_frames[3], fd_frames[16];
	struct snap_module modules[3];
	struct snap_site sites[3];
	struct owner owners[3];
	struct snapshot snap;
	struct module_row module_rows[1];
	struct ledger ledger;
	struct finding finding;
	struct findings findings;
	struct pattern_row pattern_rows[6];
	struct patterns patterns;
	struct analysis analysis;
	struct record_head head;
	struct overhead_info overhead;
	struct start_allocator allocators[1];
	struct start_option options[2];
	struct start_unmeasured unmeasured[1];
	const char *used[2], *missing[1];
	struct start_info start;
	struct end_info end;
	struct sink_cfg cfg;
	char *text; /* what was written; owned */
	size_t size;
};

static struct snap_frame fix_frame(uint32_t module, uint64_t offset, const char *symbol)
{
	return (struct snap_frame){ .pc = 0x7f0000000000 + offset,
				    .offset = offset,
				    .module = module,
				    .kind = FRAME_NATIVE,
				    .symbol = symbol };
}

static void fix_snapshot(struct fixture *f)
{
	static const char *const build_ids[] = { "0a0b0c", "1a1b1c", "" };
	static const char *const names[] = { "server", "libc.so.6", "libpq.so.5" };
	size_t i;

	for (i = 0; i < 3; i++)
		f->modules[i] = (struct snap_module){ .name = names[i],
						      .path = names[i],
						      .build_id = build_ids[i],
						      .main_exe = i == 0,
						      .allocator = i == 1 };
	for (i = 0; i < FIX_POINTS; i++) {
		f->t[i] = 2.0 * (double)(i + 1);
		f->external[i] = 100e6 + 1.2e6 * f->t[i];
		f->leaking[i] = 1.2e6 * f->t[i];
		f->flat[i] = 4096;
	}
	f->leak_frames[0] = fix_frame(1, 0x9a100, "malloc");
	f->leak_frames[1] = fix_frame(0, 0x1200, "keep_request");
	f->leak_frames[1].file = "src/server.c";
	f->leak_frames[1].line = 120;
	f->leak_frames[2] = fix_frame(0, 0x1100, "main");
	f->pq_frames[0] = fix_frame(1, 0x9a100, "malloc");
	f->pq_frames[1] = fix_frame(2, 0x4321, NULL);
	f->pq_frames[2] = fix_frame(0, 0x1100, "main");
	for (i = 0; i < 16; i++)
		f->fd_frames[i] = fix_frame(0, 0x2000 + 16 * i, i ? "descend" : "open_log");
	f->snap = (struct snapshot){
		.pid = 4242,
		.comm = "server",
		.elapsed_s = 20,
		.seq = 3,
		.alive = true,
		.proc = { .pid = 4242, .rss_bytes = 124000000, .swap_bytes = 0, .threads = 2 },
		.residency_known = true,
		.fds_known = true,
		.heap_traced = true,
		.modules = f->modules,
		.module_count = 3,
		.sites = f->sites,
		.site_count = 3,
		.thread_count = 2,
		.external_series = { f->t, f->external, FIX_POINTS },
	};
}

/* The leaking site as a sample of its blocks shows it. */
static inline void fix_estimate(struct fixture *f)
{
	f->sites[0].estimated = true;
	f->sites[0].records = 120;
	f->sites[0].allocated_records = 121;
	f->sites[0].weight = 100;
	f->sites[0].live_error_bytes = 2808000;
	f->sites[0].allocated_error_bytes = 2808000;
	f->sites[0].exposed_count = 11000;
	f->sites[0].left_count = 10500;
	f->ledger.estimated = true;
	f->ledger.live_error_bytes = 0.1 * (double)f->ledger.live_bytes;
	f->ledger.rows[CLASS_application].error_bytes =
		0.2 * (double)f->ledger.rows[CLASS_application].bytes;
}

static void fix_sites(struct fixture *f)
{
	f->sites[0] = (struct snap_site){
		.id = 0xfeedfacecafe0001,
		.kind = MT_SITE_HEAP,
		.live_bytes = 23400000,
		.live_count = 12000,
		.allocated_bytes = 23401024,
		.allocated_count = 12001,
		.freed_bytes = 1024,
		.freed_count = 1,
		.ages_known = true,
		.live_by_age = { 600, 600, 1200, 2400, 4800, 2400 },
		.freed_by_age = { 1 },
		.first_seen_s = 0.5,
		.live_bytes_series = { f->t, f->leaking, FIX_POINTS },
		.stack = { f->leak_frames, 3, MT_END_start },
	};
	f->sites[1] = (struct snap_site){
		.id = 0xfeedfacecafe0002,
		.kind = MT_SITE_HEAP,
		.live_bytes = 4096,
		.live_count = 1,
		.allocated_bytes = 4096,
		.allocated_count = 1,
		.live_bytes_series = { f->t, f->flat, FIX_POINTS },
		.stack = { f->pq_frames, 3, MT_END_start },
	};
	f->sites[2] = (struct snap_site){
		.id = 0xfeedfacecafe0003,
		.kind = MT_SITE_FD,
		.live_count = 7,
		.allocated_count = 7,
		.stack = { f->fd_frames, 16, MT_END_no_frame_pointer },
	};
	f->owners[0] = (struct owner){ CLASS_application, 0,	1,
				       MODULE_OTHER,	  0.95, "first frame outside libraries" };
	f->owners[1] = (struct owner){ CLASS_native_modules, 2, 1, MODULE_DATABASE, 0.9, "libpq" };
	f->owners[2] = (struct owner){ CLASS_file_handles, 0, 0, MODULE_OTHER, 0.9, "descriptor" };
}

static void fix_row(struct fixture *f, enum resource_class class, uint64_t bytes, uint64_t count,
		    double growth, enum how_known how)
{
	f->ledger.rows[class] = (struct class_row){ bytes, count, growth, 0.9, how, NULL };
}

static void fix_ledger(struct fixture *f)
{
	f->module_rows[0] = (struct module_row){ .module = 2,
						 .kind = MODULE_DATABASE,
						 .bytes = 4096,
						 .live_bytes = 4096,
						 .count = 1,
						 .allocated_count = 3,
						 .freed_count = 2,
						 .confidence = 0.9,
						 .function = "PQmakeEmptyPGresult",
						 .why = "first function behind the allocator",
						 .holder = 2 };
	f->ledger = (struct ledger){
		.external_bytes = 124000000,
		.coverage_ratio = 0.992,
		.modules = f->module_rows,
		.module_count = 1,
		.live_bytes = 23404096,
		.live_count = 12001,
		.slack_bytes = 595904,
		.alloc_per_s = 600,
		.free_per_s = 0.05,
	};
	fix_row(f, CLASS_application, 23400000, 12000, 1.2e6, HOW_EXACT);
	fix_row(f, CLASS_native_modules, 4096, 1, 0, HOW_EXACT);
	fix_row(f, CLASS_allocator_slack, 595904, FACT_UNKNOWN, NAN, HOW_ESTIMATE);
	fix_row(f, CLASS_preexisting, 99000000, FACT_UNKNOWN, 0, HOW_ESTIMATE);
	fix_row(f, CLASS_unexplained, 1000000, FACT_UNKNOWN, NAN, HOW_EXACT);
	fix_row(f, CLASS_file_handles, FACT_UNKNOWN, 12, NAN, HOW_EXACT);
	fix_row(f, CLASS_kernel_socket_buffers, FACT_UNKNOWN, FACT_UNKNOWN, NAN, HOW_UNAVAILABLE);
	f->ledger.rows[CLASS_kernel_socket_buffers].why = "the kernel does not tell";
}

static void fix_findings(struct fixture *f)
{
	static char first[] = "11,400 of 11,401 blocks older than 1 s were never freed",
		    second[] = "grew 1.2 MB/s over 18 s, 95 % interval 1.1 to 1.3 MB/s";
	static char advice[] = "Look for what keep_request() stores and who should release it.";

	f->finding = (struct finding){
		.leak_id = 0xabcdef0000000001,
		.site_id = f->sites[0].id,
		.site = 0,
		.class = CLASS_application,
		.type = LEAK_HEAP,
		.severity = SEVERITY_CRITICAL,
		.pattern = PATTERN_LINEAR,
		.active = true,
		.size_bytes = 23400000,
		.count = 12000,
		.growth_bytes_per_s = 1.2e6,
		.growth_count_per_s = 600,
		.confidence = 0.95,
		.first_seen_s = 12,
		.evidence = { first, second },
		.evidence_count = 2,
		.recommendation = advice,
	};
	f->findings = (struct findings){ &f->finding, 1, VERDICT_LEAK, NAN,
					 "Memory is kept that older code paths release." };
}

static struct pattern_row fix_pattern(enum subject_kind kind, enum pattern pattern, double per_s,
				      enum growth_verdict verdict)
{
	return (struct pattern_row){
		.kind = kind,
		.module = SNAP_NO_MODULE,
		.severity = verdict == GROWTH_LEAK ? SEVERITY_CRITICAL : SEVERITY_LOW,
		.limit_bytes = NAN,
		.opinion = { .verdict = verdict,
			     .leak_probability = verdict == GROWTH_LEAK ? 0.97 : 0.05,
			     .since_s = NAN,
			     .known_in_s = NAN,
			     .shape = { .pattern = pattern,
					.confidence = 0.9,
					.growth_per_s = per_s,
					.growth_low_per_s = per_s * 0.95,
					.growth_high_per_s = per_s * 1.05,
					.total_growth = per_s * 18,
					.start_s = 2,
					.end_s = 20 } },
	};
}

/* How everything grows; without this call nothing is known of it. */
static inline void fix_patterns(struct fixture *f)
{
	static char advice[] = "Find who keeps it.";
	struct pattern_row *row = f->pattern_rows;

	row[0] = fix_pattern(SUBJECT_PROCESS, PATTERN_LINEAR, 1.2e6, GROWTH_LEAK);
	row[0].limit_kind = "cgroup";
	row[0].limit_bytes = 512e6;
	row[0].forecast = (struct forecast){ true, 512e6, 323, 290, 360 };
	row[0].recommendation = advice;
	row[0].opinion.since_s = 3;
	row[1] = fix_pattern(SUBJECT_CLASS, PATTERN_LINEAR, 1.2e6, GROWTH_LEAK);
	row[1].class = CLASS_application;
	row[2] = fix_pattern(SUBJECT_CLASS, PATTERN_STABLE, 0, GROWTH_NONE);
	row[2].class = CLASS_file_handles;
	row[2].counted = true;
	row[3] = fix_pattern(SUBJECT_MODULE, PATTERN_STABLE, 0, GROWTH_NONE);
	row[3].module = 2;
	row[4] = fix_pattern(SUBJECT_SITE, PATTERN_LINEAR, 1.2e6, GROWTH_SUSPECT);
	row[4].site_id = f->sites[0].id;
	row[4].opinion.known_in_s = 30;
	row[5] = fix_pattern(SUBJECT_MODULE, PATTERN_SPIKE, 0, GROWTH_TOO_SHORT); /* unloaded */
	f->patterns = (struct patterns){ row, 6 };
	f->analysis.patterns = &f->patterns;
}

/* The leak is asked for through several call paths. */
static inline void fix_paths(struct fixture *f)
{
	f->finding.path[0] = (struct finding_path){ f->sites[0].id, 0 };
	f->finding.path[1] = (struct finding_path){ f->sites[1].id, 1 };
	f->finding.path[2] = (struct finding_path){ 77, SIZE_MAX }; /* gone meanwhile */
	f->finding.path_count = 3;
	f->finding.paths = 7;
}

static void fix_infos(struct fixture *f)
{
	f->head = (struct record_head){ .time_ns = 1700000000123456789,
					.elapsed_s = 20,
					.pid = 4242,
					.comm = "server",
					.cgroup = "/system.slice/server.service" };
	f->overhead = (struct overhead_info){ .tracer_cpu_ratio = 0.004,
					      .tracer_rss_bytes = 18000000,
					      .probe_hits_per_s = 1204,
					      .target_cpu_ratio_est = 0.0012,
					      .mode = "full",
					      .budget_ratio = 0.05,
					      .window_ratio = 1 };
	f->allocators[0] = (struct start_allocator){ "glibc", "libc.so.6", 12 };
	f->options[0] = (struct start_option){ "interval", "5 s" };
	f->options[1] = (struct start_option){ "budget", "5 %" };
	f->unmeasured[0] = (struct start_unmeasured){ "managed_heap", "no language runtime found" };
	f->used[0] = "uprobe_multi";
	f->used[1] = "task_iter";
	f->missing[0] = "uprobe_session";
	f->start = (struct start_info){
		.version = "0.1",
		.kernel = "6.8.0",
		.mode = "auto",
		.exe = "/usr/local/bin/server",
		.cmdline = "server --port 8080 --password=***",
		.runtime_name = "none",
		.allocators = f->allocators,
		.allocator_count = 1,
		.features_used = f->used,
		.features_used_count = 2,
		.features_missing = f->missing,
		.features_missing_count = 1,
		.options = f->options,
		.option_count = 2,
		.limit_bytes = 512000000,
		.limit_kind = "cgroup",
		.unmeasured = f->unmeasured,
		.unmeasured_count = 1,
	};
	f->end = (struct end_info){ END_DURATION, NULL, 20, &f->analysis, &f->overhead };
}

static int fix_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	fix_snapshot(f);
	fix_sites(f);
	fix_ledger(f);
	fix_findings(f);
	f->analysis = (struct analysis){ &f->snap, f->owners, &f->ledger, &f->findings };
	fix_infos(f);
	f->cfg = (struct sink_cfg){ .host = "db1", .top = 10 };
	f->cfg.out = open_memstream(&f->text, &f->size);
	assert_non_null(f->cfg.out);
	*state = f;
	return 0;
}

static int fix_teardown(void **state)
{
	struct fixture *f = *state;

	fclose(f->cfg.out);
	free(f->text);
	free(f);
	return 0;
}

static struct sink *fix_sink(struct fixture *f, const struct sink_ops *ops)
{
	struct sink *s = NULL;

	assert_int_equal(sink_new(ops, &f->cfg, &s), 0);
	return s;
}

/* What was written so far. */
static const char *fix_text(struct fixture *f)
{
	fflush(f->cfg.out);
	return f->text ? f->text : "";
}
