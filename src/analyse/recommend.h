/*
 * The words of a finding or a pattern: what kind of leak it is, and what to do about it. Tables
 * (advice.def) with placeholders, filled from what is known.
 */
#pragma once
#include "analyse/analysis.h"

enum leak_type recommend_leak_type(enum resource_class class, enum mt_site_kind kind,
				   enum module_kind module);

/* What the sentence is made of. Texts may be NULL and figures NAN or 0: not known. */
struct recommend_facts {
	enum subject_kind subject; /* 0: a leak */
	enum resource_class class;
	enum leak_type type;
	enum module_kind module;
	enum pattern pattern;
	const char *runtime;			      /* "v8", ...; "none" and NULL are none */
	const char *peer, *site, *owner, *class_name; /* foreign text, not cleaned */
	const char *through, *caller;		      /* likewise */
	double size_bytes, bytes_per_s, count;
	double ended; /* LEAK_THREAD: threads that have ended while their stacks stay; 0: none */
};

/* *ret is the caller's and never empty. -ENOMEM. */
int recommend_write(const struct recommend_facts *f, char **ret);

/* Of what an allocator keeps when its peak is over. -ENODATA when size_bytes is not known. */
int recommend_slack(const struct recommend_facts *f, char **ret);

#define RECOMMEND_PEER_BYTES 192
#define RECOMMEND_SITE_BYTES 160

/* Who asked, and whom it is connected to, as text; "" where that is not known. */
struct recommend_who {
	char site[RECOMMEND_SITE_BYTES];   /* "open_conn at db.c:12", "libpq.so.5+0x4321" */
	char owner[RECOMMEND_SITE_BYTES];  /* a module's name, see module_name.h */
	char caller[RECOMMEND_SITE_BYTES]; /* of the program, that called the owner: "f at x.c:3" */
	char through[RECOMMEND_SITE_BYTES]; /* "SSL_CTX_new of libssl.so.3": what the owner called
					     */
	char peer[RECOMMEND_PEER_BYTES];    /* "PostgreSQL at 10.0.0.5:5432" */
};

/* Of one call site of the snapshot; owner (its own, not the array) may be NULL. */
void recommend_find_who(const struct snapshot *snap, size_t site, const struct owner *owner,
			struct recommend_who *ret);
