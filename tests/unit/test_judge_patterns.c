/*
 * Patterns and verdicts of whole simulated processes: what grows and is no leak, what is one, what
 * is said of classes, modules and call sites, and the table of all these.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "analyse/subjects.h"
#include "site_run.h"

#define MB 1e6
#define END_S 600

/* A process told by the bytes of its classes over time, without call sites. */
struct world {
	struct run *run;
	struct ledger ledger;
	struct snap_range range[2];
	double (*bytes)(enum resource_class class, double t);
	size_t leak_ticks; /* with a verdict of a leak */
};

static void world_tick(struct world *w, size_t second)
{
	struct sim *s = &w->run->sim;
	double sum = 0;

	sim_tick(s, second);
	for (int c = 1; c < CLASS_MAX; c++) {
		double bytes = w->bytes((enum resource_class)c, (double)second);

		w->ledger.rows[c] = (struct class_row){
			.bytes = bytes > 0 ? (uint64_t)bytes : 0,
			.count = FACT_UNKNOWN,
			.growth_bytes_per_s = NAN,
			.how = HOW_EXACT,
		};
		sum += bytes;
	}
	sum += 50e3 * sim_normal(s);
	w->ledger.external_bytes = (uint64_t)sum;
	w->ledger.coverage_ratio = 1;
	s->external[second] = sum;
	s->snap.heap_traced = w->run->in.limits.kind == NULL; /* see untraced() */
	w->range[0].resident_bytes = w->ledger.rows[CLASS_shared_memory].bytes;
	w->range[1].resident_bytes = w->ledger.rows[CLASS_mapped_files].bytes;
	w->range[1].end = w->range[1].start + w->range[1].resident_bytes;
	s->snap.ranges = w->range;
	s->snap.range_count = 2;
	w->run->in.ledger = &w->ledger;
	run_judge(w->run);
	w->leak_ticks += w->run->f.verdict == VERDICT_LEAK;
}

static void world_begin(struct world *w, double (*bytes)(enum resource_class, double))
{
	*w = (struct world){ .run = run_begin(SEED + 40, END_S), .bytes = bytes };
	w->range[0] = (struct snap_range){ .end = 8ull << 30, .use = RANGE_SHM };
	w->range[1] = (struct snap_range){ .start = 16ull << 30, .use = RANGE_FILE };
}

static void world_run(struct world *w, size_t from, size_t to)
{
	for (size_t second = from; second <= to; second++)
		world_tick(w, second);
}

static void world_end(struct world *w)
{
	run_end(&w->run);
}

#define auto_world auto_clean(world_end) struct world

/* No allocator probes, and a limit of 1 GB of which `used` is used. */
static void untraced(struct world *w, double used)
{
	w->run->in.limits = (struct judge_limits){ 1e9, "cgroup", used };
}

static const struct pattern_row *row_of(const struct run *r, enum subject_kind kind, uint64_t id)
{
	for (size_t i = 0; i < r->p.count; i++) {
		const struct pattern_row *row = &r->p.list[i];

		if (row->kind == kind && (kind != SUBJECT_CLASS || row->class == id) &&
		    (kind != SUBJECT_SITE || row->site_id == id))
			return row;
	}
	return NULL;
}

static bool says(const struct finding *f, const char *words)
{
	for (size_t i = 0; i < f->evidence_count; i++)
		if (strstr(f->evidence[i], words))
			return true;
	return false;
}

/* One class holds 30 MB and grows; the rest is 20 MB of code and heap. */
static double rest(enum resource_class class)
{
	return class == CLASS_code ? 5 * MB : class == CLASS_preexisting ? 15 * MB : 0;
}

static double leaking(enum resource_class class, double t)
{
	return class == CLASS_unexplained ? 30 * MB + 0.1 * MB * t : rest(class);
}

static double warming_up(enum resource_class class, double t)
{
	return class == CLASS_unexplained ? 30 * MB + 60 * MB * (1 - exp(-t / 50)) : rest(class);
}

static double filling(enum resource_class class, double t)
{
	return class == CLASS_unexplained ? 30 * MB + 0.3 * MB * fmin(t, 180) : rest(class);
}

