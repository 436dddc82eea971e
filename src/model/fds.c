/*
 * See fds.h. Entries by number in pages that exist while they hold something, so that neither many
 * descriptors nor a few with high numbers cost much. A close that is under way keeps its entries
 * aside until the thread calls again; only then are they past recall.
 */
#include "model/fds.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "model/sat.h"
#include "model/talks.h"
#include "base/vec.h"

#define PAGE_FDS 256
#define PAGES (FDS_NUMBER_MAX / PAGE_FDS)
#define CLOSES_MAX 1024		       /* threads inside close at one time */
#define CLOSE_SETTLE_NS 10000000000ull /* no close takes 10 s and fails then */

struct peer {
	uint16_t family, port;
	uint8_t addr[16];
	char path[108];
};

struct entry {
	struct site *site; /* borrowed from the sites of the address space */
	struct peer *peer; /* owned; NULL unless a connect was seen */
	uint64_t opened_ns;
	uint64_t changed_ns; /* by events; kept after a close */
	uint64_t inode;	     /* of the last reading; 0: not read since it was opened */
	uint32_t fact;	     /* 1-based index of the last reading, 0: none */
	uint8_t kind;	     /* enum fd_kind */
	bool live;
};

struct page {
	size_t live;
	struct entry entry[PAGE_FDS];
};

struct closed {
	int fd;
	struct entry entry;
};

struct closing {
	uint32_t tid;
	uint64_t began_ns;
	struct closed *entry; /* owned */
	size_t n, cap;
};

struct fds {
	struct page *page[PAGES]; /* owned */
	size_t pages, page_limit;
	size_t live;
	struct talks *talks;  /* owned */
	struct fd_fact *fact; /* owned, as last read */
	size_t facts;
	struct native_fact *native; /* owned, by inode number */
	size_t natives;
	struct native_left left;
	uint64_t facts_ns;
	bool complete;
	struct closing *closing; /* owned */
	size_t closings, closing_cap;
	uint64_t refused;	/* events */
	uint64_t facts_refused; /* in the worst reading */
};

int fds_new(size_t limit, struct fds **ret)
{
	struct fds *t = calloc(1, sizeof(*t));
	int r = t ? talks_new(limit, &t->talks) : -ENOMEM;

	if (r) {
		free(t);
		return r;
	}
	t->page_limit = limit / PAGE_FDS + (limit % PAGE_FDS != 0);
	*ret = t;
	return 0;
}

static void closing_done(struct closing *c)
{
	for (size_t i = 0; i < c->n; i++)
		free(c->entry[i].entry.peer);
	free(c->entry);
}

void fds_free(struct fds *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < PAGES; i++) {
		for (size_t k = 0; t->page[i] && k < PAGE_FDS; k++)
			free(t->page[i]->entry[k].peer);
		free(t->page[i]);
	}
	for (size_t i = 0; i < t->closings; i++)
		closing_done(&t->closing[i]);
	free(t->closing);
	free(t->fact);
	free(t->native);
	talks_free(t->talks);
	free(t);
}

size_t fds_count(const struct fds *t)
{
	return t->live;
}

uint64_t fds_refused(const struct fds *t)
{
	return t->refused + t->facts_refused;
}

/* NULL when nothing is there. */
static struct entry *entry_find(const struct fds *t, int fd)
{
	struct page *p = fd >= 0 && fd < FDS_NUMBER_MAX ? t->page[fd / PAGE_FDS] : NULL;

	return p ? &p->entry[fd % PAGE_FDS] : NULL;
}

/* -ENOSPC beyond the limits, -ENOMEM. */
static int entry_make(struct fds *t, int fd, struct entry **ret)
{
	struct page **p;

	if (fd < 0 || fd >= FDS_NUMBER_MAX)
		return -ENOSPC;
	p = &t->page[fd / PAGE_FDS];
	if (!*p && t->pages >= t->page_limit)
		return -ENOSPC;
	if (!*p) {
		*p = calloc(1, sizeof(**p));
		if (!*p)
			return -ENOMEM;
		t->pages++;
	}
	*ret = &(*p)->entry[fd % PAGE_FDS];
	return 0;
}

static void entry_count(struct fds *t, int fd, int change)
{
	t->page[fd / PAGE_FDS]->live += (size_t)change;
	t->live += (size_t)change;
}

