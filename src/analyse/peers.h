/*
 * What a descriptor is, and the other end of a socket: told by what is spoken there, by port or
 * unix path, and its address as text. Pure functions over one descriptor fact; paths are the
 * target's own bytes.
 */
#pragma once
#include <stddef.h>

#include "analyse/analysis.h"
#include "decode/fact.h"

#define PEERS_ADDRESS_BYTES FINDING_PEER_BYTES /* holds every text of peers_format_address() */

struct peer {
	enum resource_class class;
	const char *kind;     /* "postgresql", "websocket", "listening", "file", ...; static */
	const char *product;  /* "postgresql", ...; static; NULL when it is no database */
	double confidence;    /* 0 to 1 */
	const char *evidence; /* static text */
};

/*
 * What a descriptor is: file_handles, database_connections, websocket_connections or
 * network_connections. What is spoken goes before the peer's port and path; the connections of a
 * database server itself are network_connections.
 */
struct peer peers_find(const struct fd_fact *f);

/* Whether what is spoken on a socket is known well enough to say what it is. */
bool peers_is_heard(const struct fd_fact *f);

/*
 * The peer as text, terminated: "10.0.0.1:5432", "[::1]:5432", "unix:/path" (characters outside
 * printable ASCII become '?'), "listening on port 80". Returns its length; -ENODATA when there is
 * nothing to say, -ENOSPC when it does not fit. buf is written only on success.
 */
int peers_format_address(const struct fd_fact *f, char *buf, size_t size);