static double in_batches(enum resource_class class, double t)
{
	return class == CLASS_unexplained ? 30 * MB + 1 * MB * fmod(t, 45) : rest(class);
}

static double by_day(enum resource_class class, double t)
{
	return class == CLASS_unexplained ? 60 * MB + 25 * MB * sin(2 * M_PI * t / 200)
					  : rest(class);
}

static double touching(enum resource_class class, double t)
{
	return class == CLASS_shared_memory ? 10 * MB + 0.5 * MB * t : rest(class);
}

static double mapping_files(enum resource_class class, double t)
{
	return class == CLASS_mapped_files ? 10 * MB + 0.3 * MB * t : rest(class);
}

/* Live memory peaks; the allocator keeps what was freed. */
static double peaking(enum resource_class class, double t)
{
	double live = 20 * MB + (t < 100   ? 2 * MB * t
				 : t < 150 ? 200 * MB
					   : 0),
	       held = 20 * MB + fmin(2 * MB * t, 200 * MB);

	if (class == CLASS_application)
		return live;
	return class == CLASS_allocator_slack ? held - live : rest(class);
}

static void growth_that_lasts_is_a_leak_without_sites_and_not_sooner(void **state)
{
	const struct pattern_row *row;
	struct run *r;
	auto_world w;

	(void)state;
	world_begin(&w, leaking);
	untraced(&w, 100 * MB);
	r = w.run;
	world_run(&w, 0, 60);
	assert_int_equal(r->f.verdict, VERDICT_INCONCLUSIVE);
	assert_true(r->f.known_in_s > 30 && r->f.known_in_s < 600);
	world_run(&w, 61, END_S);
	assert_int_equal(r->f.verdict, VERDICT_LEAK);
	assert_in_range(w.leak_ticks, 150, END_S - growth_defaults().leak_points + 10);
	assert_int_equal(r->f.count, 1);
	assert_int_equal(r->f.list[0].site_id, 0);
	assert_int_equal(r->f.list[0].class, CLASS_unexplained);
	assert_true(r->f.list[0].confidence <= 0.8 && r->f.list[0].confidence >= 0.5);
	assert_int_equal(r->f.list[0].pattern, PATTERN_LINEAR);
	assert_true(fabs(r->f.list[0].growth_bytes_per_s - 0.1 * MB) < 0.01 * MB);
	assert_true(says(&r->f.list[0], "no call site of this memory is known"));
	assert_true(says(&r->f.list[0], "such a curve is a leak with a probability of"));
	row = &r->p.list[0];
	assert_int_equal(row->kind, SUBJECT_PROCESS);
	assert_int_equal(row->opinion.verdict, GROWTH_LEAK);
	assert_true(row->severity >= SEVERITY_MEDIUM && row->severity <= SEVERITY_HIGH);
}

static void the_forecast_is_when_the_headroom_is_used_up(void **state)
{
	const struct pattern_row *row;
	auto_world w;

	(void)state;
	world_begin(&w, leaking);
	untraced(&w, 400 * MB); /* 600 MB are left, at 0.1 MB/s */
	world_run(&w, 0, 300);
	row = &w.run->p.list[0];
	assert_int_equal(row->kind, SUBJECT_PROCESS);
	assert_string_equal(row->limit_kind, "cgroup");
	assert_true(row->limit_bytes == 1e9);
	assert_true(row->forecast.known);
	assert_true(row->forecast.low_s <= 6000 && row->forecast.high_s >= 6000);
	assert_true(fabs(row->forecast.seconds - 6000) < 600);
	w.run->in.limits.used_bytes = NAN;
	world_tick(&w, 301);
	assert_null(w.run->p.list[0].limit_kind);
	w.run->in.limits.used_bytes = 2e9; /* others took it all */
	world_tick(&w, 302);
	assert_true(w.run->p.list[0].forecast.known);
	assert_true(w.run->p.list[0].forecast.seconds == 0);
}

