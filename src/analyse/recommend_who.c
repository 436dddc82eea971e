/* The names that a recommendation needs: the asking function, its module, the other end. */
#include "analyse/recommend.h"

#include <stdio.h>
#include <string.h>

#include "analyse/module_name.h"
#include "analyse/peers.h"
#include "analyse/plumbing.h"
#include "analyse/rules.h"

/* Products as they write themselves. */
static const char *const products[][2] = {
	{ "postgresql", "PostgreSQL" },
	{ "pgbouncer", "PgBouncer" },
	{ "mysql", "MySQL" },
	{ "redis", "Redis" },
	{ "mongodb", "MongoDB" },
	{ "mssql", "SQL Server" },
	{ "oracle", "Oracle" },
	{ "cassandra", "Cassandra" },
	{ "memcached", "memcached" },
	{ "elasticsearch", "Elasticsearch" },
	{ "cockroachdb", "CockroachDB" },
	{ "clickhouse", "ClickHouse" },
};

static const char *product_name(const char *product)
{
	for (size_t i = 0; i < sizeof(products) / sizeof(products[0]); i++)
		if (strcmp(products[i][0], product) == 0)
			return products[i][1];
	return product;
}

static void write_frame(const struct snapshot *snap, const struct snap_frame *f,
			char ret[static RECOMMEND_SITE_BYTES])
{
	const char *base;

	if (f->symbol && *f->symbol && f->file && f->line) {
		base = strrchr(f->file, '/');
		snprintf(ret, RECOMMEND_SITE_BYTES, "%.90s at %.50s:%u", f->symbol,
			 base ? base + 1 : f->file, f->line);
	} else if (f->symbol && *f->symbol) {
		snprintf(ret, RECOMMEND_SITE_BYTES, "%.120s", f->symbol);
	} else if (f->module < snap->module_count && snap->modules[f->module].name) {
		snprintf(ret, RECOMMEND_SITE_BYTES, "%.100s+0x%llx", snap->modules[f->module].name,
			 (unsigned long long)f->offset);
	}
}

static void write_site(const struct snapshot *snap, const struct snap_site *site,
		       const struct owner *owner, struct recommend_who *w)
{
	size_t at = owner && owner->frame < site->stack.count ? owner->frame : 0;

	if (site->stack.count)
		write_frame(snap, &site->stack.frames[at], w->site);
}

/*
 * The program's function that called the owner: one in a library, or one of another language, such
 * as C in a Go program. Named ones only.
 */
static void write_caller(const struct snapshot *snap, const struct snap_site *site,
			 const struct owner *owner, struct recommend_who *w)
{
	size_t i = owner ? owner->frame + (size_t)1 : SIZE_MAX;
	bool beyond = false;

	for (; i < site->stack.count; i++) {
		const struct snap_frame *f = &site->stack.frames[i];
		const struct rule *rule = NULL;

		if (f->module >= snap->module_count && beyond)
			return; /* generated code, of which nothing is known */
		if (f->module >= snap->module_count)
			continue;
		if (plumbing_find(snap->rules, &snap->modules[f->module], f->symbol, true, &rule) !=
		    PLUMBING_NONE) {
			beyond |= rule && rule->what == RULE_language;
			continue;
		}
		if (f->module == owner->module && !beyond)
			continue;
		if (snap->modules[f->module].main_exe && f->symbol && *f->symbol)
			write_frame(snap, f, w->caller);
		return;
	}
}

static bool same_peer(const struct fd_fact *a, const struct fd_fact *b)
{
	return a->family == b->family && a->peer_port == b->peer_port &&
	       memcmp(a->peer_addr, b->peer_addr, sizeof(a->peer_addr)) == 0 &&
	       strncmp(a->path, b->path, sizeof(a->path)) == 0;
}

