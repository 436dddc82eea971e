/* Every feature is tried, as at the start of a run; what fails is named with what is lost. */
#include "app/doctor.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "app/app.h"
#include "collect/features.h"
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

int doctor_run(void)
{
	struct features f;
	struct err err = { 0 };
	struct utsname uts = { 0 };
	int r = features_probe(&f, &err);

	uname(&uts);
	try_pagemap(&f);
	if (r == 0)
		features_probe_seccomp(&f);
	printf("memtrace %s on Linux %s (%s), %s\n\n", MEMTRACE_VERSION, uts.release, uts.machine,
	       geteuid() == 0 ? "as root" : "not as root");
	for (int i = 0; i < FEATURE_MAX; i++) {
		const struct feature_info *info = feature_describe(i);

		printf("  %-18s %-10s %s%s%s\n", info->name,
		       !f.known[i] ? "not tried"
		       : f.has[i]  ? "yes"
				   : "NO",
		       info->needed_for, f.known[i] && !f.has[i] ? "; without it: " : "",
		       f.known[i] && !f.has[i] ? info->without : "");
	}
	if (f.entry_ns > 0)
		printf("\n  one probe hit costs %.0f ns here, entry and return together %.0f ns\n",
		       f.entry_ns, f.entry_return_ns);
	if (r)
		printf("\nmemtrace cannot run here: %s\n", err.text);
	else
		printf("\nmemtrace can run here.\n");
	return r ? EXIT_CANNOT : EXIT_OK;
}