/* Never a leak in ten minutes, and acquitted at their end. */
static void is_no_leak(double (*bytes)(enum resource_class, double), enum growth_verdict at_most)
{
	auto_world w;

	world_begin(&w, bytes);
	untraced(&w, 100 * MB);
	world_run(&w, 0, END_S);
	assert_int_equal(w.leak_ticks, 0);
	assert_int_equal(w.run->f.count, 0);
	assert_int_equal(w.run->f.verdict, VERDICT_NO_LEAK);
	assert_in_range(w.run->p.list[0].opinion.verdict, GROWTH_NONE, at_most);
	assert_int_equal(w.run->p.list[0].severity, SEVERITY_LOW);
}

static void a_warm_up_is_no_leak(void **state)
{
	(void)state;
	is_no_leak(warming_up, GROWTH_NONE);
}

static void a_cache_that_fills_is_no_leak(void **state)
{
	(void)state;
	is_no_leak(filling, GROWTH_NONE);
}

static void batches_are_no_leak(void **state)
{
	(void)state;
	is_no_leak(in_batches, GROWTH_NONE);
}

static void the_load_of_a_day_is_no_leak(void **state)
{
	(void)state;
	is_no_leak(by_day, GROWTH_NONE);
}

static void shared_memory_that_is_touched_at_last_is_no_leak(void **state)
{
	const struct pattern_row *row;
	auto_world w;

	(void)state;
	is_no_leak(touching, GROWTH_NONE);
	world_begin(&w, touching);
	untraced(&w, 100 * MB);
	world_run(&w, 0, 400);
	row = row_of(w.run, SUBJECT_CLASS, CLASS_shared_memory);
	assert_int_equal(row->opinion.shape.pattern, PATTERN_LINEAR);
	assert_int_equal(row->opinion.verdict, GROWTH_NONE);
	assert_null(row->recommendation);
}

/* Pages of it have a site where page faults are followed, and none of them ever goes. */
static void who_touches_what_was_mapped_before_leaks_nothing(void **state)
{
	(void)state;
	for (enum touched touched = TOUCHED_FILE; touched <= TOUCHED_SHM; touched++) {
		struct sim_site *site;
		auto_world w;

		world_begin(&w, touched == TOUCHED_SHM ? touching : mapping_files);
		untraced(&w, 100 * MB);
		site = sim_add_site(&w.run->sim, MT_SITE_MMAP, 4096);
		site->touched = touched;
		sim_churn(&w.run->sim, site, 0, 120, 20, SIM_EXPONENTIAL, 1, 1);
		world_run(&w, 0, 120);
		assert_int_equal(w.run->f.verdict == VERDICT_LEAK, touched == TOUCHED_FILE);
		assert_int_equal(w.leak_ticks > 0, touched == TOUCHED_FILE);
	}
}

static void files_mapped_ever_anew_are_a_leak_of_their_class(void **state)
{
	const struct pattern_row *row;
	auto_world w;

	(void)state;
	world_begin(&w, mapping_files);
	untraced(&w, 100 * MB);
	world_run(&w, 0, END_S);
	assert_int_equal(w.run->f.verdict, VERDICT_LEAK);
	assert_int_equal(w.run->f.list[0].class, CLASS_mapped_files);
	assert_non_null(strstr(w.run->f.list[0].recommendation, "munmap"));
	row = row_of(w.run, SUBJECT_CLASS, CLASS_mapped_files);
	assert_int_equal(row->opinion.verdict, GROWTH_LEAK);
	row = row_of(w.run, SUBJECT_CLASS, CLASS_code);
	assert_int_equal(row->opinion.verdict, GROWTH_NONE);
	assert_null(row->recommendation);
}

static void a_leak_of_the_process_gives_way_to_that_of_its_site(void **state)
{
	auto_world w;
	struct run *r;

	(void)state;
	world_begin(&w, leaking);
	untraced(&w, 100 * MB);
	r = w.run;
	sim_churn(&r->sim, sim_add_site(&r->sim, MT_SITE_HEAP, 5000), 400, END_S, 60,
		  SIM_EXPONENTIAL, 0.3, 0.33);
	world_run(&w, 0, 380);
	assert_int_equal(r->f.count, 1);
	assert_int_equal(r->f.list[0].site_id, 0);
	assert_int_equal(r->f.list[0].type, LEAK_UNKNOWN);
	r->in.limits.kind = NULL; /* its allocators are probed from here on: see untraced() */
	world_run(&w, 381, END_S);
	assert_int_equal(r->f.verdict, VERDICT_LEAK);
	assert_int_equal(r->f.count, 2);
	assert_int_equal(r->f.list[0].site_id, 1000);
	assert_true(r->f.list[0].active);
	assert_false(r->f.list[1].active);
}

