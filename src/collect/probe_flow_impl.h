/* Between the parts of probe_flow: for probe_flow*.c only. */
#pragma once
#include "collect/probe_flow.h"

#define FLOW_BODY_MAX (16u << 10)
#define FLOW_CALL_DEPTH 3 /* how deep calls are followed to see whether they return */

/* Index of the instruction at vaddr, FLOW_NONE. */
uint32_t flow_at(const struct flow *f, uint64_t vaddr);

/* entry: what is known there, or NULL: registers are what they were at the entry. */
bool flow_follow(struct flow *f, const uint8_t *bytes, size_t len, uint64_t vaddr,
		 enum probe_nops nops, const struct flow_state *entry);

/* Whether the call at node i may come back. */
bool flow_call_returns(const struct flow *f, uint32_t i);