static enum fd_kind entry_kind(const struct fds *t, const struct entry *e)
{
	return e->fact ? t->fact[e->fact - 1].kind : (enum fd_kind)e->kind;
}

/* The descriptor is gone: its opener's site is told. */
static void entry_close(struct fds *t, int fd, struct entry *e, uint64_t now_ns)
{
	if (!e->live)
		return;
	site_died(e->site, 0, 1, e->opened_ns, now_ns);
	free(e->peer);
	*e = (struct entry){ .changed_ns = e->changed_ns };
	entry_count(t, fd, -1);
}

int fds_open(struct fds *t, int fd, enum fd_kind kind, struct site *site, uint64_t now_ns)
{
	struct entry *e;
	uint32_t fact = 0;
	int r;

	r = entry_make(t, fd, &e);
	if (r < 0) {
		t->refused++;
		return r == -ENOSPC ? 0 : r;
	}
	if (e->live && !e->site && now_ns <= t->facts_ns)
		fact = e->fact; /* the reading was faster than the event */
	entry_close(t, fd, e, now_ns);
	*e = (struct entry){ .site = site,
			     .opened_ns = now_ns,
			     .changed_ns = now_ns,
			     .fact = fact,
			     .kind = (uint8_t)kind,
			     .live = true };
	entry_count(t, fd, 1);
	site_born(site, 0, 1, now_ns);
	return 0;
}

int fds_dup(struct fds *t, int from, int fd, struct site *site, uint64_t now_ns)
{
	const struct entry *e = entry_find(t, from);

	if (from == fd)
		return 0;
	return fds_open(t, fd, e && e->live ? entry_kind(t, e) : FD_OTHER, site, now_ns);
}

static bool peer_parse(const void *address, size_t len, struct peer *ret)
{
	struct sockaddr_in6 in6;
	struct sockaddr_in in;
	sa_family_t family;

	if (len < sizeof(family))
		return false;
	memcpy(&family, address, sizeof(family));
	*ret = (struct peer){ .family = family };
	if (family == AF_INET && len >= sizeof(in)) {
		memcpy(&in, address, sizeof(in));
		ret->port = ntohs(in.sin_port);
		memcpy(ret->addr, &in.sin_addr, sizeof(in.sin_addr));
	} else if (family == AF_INET6 && len >= offsetof(struct sockaddr_in6, sin6_scope_id)) {
		memcpy(&in6, address, offsetof(struct sockaddr_in6, sin6_scope_id));
		ret->port = ntohs(in6.sin6_port);
		memcpy(ret->addr, &in6.sin6_addr, sizeof(in6.sin6_addr));
	} else if (family == AF_UNIX) {
		len -= sizeof(family);
		if (len > sizeof(ret->path) - 1)
			len = sizeof(ret->path) - 1;
		memcpy(ret->path, (const char *)address + sizeof(family), len);
	} else {
		return false;
	}
	return true;
}

void fds_connect(struct fds *t, int fd, const void *address, size_t len)
{
	struct entry *e = entry_find(t, fd);
	struct peer peer;

	if (!e || !e->live || !peer_parse(address, len, &peer))
		return;
	if (!e->peer)
		e->peer = malloc(sizeof(*e->peer));
	if (e->peer)
		*e->peer = peer;
}

/* --- closes under way --- */

static struct closing *closing_find(struct fds *t, uint32_t tid)
{
	for (size_t i = 0; i < t->closings; i++)
		if (t->closing[i].tid == tid)
			return &t->closing[i];
	return NULL;
}

static void closing_end(struct fds *t, struct closing *c)
{
	closing_done(c);
	*c = t->closing[--t->closings];
}

/* NULL when there are too many: then the close cannot be taken back. */
static struct closing *closing_begin(struct fds *t, uint32_t tid, uint64_t now_ns)
{
	struct closing *c = closing_find(t, tid);

	if (c)
		closing_end(t, c);
	if (vec_reserve(&t->closing, sizeof(*t->closing), t->closings, &t->closing_cap,
			CLOSES_MAX) < 0)
		return NULL;
	c = &t->closing[t->closings++];
	*c = (struct closing){ .tid = tid, .began_ns = now_ns };
	return c;
}