static void what_an_allocator_keeps_after_a_peak_is_no_leak_but_told(void **state)
{
	const struct pattern_row *row;
	auto_world w;

	(void)state;
	world_begin(&w, peaking);
	world_run(&w, 0, END_S);
	assert_int_equal(w.leak_ticks, 0);
	assert_int_equal(w.run->f.verdict, VERDICT_NO_LEAK);
	row = row_of(w.run, SUBJECT_CLASS, CLASS_allocator_slack);
	assert_non_null(row->recommendation);
	assert_non_null(strstr(row->recommendation, "keeps 200 MB after a peak"));
}

/* --- call sites ----------------------------------------------------------------------------- */

/* A churning site of which a share is lost, 1 kB each. */
static struct sim_site *leaky(struct run *r, double rate, double share)
{
	struct sim_site *site = sim_add_site(&r->sim, MT_SITE_HEAP, 1000);

	sim_churn(&r->sim, site, 0, r->sim.end_s, rate, SIM_EXPONENTIAL, 0.3, share);
	return site;
}

static void a_leak_is_told_of_its_site_its_class_and_its_process(void **state)
{
	auto_run *r = run_begin(SEED + 50, 120);
	const struct pattern_row *process, *site;

	(void)state;
	leaky(r, 200, 0.2);
	assert_int_equal(run_all(r), VERDICT_LEAK);
	site = row_of(r, SUBJECT_SITE, 1000);
	process = &r->p.list[0];
	assert_int_equal(site->opinion.verdict, GROWTH_LEAK);
	assert_int_equal(site->opinion.shape.pattern, PATTERN_LINEAR);
	assert_true(site->opinion.leak_probability == r->f.list[0].confidence);
	assert_int_equal(site->severity, r->f.list[0].severity);
	assert_string_equal(site->recommendation, r->f.list[0].recommendation);
	assert_int_equal(process->kind, SUBJECT_PROCESS);
	assert_int_equal(process->opinion.verdict, GROWTH_LEAK);
	assert_non_null(strstr(process->recommendation, "server+0x1000 leaks and is where"));
	assert_int_equal(r->f.list[0].pattern, PATTERN_LINEAR);
}

static void a_process_that_grows_with_it_makes_a_site_surer(void **state)
{
	auto_run *grows = run_begin(SEED + 51, 200), *hides = run_begin(SEED + 51, 200);

	(void)state;
	leaky(grows, 200, 0.2);
	leaky(hides, 200, 0.2);
	run_all(grows);
	for (size_t second = 0; second <= 200; second++) {
		sim_tick(&hides->sim, second);
		for (size_t i = 0; i <= second; i++)
			hides->sim.external[i] = 90e6;
		run_judge(hides);
	}
	assert_int_equal(grows->f.verdict, VERDICT_LEAK);
	assert_int_equal(hides->f.verdict, VERDICT_LEAK);
	assert_true(grows->f.list[0].confidence > hides->f.list[0].confidence);
	assert_true(says(&grows->f.list[0], "external memory of the process grows with it"));
	assert_true(says(&hides->f.list[0], "a masked leak: external memory grew only"));
	assert_int_equal(hides->p.list[0].opinion.shape.pattern, PATTERN_STABLE);
	assert_int_equal(hides->p.list[0].opinion.verdict, GROWTH_LEAK);
}

static void a_site_that_frees_what_it_makes_is_stable(void **state)
{
	auto_run *r = run_begin(SEED + 52, 120);
	const struct pattern_row *site;

	(void)state;
	leaky(r, 200, 0);
	assert_int_equal(run_all(r), VERDICT_NO_LEAK);
	site = row_of(r, SUBJECT_SITE, 1000);
	assert_int_equal(site->opinion.verdict, GROWTH_NONE);
	assert_int_equal(site->severity, SEVERITY_LOW);
	assert_null(site->recommendation);
}

