/* See talks.h. A table with open addressing, at most half full. */
#include "model/talks.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"

#define ROOM_LEAST 64
#define LISTENERS_MAX 32  /* sockets of one process that are looked at as such */
#define SILENT_MOST 30	  /* messages in several windows: what is spoken there is not known here */
#define ALIKE_SERVER 0.9  /* one address and port speak one protocol */
#define ALIKE_CLIENT 0.75 /* a port may serve websockets beside HTTP */
#define ALIKE_SHARE 0.9	  /* of those that are known */

struct talk {
	uint64_t inode; /* 0: empty */
	uint64_t since_ns;
	uint32_t silent; /* messages that said nothing */
	bool kept;
	struct protocol_verdict verdict;
};

struct talks {
	struct talk *slot; /* owned */
	size_t room, count, limit;
};

int talks_new(size_t limit, struct talks **ret)
{
	struct talks *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->limit = limit;
	*ret = t;
	return 0;
}

void talks_free(struct talks *t)
{
	if (!t)
		return;
	free(t->slot);
	free(t);
}

/* The slot of an inode, or the empty one where it would be. */
static struct talk *slot_of(struct talk *slot, size_t room, uint64_t inode)
{
	size_t at = (inode * 0x9e3779b97f4a7c15ull >> 32) & (room - 1);

	while (slot[at].inode && slot[at].inode != inode)
		at = (at + 1) & (room - 1);
	return &slot[at];
}

/* Into a table of another size, or the same one anew; all: not only what was kept. */
static int rebuild(struct talks *t, size_t room, bool all)
{
	struct talk *fresh = calloc(room, sizeof(*fresh));
	size_t count = 0;

	if (!fresh)
		return -ENOMEM;
	for (size_t i = 0; i < t->room; i++)
		if (t->slot[i].inode && (all || t->slot[i].kept)) {
			*slot_of(fresh, room, t->slot[i].inode) = t->slot[i];
			count++;
		}
	free(t->slot);
	t->slot = fresh;
	t->room = room;
	t->count = count;
	return 0;
}

static bool is_hopeless(const struct talk *s)
{
	return s->verdict.kind == PROTOCOL_NONE && s->silent >= SILENT_MOST;
}

int talks_add(struct talks *t, uint64_t inode, const struct protocol_verdict *v, uint64_t now_ns,
	      bool *ret_done)
{
	struct talk *s;
	int r = 0;

	if (!inode)
		return -EINVAL;
	if (2 * (t->count + 1) > t->room)
		r = rebuild(t, t->room ? 2 * t->room : ROOM_LEAST, true);
	if (r)
		return r;
	s = slot_of(t->slot, t->room, inode);
	if (!s->inode && t->count >= t->limit)
		return -ENOSPC;
	if (!s->inode) {
		*s = (struct talk){ .inode = inode, .since_ns = now_ns };
		t->count++;
	}
	protocol_join(&s->verdict, v);
	if (v->kind == PROTOCOL_NONE && s->silent < SILENT_MOST)
		s->silent++;
	*ret_done = protocol_is_settled(&s->verdict) || is_hopeless(s);
	return 0;
}

static const struct talk *talk_of(const struct talks *t, uint64_t inode)
{
	const struct talk *s = t->room && inode ? slot_of(t->slot, t->room, inode) : NULL;

	return s && s->inode ? s : NULL;
}

const struct protocol_verdict *talks_find(const struct talks *t, uint64_t inode)
{
	const struct talk *s = talk_of(t, inode);

	return s && s->verdict.kind != PROTOCOL_NONE ? &s->verdict : NULL;
}

void talks_keep(struct talks *t, const struct fd_fact *fact, size_t n, uint64_t now_ns)
{
	size_t kept = 0;

	if (!t->count)
		return;
	for (size_t i = 0; i < t->room; i++)
		t->slot[i].kept = t->slot[i].since_ns >= now_ns;
	for (size_t i = 0; i < n; i++) {
		struct talk *s = fact[i].kind == FD_SOCKET && fact[i].inode
					 ? slot_of(t->slot, t->room, fact[i].inode)
					 : NULL;

		if (s)
			s->kept = true;
	}
	for (size_t i = 0; i < t->room; i++)
		kept += t->slot[i].inode && t->slot[i].kept;
	if (kept < t->count)
		rebuild(t, t->room, false); /* without memory it is tried again next time */
}

static bool is_connected(const struct fd_fact *f)
{
	if (!fd_is_connection(f) || !f->inode)
		return false;
	return f->family == AF_UNIX ? f->state == TCP_ESTABLISHED : f->peer_port != 0;
}

