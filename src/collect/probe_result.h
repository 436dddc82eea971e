/*
 * Which places of a function hold, before each instruction, what the function will return on every
 * way from there. Backward over the graph of probe_flow.h.
 */
#pragma once
#include "collect/probe_flow.h"

/* The value that will be returned. */
struct flow_result {
	uint64_t places; /* bit = place that holds it */
	bool zero;	 /* it is 0 */
	bool never;	 /* nothing is returned from here; then all of it is true at once */
};

/* Results before each node; *ret is to be freed. -ENOMEM. */
int flow_results(const struct flow *f, struct flow_result **ret);

/* The same behind node i on one way, which can be gone. */
struct flow_result flow_result_way(const struct flow *f, const struct flow_result *results,
				   uint32_t i, int way);