static void what_is_gone_has_no_row(void **state)
{
	auto_run *r = run_begin(SEED + 54, 60);

	(void)state;
	leaky(r, 50, 0.2);
	leaky(r, 50, 0);
	run_until(r, 0, 58);
	assert_non_null(row_of(r, SUBJECT_SITE, 1001));
	sim_tick(&r->sim, 59);
	r->sim.snap.site_count = 1;
	run_judge(r);
	assert_non_null(row_of(r, SUBJECT_SITE, 1000));
	assert_null(row_of(r, SUBJECT_SITE, 1001));
	run_tick(r, 60);
	assert_non_null(row_of(r, SUBJECT_SITE, 1001));
}

static void descriptors_grow_in_numbers(void **state)
{
	auto_run *r = run_begin(SEED + 53, 120);
	const struct pattern_row *site;

	(void)state;
	sim_add_site(&r->sim, MT_SITE_FD, 0)->class = CLASS_file_handles;
	sim_churn(&r->sim, &r->sim.site[0], 0, 120, 1, SIM_EXPONENTIAL, 1, 1);
	assert_int_equal(run_all(r), VERDICT_LEAK);
	site = row_of(r, SUBJECT_SITE, 1000);
	assert_true(site->counted);
	assert_int_equal(site->opinion.verdict, GROWTH_LEAK);
	assert_true(fabs(site->opinion.shape.growth_per_s - 1) < 0.2);
	assert_true(site->severity <= SEVERITY_MEDIUM);
}

/* --- the table ------------------------------------------------------------------------------ */

static void subjects_are_bounded_and_the_largest_stay(void **state)
{
	static struct snap_site sites[2000];
	struct snapshot snap = { .sites = sites, .site_count = 2000 };
	auto_clean(subjects_done) struct subjects s = {};
	const struct growth_opinion *o;

	(void)state;
	for (size_t i = 0; i < 2000; i++)
		sites[i] = (struct snap_site){ .id = i + 1,
					       .kind = MT_SITE_HEAP,
					       .live_bytes = 1000 + i };
	for (size_t t = 0; t < 20; t++) {
		snap.elapsed_s = (double)t;
		assert_int_equal(subjects_feed(&s, &snap, NULL), 0);
		for (size_t i = 0; i < 100; i++) /* ever other suspects */
			assert_int_equal(subjects_site(&s, &snap, t * 90 + i, &o), 0);
	}
	assert_int_equal(s.kinds[SUBJECT_SITE], SUBJECTS_SITES_MAX);
	assert_true(s.count <= SUBJECTS_MAX);
	assert_true(s.refused > 0);
	assert_non_null(subjects_find(&s, SUBJECT_SITE, 2000));
	assert_null(subjects_find(&s, SUBJECT_SITE, 1));
	assert_int_equal(subjects_site(&s, &snap, SIZE_MAX, &o), 0);
	assert_null(o);
}

static void a_thousand_ticks_of_everything_fit_in_a_megabyte(void **state)
{
	static struct snap_site sites[SUBJECTS_SITES_MAX];
	struct snapshot snap = { .sites = sites, .site_count = SUBJECTS_SITES_MAX };
	auto_clean(subjects_done) struct subjects s = {};
	struct ledger l = { .external_bytes = 1 << 30 };
	const struct growth_opinion *o;
	size_t bytes = 0;

	(void)state;
	for (size_t t = 0; t < 1000; t++) {
		snap.elapsed_s = (double)t;
		for (int c = 1; c < CLASS_MAX; c++)
			l.rows[c] =
				(struct class_row){ .bytes = t * 7919 % 1000, .how = HOW_EXACT };
		for (size_t i = 0; i < SUBJECTS_SITES_MAX; i++) {
			sites[i] = (struct snap_site){ .id = i + 1,
						       .kind = MT_SITE_HEAP,
						       .live_bytes = t * i };
			if (t == 0)
				assert_int_equal(subjects_site(&s, &snap, i, &o), 0);
		}
		assert_int_equal(subjects_feed(&s, &snap, &l), 0);
	}
	for (size_t i = 0; i < s.count; i++)
		bytes += sizeof(s.list[i]) + growth_bytes(s.list[i].growth) +
			 (s.list[i].past ? sizeof(*s.list[i].past) : 0);
	assert_int_equal(s.count, CLASS_MAX + SUBJECTS_SITES_MAX);
	print_message("%zu subjects take %zu kB\n", s.count, bytes / 1000);
	assert_true(bytes < 1000000);
}