void fds_close(struct fds *t, uint32_t tid, uint64_t first, uint64_t last, uint64_t now_ns)
{
	struct closing *c = closing_begin(t, tid, now_ns);

	if (last >= FDS_NUMBER_MAX)
		last = FDS_NUMBER_MAX - 1;
	for (uint64_t fd = first; fd <= last; fd++) {
		struct page *p = t->page[fd / PAGE_FDS];
		struct entry *e;

		if (!p) {
			fd |= PAGE_FDS - 1;
			continue;
		}
		e = &p->entry[fd % PAGE_FDS];
		e->changed_ns = now_ns;
		if (!e->live)
			continue;
		if (c &&
		    vec_reserve(&c->entry, sizeof(*c->entry), c->n, &c->cap, FDS_NUMBER_MAX) == 0) {
			c->entry[c->n] = (struct closed){ (int)fd, *e };
			c->entry[c->n].entry.kind = (uint8_t)entry_kind(t, e);
			c->entry[c->n++].entry.fact = 0; /* the next reading renumbers */
			e->peer = NULL;			 /* the copy has it */
		}
		entry_close(t, (int)fd, e, now_ns);
	}
}

void fds_undo(struct fds *t, uint32_t tid)
{
	struct closing *c = closing_find(t, tid);

	for (size_t i = 0; c && i < c->n; i++) {
		struct closed *was = &c->entry[i];
		struct entry *e = entry_find(t, was->fd);

		if (!e || e->live)
			continue;
		*e = was->entry;
		was->entry.peer = NULL;
		entry_count(t, was->fd, 1);
		site_revived(e->site, 0, 1, e->opened_ns, c->began_ns);
	}
	if (c)
		closing_end(t, c);
}

void fds_settle(struct fds *t, uint64_t now_ns)
{
	for (size_t i = t->closings; i-- > 0;)
		if (sat_sub(now_ns, t->closing[i].began_ns) >= CLOSE_SETTLE_NS)
			closing_end(t, &t->closing[i]);
}

/* --- facts --- */

void fds_mark_incomplete(struct fds *t)
{
	t->complete = false;
}

bool fds_is_complete(const struct fds *t)
{
	return t->complete;
}

/* Everything the events have not changed since, and the reading did not show, is gone. */
static void facts_sweep(struct fds *t, uint64_t now_ns)
{
	for (size_t i = 0; i < PAGES; i++) {
		struct page *p = t->page[i];

		for (size_t k = 0; p && k < PAGE_FDS; k++) {
			struct entry *e = &p->entry[k];

			if (e->live && !e->fact && e->changed_ns < now_ns)
				entry_close(t, (int)(i * PAGE_FDS + k), e, now_ns);
		}
		if (p && p->live == 0) {
			free(p);
			t->page[i] = NULL;
			t->pages--;
		}
	}
}

int fds_set_facts(struct fds *t, const struct fd_fact *fact, size_t n, uint64_t now_ns)
{
	size_t most = t->page_limit * PAGE_FDS, kept = n < most ? n : most;
	struct fd_fact *copy = calloc(kept ? kept : 1, sizeof(*copy));
	uint64_t refused = n - kept;
	struct entry *e;
	int r = 0;

	if (!copy)
		return -ENOMEM;
	if (kept)
		memcpy(copy, fact, kept * sizeof(*copy));
	free(t->fact);
	t->fact = copy;
	t->facts = kept;
	t->facts_ns = now_ns;
	for (size_t i = 0; i < PAGES; i++)
		for (size_t k = 0; t->page[i] && k < PAGE_FDS; k++)
			t->page[i]->entry[k].fact = 0;
	/* to the end, also without memory: what is not marked here counts as closed */
	for (size_t i = 0; i < kept; i++) {
		int made = entry_make(t, fact[i].fd, &e);

		refused += made < 0;
		if (made == -ENOMEM)
			r = made;
		if (made < 0 || e->changed_ns >= now_ns)
			continue;
		/* closed and opened again while nobody looked */
		if (e->live && e->inode && fact[i].inode && e->inode != fact[i].inode)
			entry_close(t, fact[i].fd, e, now_ns);
		if (!e->live) {
			*e = (struct entry){ .live = true };
			entry_count(t, fact[i].fd, 1);
		}
		e->inode = fact[i].inode;
		e->fact = (uint32_t)i + 1;
	}
	facts_sweep(t, now_ns);
	talks_keep(t->talks, fact, n, now_ns);
	if (refused > t->facts_refused)
		t->facts_refused = refused;
	t->complete = refused == 0;
	return r;
}

