/*
 * The life of a run: features, kernel side, model, output, then the processes; one loop thread.
 * Stages start in order and stop in reverse. What happens in between: app_run.c.
 */
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "app/app_impl.h"
#include "app/rules_file.h"
#include "app/preload.h"
#include "analyse/rules.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "sys/procfs.h"

#define POLL_NS 100000000ull	  /* how often the ring is looked at without being woken */
#define MAPPED_BYTES (128 << 10)  /* glibc's own beginning, which it raises otherwise */
#define TICK_MAX_NS 2000000000ull /* judged at least this often */
#define THREADS_MAX_SEEN 16384	  /* threads that may be inside an allocator */
#define MAX_FRAMES MT_MAX_FRAMES

static int parse_specs(struct app *a, struct err *err)
{
	a->specs = calloc(a->opts->alloc_count + 1, sizeof(*a->specs));
	if (!a->specs)
		return -ENOMEM;
	for (size_t i = 0; i < a->opts->alloc_count; i++) {
		int r = points_parse_spec(a->opts->allocs[i], &a->specs[i], err);

		if (r)
			return r;
	}
	return 0;
}

static int start_kernel_side(struct app *a, struct err *err)
{
	struct collector_cfg cfg = {
		.boot_ns = a->started_ns,
		.live_max = a->opts->live_max,
		.sites_max = a->opts->sites_max,
		.threads_max = THREADS_MAX_SEEN,
		.ring_bytes = a->opts->ring_bytes,
		.max_frames = MAX_FRAMES,
		.send_events = a->opts->events,
		.follow = a->opts->follow,
		.no_sniff = a->opts->no_sniff,
		.features = &a->features,
		.expected = a->opts->pids,
		.expected_count = a->opts->pid_count,
	};
	int r = keeper_start(&a->keeper, err);

	cfg.keeper = a->keeper;
	if (!r)
		r = features_probe(a->keeper, &a->features, err);
	if (!r)
		r = collector_new(&cfg, app_on_record, a, &a->collector, err);
	if (!r)
		r = collector_start(a->collector, err);
	return r;
}

static int start_user_side(struct app *a)
{
	struct symbolizer_cfg symbols = SYMBOLIZER_CFG_DEFAULT(clock_monotonic_ns);
	const char *urls = getenv("DEBUGINFOD_URLS");
	struct model_cfg model = { .boot_ns = a->started_ns, .page_bytes = sysconf(_SC_PAGESIZE) };
	int r = model_new(&model, &a->model);

	symbols.debuginfod = a->opts->debuginfod;
	if (symbols.debuginfod && !(urls && urls[0]))
		log_warn("--debuginfod: DEBUGINFOD_URLS names no server");
	if (!r)
		r = symbolizer_new(&symbols, &a->symbolizer);
	a->run = (struct run){ .opts = a->opts,
			       .features = &a->features,
			       .keeper = a->keeper,
			       .collector = a->collector,
			       .model = a->model,
			       .symbolizer = a->symbolizer,
			       .specs = a->specs,
			       .spec_count = a->opts->alloc_count,
			       .judge_cfg = a->judge_cfg,
			       .watching = &a->watching,
			       .serving = &a->serving,
			       .rules = a->rules,
			       .boot_ns = a->started_ns,
			       .proc = "/proc",
			       .cgroup_root = "/sys/fs/cgroup" };
	return r;
}

static int start_loop(struct app *a)
{
	int r = loop_new(&a->loop);

	if (!r)
		r = loop_add_signal(a->loop, SIGINT, app_on_signal, a, NULL);
	if (!r)
		r = loop_add_signal(a->loop, SIGTERM, app_on_signal, a, NULL);
	if (!r)
		r = loop_add_signal(a->loop, SIGHUP, app_on_signal, a, NULL);
	if (!r)
		r = loop_add_fd(a->loop, collector_fd(a->collector), EPOLLIN, app_on_ring, a, NULL);
	if (!r)
		r = loop_add_timer(a->loop, POLL_NS, POLL_NS, app_on_timer, a, NULL);
	if (!r)
		r = loop_add_timer(a->loop, 1, 0, app_on_hold, a, &a->hold_timer);
	if (!r && a->opts->duration_s > 0)
		r = loop_add_timer(a->loop, (uint64_t)(a->opts->duration_s * 1e9), 0,
				   app_on_duration, a, NULL);
	else if (!r && a->opts->ledger) /* what was read while attaching is all */
		r = loop_add_timer(a->loop, 1, 0, app_on_duration, a, NULL);
	return r;
}

/* The library may not have been loaded: then the allocators are probed, if there are any. */
static void check_preload(const struct app *a)
{
	const struct tracee *t = a->tracee_count ? a->tracee[0] : NULL;

	if (!a->opts->preload || !t || t->announces || !t->heap_wanted)
		return;
	log_warn("%s did not load the library of --preload, as static and set-user-ID programs do "
		 "not; %s",
		 a->opts->run_argv[0],
		 t->heap_traced ? "its allocators are probed instead"
				: "nothing will be seen of its allocations");
}

static int start_command(struct app *a, struct err *err)
{
	auto_free char **environment = NULL;
	struct launch_cfg cfg = { .argv = a->opts->run_argv,
				  .keep_stdout = !a->opts->json || a->opts->output };
	char library[PATH_MAX];
	int r = 0;

	if (a->opts->preload) {
		r = preload_find(library, sizeof(library), err);
		if (!r)
			r = preload_environment(library, a->opts->sample_bytes, &environment);
		cfg.envp = environment;
	}
	if (!r)
		r = launch_start(&cfg, &a->launch, err);
	if (!r)
		r = app_add_tracee(a, a->launch.pid, 0, 0, err);
	if (!r)
		check_preload(a);
	else
		launch_abort(&a->launch);
	launch_release(&a->launch);
	return r;
}