static void a_site_watched_late_has_its_past(void **state)
{
	double t[100], v[100];
	struct snap_site site = { .id = 5, .kind = MT_SITE_HEAP, .live_bytes = 200000 };
	struct snapshot snap = { .elapsed_s = 101, .sites = &site, .site_count = 1 };
	auto_clean(subjects_done) struct subjects s = {};
	const struct growth_opinion *o;

	(void)state;
	for (size_t i = 0; i < 100; i++) {
		t[i] = (double)i;
		v[i] = 2000.0 * (double)i;
	}
	site.live_bytes_series = (struct snap_series){ t, v, 100 };
	assert_int_equal(subjects_site(&s, &snap, 0, &o), 0);
	assert_non_null(o);
	assert_int_equal(growth_count(s.list[0].growth), 100); /* no moment counts twice */
	assert_int_equal(o->shape.pattern, PATTERN_LINEAR);
	assert_true(fabs(o->shape.growth_per_s - 2000) < 50);
}

static void a_tick_is_one_point_of_the_process(void **state)
{
	double t[50], v[50];
	struct snapshot snap = {};
	auto_clean(subjects_done) struct subjects s = {};
	struct ledger l = { .external_bytes = 7000 };

	(void)state;
	for (size_t i = 0; i < 50; i++) {
		t[i] = (double)i - 0.01; /* facts are read a little before the tick */
		v[i] = 7000;
		snap.elapsed_s = (double)i;
		snap.external_series = (struct snap_series){ t, v, i + 1 };
		assert_int_equal(subjects_feed(&s, &snap, &l), 0);
	}
	assert_int_equal(growth_count(subjects_find(&s, SUBJECT_PROCESS, 0)->growth), 50);
	snap.external_series.count = 0;
	assert_int_equal(subjects_feed(&s, &snap, &l), 0);
	assert_int_equal(growth_count(subjects_find(&s, SUBJECT_PROCESS, 0)->growth), 51);
}

static void a_class_tells_its_growth_over_any_stretch(void **state)
{
	auto_clean(subjects_done) struct subjects s = {};
	struct snapshot snap = {};
	struct ledger l = { .external_bytes = FACT_UNKNOWN };

	(void)state;
	for (size_t t = 0; t < 300; t++) {
		snap.elapsed_s = (double)t;
		l.rows[CLASS_application] =
			(struct class_row){ .bytes = t < 200 ? 1000 : 1000 + 50 * (t - 199),
					    .how = HOW_EXACT };
		l.rows[CLASS_runtime] = (struct class_row){ .bytes = 7 }; /* not measured */
		assert_int_equal(subjects_feed(&s, &snap, &l), 0);
	}
	assert_true(fabs(subjects_class_rate(&s, CLASS_application, 50) - 50) < 1e-9);
	assert_true(fabs(subjects_class_rate(&s, CLASS_application, 120) - 41.7) < 1);
	assert_true(isnan(subjects_class_rate(&s, CLASS_application, 290))); /* forgotten */
	assert_true(isnan(subjects_class_rate(&s, CLASS_runtime, 10)));
	assert_true(isnan(subjects_class_rate(&s, CLASS_application, NAN)));
}