size_t talks_count_unknown(const struct talks *t, const struct fd_fact *fact, size_t n, bool inside)
{
	size_t unknown = 0;

	for (size_t i = 0; i < n; i++) {
		const struct talk *s;

		if (!is_connected(&fact[i]))
			continue;
		s = talk_of(t, fact[i].inode);
		unknown += !s || (s->verdict.kind == PROTOCOL_NONE && !is_hopeless(s)) ||
			   (s->verdict.kind == PROTOCOL_TLS && inside);
	}
	return unknown;
}

/* --- sockets that are alike --- */

struct group {
	struct fd_fact *fact; /* borrowed */
	bool accepted;
};

static int compare_numbers(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

/* By what makes sockets alike: the way they came, and the server's address. */
static int compare_groups(const void *a, const void *b)
{
	const struct group *ga = a, *gb = b;
	const struct fd_fact *x = ga->fact, *y = gb->fact;
	int r = compare_numbers(ga->accepted, gb->accepted);

	r = r ? r : compare_numbers(x->family, y->family);
	r = r ? r : strncmp(x->path, y->path, sizeof(x->path));
	if (r || ga->accepted)
		return r ? r : compare_numbers(x->local_port, y->local_port);
	r = compare_numbers(x->peer_port, y->peer_port);
	return r ? r : memcmp(x->peer_addr, y->peer_addr, sizeof(x->peer_addr));
}

struct listeners {
	const struct fd_fact *fact[LISTENERS_MAX]; /* borrowed */
	size_t count;
};

static bool is_accepted(const struct listeners *all, const struct fd_fact *f)
{
	for (size_t i = 0; i < all->count; i++) {
		const struct fd_fact *l = all->fact[i];

		if (f->family == AF_UNIX ? l->family == AF_UNIX && l->path[0] &&
						   !strncmp(l->path, f->path, sizeof(l->path))
					 : l->family != AF_UNIX && l->local_port &&
						   l->local_port == f->local_port)
			return true;
	}
	return false;
}

/*
 * What nearly all of a group speak of which it is known; *ret_share of them do, and no more is
 * believed than their number allows: those that keep silent may be of another kind (an idle
 * connection of HTTP beside a websocket). NULL: they differ.
 */
static const struct protocol_verdict *common_talk(const struct group *g, size_t n,
						  double *ret_share)
{
	size_t count[PROTOCOL_MAX] = {}, known = 0;
	enum protocol most = PROTOCOL_NONE;
	const struct protocol_verdict *v = NULL;

	for (size_t i = 0; i < n; i++) {
		const struct fd_fact *f = g[i].fact;

		if (f->talk_how != TALK_CONTENT || f->talk.kind == PROTOCOL_TLS)
			continue;
		known++;
		if (++count[f->talk.kind] > count[most])
			most = f->talk.kind;
	}
	*ret_share = known ? (double)count[most] / (double)known : 0;
	if (*ret_share < ALIKE_SHARE)
		return NULL;
	if (g->accepted)
		*ret_share = (double)count[most] / (double)(known + 1);
	for (size_t i = 0; i < n; i++) {
		const struct fd_fact *f = g[i].fact;

		if (f->talk_how == TALK_CONTENT && f->talk.kind == most &&
		    (!v || v->confidence < f->talk.confidence))
			v = &f->talk;
	}
	return v;
}

static void tell_group(const struct group *g, size_t n)
{
	double share, sure;
	const struct protocol_verdict *v = common_talk(g, n, &share);

	for (size_t i = 0; i < n; i++) {
		struct fd_fact *f = g[i].fact;

		if (v && (f->talk_how == TALK_UNKNOWN || f->talk.kind == PROTOCOL_TLS)) {
			sure = share * (g->accepted ? ALIKE_CLIENT : ALIKE_SERVER);
			f->talk = (struct protocol_verdict){ .kind = v->kind,
							     .side = v->side,
							     .confidence = v->confidence * sure };
			f->talk_how = TALK_ALIKE;
		}
		if (g->accepted)
			f->talk.side = SIDE_SERVER;
	}
}

int talks_compare(struct fd_fact *const *fact, size_t n)
{
	auto_free struct group *group = calloc(n + 1, sizeof(*group));
	struct listeners listeners = {};
	size_t sockets = 0;

	if (!group)
		return -ENOMEM;
	for (size_t i = 0; i < n && listeners.count < LISTENERS_MAX; i++)
		if (fact[i]->kind == FD_SOCKET && fact[i]->listening)
			listeners.fact[listeners.count++] = fact[i];
	for (size_t i = 0; i < n; i++)
		if (fd_is_connection(fact[i]) && fd_has_peer(fact[i]))
			group[sockets++] =
				(struct group){ fact[i], is_accepted(&listeners, fact[i]) };
	qsort(group, sockets, sizeof(*group), compare_groups);
	for (size_t i = 0, end; i < sockets; i = end) {
		end = i + 1;
		while (end < sockets && compare_groups(&group[i], &group[end]) == 0)
			end++;
		tell_group(group + i, end - i);
	}
	return 0;
}
