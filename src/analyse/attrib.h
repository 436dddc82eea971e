/*
 * Attribution: who asked for what a call site holds, and which resource class that makes it.
 * The owner is the first frame, from the innermost, that is not plumbing (plumbing.h).
 * Pure functions over a const snapshot; every answer carries its confidence and its evidence.
 */
#pragma once
#include "analyse/analysis.h"

/*
 * Owners of all sites of a snapshot: ret has room for s->site_count of them, parallel to s->sites.
 * A site of sockets most of which are open to a database server becomes database_connections.
 * 0 or -ENOMEM; ret is written only on success.
 */
int attrib_find_owners(const struct snapshot *s, struct owner *ret);

/* Owner of one site by its stack alone; modules are looked up in s. Cannot fail. */
struct owner attrib_find_owner(const struct snapshot *s, const struct snap_site *site);

/*
 * A mapping or the break that an allocator asked the kernel for, on its way to give out a block:
 * where its blocks are traced, what it mapped is counted already. By names: false until they came.
 */
bool attrib_is_through_allocator(const struct snapshot *s, const struct snap_site *site);

/* What a module is for, by its file name; MODULE_OTHER when no rule knows it. rules: may be NULL.
 */
enum module_kind attrib_find_kind(const struct rules *rules, const char *file_name);