static void libraries_of_one_name_are_summed(void **state)
{
	static char name[] = "binding.node", other[] = "libz.so.1";
	struct snap_module modules[] = { { .name = name }, { .name = other }, { .name = name } };
	struct snapshot snap = { .modules = modules, .module_count = 3 };
	struct module_row rows[] = { { .module = 0, .bytes = 1000 },
				     { .module = 1, .bytes = 70 },
				     { .module = 2, .bytes = 400 } };
	struct ledger l = { .external_bytes = FACT_UNKNOWN, .modules = rows, .module_count = 3 };
	auto_clean(subjects_done) struct subjects s = {};
	const struct subject *x;

	(void)state;
	for (size_t t = 0; t < 3; t++) {
		snap.elapsed_s = (double)t;
		rows[2].bytes = 400 + t;
		assert_int_equal(subjects_feed(&s, &snap, &l), 0);
	}
	x = subjects_find(&s, SUBJECT_MODULE, subjects_module_id(&modules[0]));
	assert_true(x->last == 1402);
	assert_int_equal(growth_count(x->growth), 3);
	assert_true(subjects_find(&s, SUBJECT_MODULE, subjects_module_id(&modules[1]))->last == 70);
	assert_int_equal(s.kinds[SUBJECT_MODULE], 2);
}

/* Numbers of descriptors stand in for their bytes, but never in the same series. */
static void bytes_and_numbers_of_a_class_are_never_mixed(void **state)
{
	auto_clean(subjects_done) struct subjects s = {};
	struct snapshot snap = {};
	struct ledger l = { .external_bytes = FACT_UNKNOWN };
	const struct subject *x;

	(void)state;
	for (size_t t = 0; t < 30; t++) {
		bool bytes = t >= 10 && t % 10 < 5;

		snap.elapsed_s = (double)t;
		l.rows[CLASS_kernel_socket_buffers] = (struct class_row){
			.bytes = bytes ? 1000000 : FACT_UNKNOWN, .count = 7, .how = HOW_EXACT
		};
		assert_int_equal(subjects_feed(&s, &snap, &l), 0);
		x = subjects_find(&s, SUBJECT_CLASS, CLASS_kernel_socket_buffers);
		assert_int_equal(x->counted, t < 10);
		assert_true(x->last == (t < 10 ? 7 : 1000000));
		assert_true(x->peak == x->last);
	}
	assert_int_equal(growth_count(x->growth), 10);
	assert_true(subjects_class_rate(&s, CLASS_kernel_socket_buffers, 20) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(growth_that_lasts_is_a_leak_without_sites_and_not_sooner),
		cmocka_unit_test(the_forecast_is_when_the_headroom_is_used_up),
		cmocka_unit_test(a_warm_up_is_no_leak),
		cmocka_unit_test(a_cache_that_fills_is_no_leak),
		cmocka_unit_test(batches_are_no_leak),
		cmocka_unit_test(the_load_of_a_day_is_no_leak),
		cmocka_unit_test(shared_memory_that_is_touched_at_last_is_no_leak),
		cmocka_unit_test(who_touches_what_was_mapped_before_leaks_nothing),
		cmocka_unit_test(files_mapped_ever_anew_are_a_leak_of_their_class),
		cmocka_unit_test(a_leak_of_the_process_gives_way_to_that_of_its_site),
		cmocka_unit_test(what_an_allocator_keeps_after_a_peak_is_no_leak_but_told),
		cmocka_unit_test(a_leak_is_told_of_its_site_its_class_and_its_process),
		cmocka_unit_test(a_process_that_grows_with_it_makes_a_site_surer),
		cmocka_unit_test(a_site_that_frees_what_it_makes_is_stable),
		cmocka_unit_test(what_is_gone_has_no_row),
		cmocka_unit_test(descriptors_grow_in_numbers),
		cmocka_unit_test(subjects_are_bounded_and_the_largest_stay),
		cmocka_unit_test(a_thousand_ticks_of_everything_fit_in_a_megabyte),
		cmocka_unit_test(a_site_watched_late_has_its_past),
		cmocka_unit_test(a_tick_is_one_point_of_the_process),
		cmocka_unit_test(a_class_tells_its_growth_over_any_stretch),
		cmocka_unit_test(libraries_of_one_name_are_summed),
		cmocka_unit_test(bytes_and_numbers_of_a_class_are_never_mixed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
