/* What tracing costs: memtrace's own CPU and memory, and an estimate of the target's share. */
#pragma once
#include "app/tracee.h"
#include "report/sink.h"

struct cost {
	uint64_t begun_ns, begun_cpu_ns;   /* of the whole run */
	uint64_t before_ns, before_cpu_ns; /* of the last reading */
	double cpu_ratio;		   /* NAN before the second reading */
	uint64_t rss_bytes;
	uint32_t keeper; /* the process that holds the probes */
};

void cost_begin(struct cost *c, const char *proc, uint32_t keeper, uint64_t now_ns);
/* names: what naming costs besides. */
void cost_read(struct cost *c, const char *proc, uint64_t now_ns,
	       const struct symbolizer_stats *names);

/* Of one tracee now; total: over the whole run. */
void cost_info(const struct cost *c, const struct tracee *t, bool total, uint64_t now_ns,
	       struct overhead_info *ret);