static int compare_natives(const void *a, const void *b)
{
	const struct native_fact *x = a, *y = b;

	return (x->inode > y->inode) - (x->inode < y->inode);
}

int fds_set_native(struct fds *t, const struct native_fact *native, size_t n,
		   const struct native_left *left)
{
	size_t most = t->page_limit * PAGE_FDS, kept = n < most ? n : most;
	struct native_fact *copy = calloc(kept ? kept : 1, sizeof(*copy));

	if (!copy)
		return -ENOMEM;
	if (kept)
		memcpy(copy, native, kept * sizeof(*copy));
	qsort(copy, kept, sizeof(*copy), compare_natives);
	free(t->native);
	t->native = copy;
	t->natives = kept;
	t->left = *left;
	return 0;
}

struct native_left fds_left(const struct fds *t)
{
	return t->left;
}

static const struct native_fact *native_of(const struct fds *t, uint64_t inode)
{
	struct native_fact key = { .inode = inode };

	return t->natives && inode
		       ? bsearch(&key, t->native, t->natives, sizeof(*t->native), compare_natives)
		       : NULL;
}

static void entry_describe(const struct fds *t, int fd, const struct entry *e, struct fd_entry *ret)
{
	const struct protocol_verdict *talk = talks_find(t->talks, e->inode);
	const struct native_fact *native = native_of(t, e->inode);
	struct fd_fact *f = &ret->fact;

	if (e->fact)
		*f = t->fact[e->fact - 1];
	else
		*f = (struct fd_fact){ .fd = fd,
				       .kind = (enum fd_kind)e->kind,
				       .kernel_bytes = FACT_UNKNOWN };
	f->path[sizeof(f->path) - 1] = '\0';
	if (e->peer && f->family == 0)
		f->family = e->peer->family;
	if (e->peer && f->family == e->peer->family && !f->peer_port && !f->path[0]) {
		f->peer_port = e->peer->port;
		memcpy(f->peer_addr, e->peer->addr, sizeof(f->peer_addr));
		memcpy(f->path, e->peer->path, sizeof(f->path));
	}
	if (talk && f->kind == FD_SOCKET) {
		f->talk = *talk;
		f->talk_how = TALK_CONTENT;
	}
	if (native && f->kind == FD_SOCKET)
		f->native = *native;
	ret->site = e->site;
	ret->opened_ns = e->opened_ns;
}

int fds_add_talk(struct fds *t, uint64_t inode, const struct protocol_verdict *v, uint64_t now_ns,
		 bool *ret_done)
{
	int r = talks_add(t->talks, inode, v, now_ns, ret_done);

	t->refused += r == -ENOSPC;
	return r;
}

size_t fds_count_unknown(const struct fds *t, bool inside)
{
	return talks_count_unknown(t->talks, t->fact, t->facts, inside);
}

bool fds_next(const struct fds *t, int *number, struct fd_entry *ret)
{
	for (int fd = *number < 0 ? 0 : *number; fd < FDS_NUMBER_MAX; fd++) {
		const struct page *p = t->page[fd / PAGE_FDS];
		const struct entry *e;

		if (!p || !p->live) {
			fd |= PAGE_FDS - 1;
			continue;
		}
		e = &p->entry[fd % PAGE_FDS];
		if (!e->live)
			continue;
		entry_describe(t, fd, e, ret);
		*number = fd + 1;
		return true;
	}
	return false;
}

bool fds_has_streams(const struct fds *t)
{
	for (size_t i = 0; i < t->facts; i++)
		if (t->fact[i].kind == FD_SOCKET && !t->fact[i].datagram)
			return true;
	return false;
}

void fds_forget_sites(struct fds *t)
{
	for (size_t i = 0; i < PAGES; i++)
		for (size_t k = 0; t->page[i] && k < PAGE_FDS; k++)
			t->page[i]->entry[k].site = NULL;
	while (t->closings)
		closing_end(t, t->closing);
}

void fds_add_ages(const struct fds *t, uint64_t now_ns)
{
	for (size_t i = 0; i < PAGES; i++)
		for (size_t k = 0; t->page[i] && k < PAGE_FDS; k++) {
			const struct entry *e = &t->page[i]->entry[k];

			if (e->live && e->site)
				e->site->live_by_age[age_bucket(sat_sub(now_ns, e->opened_ns))]++;
		}
}
