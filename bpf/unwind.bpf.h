/* SPDX-License-Identifier: GPL-2.0-only
 *
 * What finding a rule (table.bpf.c) and applying it (unwind.bpf.c) have in common.
 */
#ifndef MEMTRACE_UNWIND_BPF_H
#define MEMTRACE_UNWIND_BPF_H

#include "core.bpf.h"

#define PAGE_BYTES 4096

/* What mt_rule_find() answers beside a rule. */
#define RULE_NOT_CODE -1
#define RULE_LOCKED -2
#define RULE_PENDING -3

/* The rule at an address, or RULE_...; what is not known is announced. */
int mt_rule_find(__u32 slot, __u64 at);

#endif
