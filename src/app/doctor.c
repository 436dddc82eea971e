/* Every feature is tried, as at the start of a run; what fails is named with what is lost. */
#include "app/doctor.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "app/app.h"
#include "base/json.h"
#include "collect/features.h"
#include "collect/keeper.h"
#include "sys/residency.h"
#include "version.h"

static void try_pagemap(struct features *f)
{
	struct residency range = { .start = (uintptr_t)f & ~4095ull,
				   .end = ((uintptr_t)f & ~4095ull) + 4096 };
	struct residency_cfg cfg = { .root = "/proc" };
	struct residency_info info;
	int r = residency_read(&cfg, getpid(), &range, 1, &info);

	f->known[FEATURE_pagemap_scan] = true;
	f->has[FEATURE_pagemap_scan] = r == 0 && info.source == RESIDENCY_SCAN;
}

static void print_text(const struct features *f, const struct utsname *uts, const char *why)
{
	printf("memtrace %s on Linux %s (%s), %s\n\n", MEMTRACE_VERSION, uts->release, uts->machine,
	       geteuid() == 0 ? "as root" : "not as root");
	for (int i = 0; i < FEATURE_MAX; i++) {
		const struct feature_info *info = feature_describe(i);
		bool lacking = f->known[i] && !f->has[i];

		printf("  %-18s %-10s %s%s%s\n", info->name,
		       !f->known[i] ? "not tried"
		       : f->has[i]  ? "yes"
				    : "NO",
		       info->needed_for, lacking ? "; without it: " : "",
		       lacking ? info->without : "");
	}
	if (f->entry_ns > 0)
		printf("\n  one probe hit costs %.0f ns here, entry and return together %.0f ns\n",
		       f->entry_ns, f->entry_return_ns);
	if (why)
		printf("\nmemtrace cannot run here: %s\n", why);
	else
		printf("\nmemtrace can run here.\n");
}

static json_t *features_json(const struct features *f)
{
	json_t *list = json_array();

	for (int i = 0; i < FEATURE_MAX; i++) {
		const struct feature_info *info = feature_describe(i);

		json_array_append_new(
			list, json_pack("{s:s, s:o, s:s, s:s}", "name", info->name, "available",
					f->known[i] ? json_boolean(f->has[i]) : json_null(),
					"needed_for", info->needed_for, "without", info->without));
	}
	return list;
}

static int print_json(const struct features *f, const struct utsname *uts, const char *why)
{
	json_t *o = json_pack("{s:s, s:s, s:b, s:o}", "version", MEMTRACE_VERSION, "kernel",
			      uts->release, "can_run", !why, "features", features_json(f));
	int r;

	if (!o)
		return -ENOMEM;
	if (why)
		json_put_string(o, "reason", why);
	json_put_double_if_known(o, "entry_ns", f->entry_ns > 0 ? f->entry_ns : NAN);
	json_put_double_if_known(o, "entry_return_ns",
				 f->entry_return_ns > 0 ? f->entry_return_ns : NAN);
	r = json_write_line(stdout, o);
	json_decref(o);
	return r;
}

int doctor_run(bool json)
{
	struct features f = { 0 };
	struct keeper *keeper = NULL;
	struct err err = { 0 };
	struct utsname uts = { 0 };
	int r = keeper_start(&keeper, &err);

	if (r == 0)
		r = features_probe(keeper, &f, &err);
	uname(&uts);
	try_pagemap(&f);
	if (r == 0)
		features_probe_seccomp(keeper, &f);
	keeper_stop(keeper);
	if (!json)
		print_text(&f, &uts, r ? err.text : NULL);
	else if (print_json(&f, &uts, r ? err.text : NULL) < 0)
		return EXIT_FAILED;
	if (fflush(stdout))
		return EXIT_FAILED;
	return r ? EXIT_CANNOT : EXIT_OK;
}
