/*
 * The part of the ledger's sums that is not told by where memory lies: what allocators hold, and
 * what nobody was seen to ask for. Private to the ledger; its rules are in ledger.h.
 */
#pragma once
#include "analyse/ledger_sums.h"

struct ledger_state;

/* Splits what allocators' ranges hold; after ledger_sums_ranges(). */
void ledger_split_allocator(const struct snapshot *s, const struct owner *owners,
			    const struct ledger_state *st, struct ledger_sums *t);

/*
 * Gives what no class has to the owners of sites that touched it first, in proportion and at most
 * what they touched; then what is left to the class that its place speaks for. After
 * ledger_split_allocator().
 */
void ledger_split_rest(const struct snapshot *s, const struct owner *owners,
		       const struct ledger_state *st, uint64_t external_bytes,
		       struct ledger_sums *t);
