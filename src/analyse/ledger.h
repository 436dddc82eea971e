/*
 * The ledger of one tick: external memory split into classes that add up to it exactly.
 * Pure: everything comes from the snapshot, the owners and the caller's ledger_state.
 *
 * Rules of the sum (resident classes; swapped bytes count with the range they belong to):
 *  - external memory is RSS and swap without what ranges say the language runtime manages: its
 *    heap, and the pages it keeps for that;
 *  - ranges give code, mapped_files, shared_memory, thread_stacks, runtime (its own tables),
 *    buffers (those that are mappings of their own, linear memories of WebAssembly), preexisting
 *    (mapped before the trace, what they held at the least since) and, by the owner of the
 *    site that mapped them, application and native_modules;
 *  - allocator ranges hold R bytes; L are live in traced heap sites, A were resident at attach.
 *    Where the allocator was walked through, allocator_slack is what it said to be free of R, at
 *    least what is not live; growth since that walk counts as live. Owners get min(L, R'), R' being
 *    R without such slack, in proportion to their live bytes when L > R'; of the rest, buffers get
 *    what the runtime counts beyond those of ranges and sites; preexisting keeps what is left of A,
 *    never more than it kept before. What remains is allocator_slack where there was no walk; with
 *    one it is live and was not seen (probes were out): owners get it in proportion to what was
 *    seen of them, at most four times that. Where allocations are not traced any more, sites and
 *    slack are what they were when they were, at most what there is;
 *  - where allocations are not traced, of what allocators hold beyond that, of anonymous memory
 *    that nobody was seen to map, and of what mappings from before gained, owners get what their
 *    code touched first (the page-fault tier), in proportion and at most what there is; of live
 *    memory that came since, as above, too, and what allocators were seen to ask the kernel for on
 *    their behalf;
 *  - what is left then goes where its place says: what mappings from before the trace gained to
 *    preexisting; what lies in allocators to application, with little confidence, since it is
 *    native memory and whoever asked for it belongs to the program; so does anonymous memory that
 *    nobody was seen to map, where the allocator's structures are not read, or that came after it
 *    was walked through;
 *  - `unexplained` is external minus all of these, and closes the sum: memory of owners that are
 * not known, anonymous memory that is no allocator's, and what no mapping accounts for;
 *  - when they are together more than external (the process changed between two readings), they
 *    are cut until they fit, estimates first, in this order: allocator_slack, preexisting,
 *    native_modules, application, buffers, runtime, mapped_files, shared_memory, code,
 *    thread_stacks.
 */
#pragma once
#include "analyse/analysis.h"
#include "analyse/ledger_state.h"

/*
 * Builds the ledger of s into *ret and moves *st on to it. owners are parallel to s->sites
 * (attrib.h). 0 or -ENOMEM; on an error neither *st nor *ret changes. ledger_done() releases *ret.
 * Without residency every resident row is unavailable and `unexplained` holds all of external.
 * alloc_per_s and free_per_s are calls per second since the tick before; NAN at the first.
 */
int ledger_build(const struct snapshot *s, const struct owner *owners, struct ledger_state *st,
		 struct ledger *ret);

/* Releases what the ledger owns; a ledger of zeros is fine. */
void ledger_done(struct ledger *l);