/* Attaches what the command line names. Fails only when nothing could be attached. */
static int start_processes(struct app *a, struct err *err)
{
	int r = 0;

	if (a->opts->command == CLI_RUN)
		return start_command(a, err);
	for (size_t i = 0; i < a->opts->pid_count; i++) {
		struct err e = { 0 };
		int one = app_add_tracee(a, a->opts->pids[i], 0, 0, &e);

		if (one && a->opts->pid_count > 1)
			log_warn("%s; going on with the others", e.text);
		if (one && !r) {
			r = one;
			*err = e;
		}
	}
	return a->tracee_count ? 0 : r;
}

static void stop(struct app *a)
{
	for (size_t i = 0; i < a->tracee_count; i++)
		tracee_free(a->tracee[i]);
	loop_free(a->loop);
	symbolizer_free(a->symbolizer);
	model_free(a->model);
	collector_free(a->collector);
	keeper_stop(a->keeper);
	rules_free(a->rules);
	free(a->specs);
}

static int start(struct app *a, struct err *err)
{
	uint64_t now;
	int r = parse_specs(a, err);

	a->judge_cfg = judge_defaults();
	if (!r)
		r = severity_parse(a->opts->severity, &a->judge_cfg.severity, err);
	if (!r && a->opts->rules)
		r = rules_file_read(a->opts->rules, &a->rules, err);
	if (r)
		return err_set(err, r, "cannot start (%s)", strerror(-r));
	if (!r)
		r = output_open(&a->output, a->opts, err);
	if (r)
		return err_set(err, r, "cannot start (%s)", strerror(-r));
	a->stage = STAGE_HOST;
	r = start_kernel_side(a, err);
	if (!r)
		r = start_user_side(a);
	if (!r)
		sniffing_start(&a->sniffing, &a->run);
	if (!r)
		holding_start(&a->holding, &a->run, app_on_held, a);
	if (!r)
		r = start_loop(a);
	if (r)
		return err_set(err, r, "cannot start (%s)", strerror(-r));
	a->stage = STAGE_PROCESSES;
	r = start_processes(a, err);
	if (r)
		return err_set(err, r, "cannot start (%s)", strerror(-r));
	now = clock_monotonic_ns();
	watching_begin(&a->watching, now);
	cost_begin(&a->cost, a->run.proc, keeper_pid(a->keeper), now);
	a->tick_ns = a->opts->interval_s * 1e9;
	if (a->tick_ns > TICK_MAX_NS)
		a->tick_ns = TICK_MAX_NS;
	a->account_due_ns = now;
	a->tick_due_ns = now + a->tick_ns;
	a->report_due_ns = now + (uint64_t)(a->opts->interval_s * 1e9);
	return 0;
}

static void finish(struct app *a)
{
	uint64_t now_ns = clock_monotonic_ns();

	a->finishing = true;
	for (size_t i = 0; i < a->tracee_count; i++)
		holding_pause(a->tracee[i]);
	holding_rest(&a->holding);
	collector_poll(a->collector);
	app_account(a, now_ns);
	app_read_cost(a, now_ns);
	collector_detach_all(a->collector); /* the last report is made while they go on untraced */
	if (a->opts->command == CLI_RUN && a->tracee_count && a->tracee[0]->alive)
		log_info("process %u goes on without memtrace", a->tracee[0]->pid);
	for (size_t i = 0; i < a->tracee_count; i++)
		app_end_tracee(a, a->tracee[i],
			       a->tracee[i]->alive ? a->end_reason : END_TARGET_EXIT, NULL);
}

/* What the user can do about it: mend the command line, ask for privileges, or look elsewhere. */
static int status_of(enum stage stage, int r)
{
	bool forbidden = r == -EPERM || r == -EACCES;

	if (stage == STAGE_OPTIONS && r == -EINVAL)
		return EXIT_USAGE;
	if (stage == STAGE_HOST && (forbidden || r == -EOPNOTSUPP))
		return EXIT_CANNOT;
	return stage == STAGE_PROCESSES && forbidden ? EXIT_CANNOT : EXIT_FAILED;
}

int app_run(const struct opts *opts)
{
	auto_free struct app *a = calloc(1, sizeof(*a));
	struct err err = { 0 };
	int r, graphs;

	if (!a) {
		log_error("cannot start (%s)", strerror(ENOMEM));
		return EXIT_FAILED;
	}
	/* tables that are large and mostly empty stay mappings, of which only what is used is there
	 */
	mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES);
	a->opts = opts;
	a->end_reason = END_ERROR;
	a->started_ns = clock_monotonic_ns();
	r = start(a, &err);
	if (!r) {
		r = a->output_error ? 0 : loop_run(a->loop);
		finish(a);
	} else {
		log_error("%s", err.text);
	}
	stop(a);
	if (!r && !a->output_error)
		a->output_error = output_flush(&a->output);
	if (a->output_error)
		log_error("%s", output_explain(&a->output, a->output_error));
	graphs = r ? 0 : output_write_graphs(&a->output, &err);
	if (graphs)
		log_error("%s", err.text);
	output_close(&a->output);
	if (r)
		return status_of(a->stage, r);
	if (a->output_error || graphs)
		return EXIT_FAILED;
	return opts->fail_on_leak && a->leak_found ? EXIT_LEAK : EXIT_OK;
}