/* Sockets that a listening one of the process accepted: their peers are its clients. */
static bool accepted(const struct snapshot *snap, const struct fd_fact *f)
{
	for (size_t i = 0; i < snap->fd_count; i++) {
		const struct fd_fact *l = &snap->fds[i].fact;

		if (l->kind == FD_SOCKET && l->listening && l->local_port &&
		    l->local_port == f->local_port)
			return true;
	}
	return false;
}

/* The peer of most sockets that this site opened (a vote by pairs); NULL when there is none. */
static const struct fd_fact *most_common_peer(const struct snapshot *snap, uint64_t site_id)
{
	const struct fd_fact *winner = NULL;
	size_t lead = 0, votes = 0, all = 0;

	for (size_t i = 0; i < snap->fd_count; i++) {
		const struct fd_fact *f = &snap->fds[i].fact;

		if (snap->fds[i].site_id != site_id || f->kind != FD_SOCKET || f->listening)
			continue;
		if (lead == 0)
			winner = f;
		lead += same_peer(winner, f) ? 1 : -1;
	}
	for (size_t i = 0; winner && i < snap->fd_count; i++) {
		const struct fd_fact *f = &snap->fds[i].fact;

		if (snap->fds[i].site_id != site_id || f->kind != FD_SOCKET || f->listening)
			continue;
		all++;
		votes += same_peer(winner, f);
	}
	return votes * 2 > all ? winner : NULL;
}

static void write_peer(const struct snapshot *snap, uint64_t site_id, struct recommend_who *w)
{
	const struct fd_fact *f = site_id ? most_common_peer(snap, site_id) : NULL;
	char address[PEERS_ADDRESS_BYTES];
	struct peer peer;

	if (!f || accepted(snap, f) || peers_format_address(f, address, sizeof(address)) < 0)
		return;
	peer = peers_find(f);
	if (peer.product)
		snprintf(w->peer, sizeof(w->peer), "%s at %s", product_name(peer.product), address);
	else
		snprintf(w->peer, sizeof(w->peer), "%s", address);
}

/* What the owner called: "SSL_CTX_new_ex of libssl.so.3". */
static void write_through(const struct snapshot *snap, const struct snap_site *site,
			  const struct owner *owner, struct recommend_who *w)
{
	const struct snap_frame *f;

	if (!owner || owner->holder >= owner->frame || owner->frame >= site->stack.count)
		return;
	f = &site->stack.frames[owner->frame - 1];
	if (f->symbol && *f->symbol && f->module != owner->module &&
	    f->module < snap->module_count && snap->modules[f->module].name)
		snprintf(w->through, sizeof(w->through), "%.80s of %.60s", f->symbol,
			 snap->modules[f->module].name);
}

/* "_sqlite3", "numpy.core._multiarray_umath", "better_sqlite3.node of better-sqlite3" */
static void write_owner(const struct snap_module *m, struct recommend_who *w)
{
	bool add_on = m->name && strstr(m->name, ".node");
	struct module_name name;

	module_name_of(m, &name);
	if (add_on && *name.package)
		snprintf(w->owner, sizeof(w->owner), "%.70s of %.70s", name.name, name.package);
	else
		snprintf(w->owner, sizeof(w->owner), "%.70s%s%.70s", name.package,
			 *name.package ? "." : "", name.name);
}

void recommend_find_who(const struct snapshot *snap, size_t site, const struct owner *owner,
			struct recommend_who *ret)
{
	struct recommend_who w = {};

	if (site < snap->site_count) {
		write_site(snap, &snap->sites[site], owner, &w);
		write_through(snap, &snap->sites[site], owner, &w);
		write_caller(snap, &snap->sites[site], owner, &w);
		if (snap->sites[site].kind == MT_SITE_SOCKET ||
		    snap->sites[site].kind == MT_SITE_FD)
			write_peer(snap, snap->sites[site].id, &w);
	}
	if (owner && owner->module < snap->module_count && snap->modules[owner->module].name)
		write_owner(&snap->modules[owner->module], &w);
	*ret = w;
}
