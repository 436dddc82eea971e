/*
 * Sockets by what is spoken, port and path. A port is a convention, not a proof: ports that other
 * programs use too have a lower confidence.
 */
#include "analyse/peers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "analyse/glob.h"

#define LEAST_BELIEVED 0.6 /* below it what is spoken is a guess, and a port is a better one */

struct port_rule {
	uint16_t port;
	double confidence;
	const char *product;
};

struct path_rule {
	const char *path;
	const char *product;
};

static const struct port_rule port_rules[] = {
	{ 5432, 0.9, "postgresql" },   { 6432, 0.8, "pgbouncer" },  { 3306, 0.9, "mysql" },
	{ 6379, 0.9, "redis" },	       { 27017, 0.9, "mongodb" },   { 27018, 0.8, "mongodb" },
	{ 27019, 0.8, "mongodb" },     { 1433, 0.9, "mssql" },	    { 1521, 0.9, "oracle" },
	{ 9042, 0.9, "cassandra" },    { 11211, 0.9, "memcached" }, { 9200, 0.8, "elasticsearch" },
	{ 26257, 0.9, "cockroachdb" }, { 9000, 0.5, "clickhouse" }, { 8123, 0.6, "clickhouse" },
};

static const struct path_rule path_rules[] = {
	{ "*.s.PGSQL.*", "postgresql" }, { "*mysql*.sock", "mysql" },
	{ "*mysqlx.sock", "mysql" },	 { "*mariadb*.sock", "mysql" },
	{ "*redis*.sock", "redis" },	 { "*mongodb-*.sock", "mongodb" },
};

static const uint8_t mapped_prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

static const char *const kind_names[] = {
	[FD_FILE] = "file",	  [FD_DIR] = "folder",	      [FD_PIPE] = "pipe",
	[FD_SOCKET] = "socket",	  [FD_EVENTFD] = "eventfd",   [FD_EPOLL] = "epoll",
	[FD_TIMERFD] = "timerfd", [FD_SIGNALFD] = "signalfd", [FD_INOTIFY] = "inotify",
	[FD_MEMFD] = "memfd",	  [FD_IO_URING] = "io_uring", [FD_DEVICE] = "device",
	[FD_OTHER] = "other",
};

static struct peer database(const char *product, double confidence, const char *evidence)
{
	return (struct peer){ CLASS_database_connections, product, product, confidence, evidence };
}

static struct peer network(const char *kind, double confidence, const char *evidence)
{
	return (struct peer){ CLASS_network_connections, kind, NULL, confidence, evidence };
}

static struct peer unknown(const char *evidence)
{
	return (struct peer){ CLASS_network_connections, "socket", NULL, 0.7, evidence };
}

static const struct port_rule *rule_of(uint16_t port)
{
	for (size_t i = 0; i < sizeof(port_rules) / sizeof(port_rules[0]); i++)
		if (port_rules[i].port == port)
			return &port_rules[i];
	return NULL;
}

static struct peer find_port(uint16_t port)
{
	const struct port_rule *rule = rule_of(port);

	return rule ? database(rule->product, rule->confidence, "by the peer's port")
		    : unknown("the peer's port is no database port known");
}

static struct peer find_path(const char *path, size_t len)
{
	size_t i;

	for (i = 0; i < sizeof(path_rules) / sizeof(path_rules[0]); i++) {
		if (glob_match(path_rules[i].path, path, len))
			return database(path_rules[i].product, 0.9,
					"by the path of the unix socket");
	}
	return unknown("the unix socket has no path of a database known");
}

static bool is_database(enum protocol kind)
{
	return kind == PROTOCOL_POSTGRESQL || kind == PROTOCOL_MYSQL || kind == PROTOCOL_REDIS ||
	       kind == PROTOCOL_MONGODB || kind == PROTOCOL_MEMCACHED;
}

/* Databases that are spoken to in a way that others use, too: then the port says more. */
static struct peer find_general(const struct fd_fact *f, const char *kind, const char *evidence)
{
	const struct port_rule *rule = f->talk.side == SIDE_SERVER ? NULL : rule_of(f->peer_port);
	struct peer p;

	if (rule)
		return find_port(f->peer_port);
	if (f->talk.kind == PROTOCOL_TLS && f->talk.side != SIDE_SERVER && f->family == AF_UNIX) {
		p = find_path(f->path, strnlen(f->path, sizeof(f->path)));
		if (p.product)
			return p;
	}
	return network(kind, f->talk.confidence, evidence);
}

static struct peer find_talk(const struct fd_fact *f)
{
	const char *kind = protocol_name(f->talk.kind);
	const char *evidence = f->talk_how == TALK_CONTENT
				       ? "by what is said on it"
				       : "as on other connections of the same server";

	if (f->talk.kind == PROTOCOL_WEBSOCKET)
		return (struct peer){ CLASS_websocket_connections, kind, NULL, f->talk.confidence,
				      evidence };
	if (!is_database(f->talk.kind))
		return find_general(f, kind, evidence);
	if (f->talk.side == SIDE_SERVER) /* the process is the database */
		return network(kind, f->talk.confidence, evidence);
	return database(kind, f->talk.confidence, evidence);
}

bool peers_is_heard(const struct fd_fact *f)
{
	return f->talk_how != TALK_UNKNOWN && f->talk.confidence >= LEAST_BELIEVED;
}

struct peer peers_find(const struct fd_fact *f)
{
	size_t kinds = sizeof(kind_names) / sizeof(kind_names[0]);

	if (f->kind != FD_SOCKET)
		return (struct peer){ CLASS_file_handles,
				      f->kind && f->kind < kinds ? kind_names[f->kind] : "other",
				      NULL, 1, "not a socket" };
	if (f->listening)
		return network("listening", 1, "a listening socket");
	if (peers_is_heard(f))
		return find_talk(f);
	if (f->talk.side == SIDE_SERVER)
		return unknown("a listening socket accepted it");
	if (f->family == AF_UNIX)
		return find_path(f->path, strnlen(f->path, sizeof(f->path)));
	if ((f->family == AF_INET || f->family == AF_INET6) && f->peer_port)
		return find_port(f->peer_port);
	return unknown("a socket without a peer");
}

/* A terminated copy of a path with nothing in it that could disturb a terminal. */
static void copy_printable(const char *from, size_t len, char *to)
{
	size_t i;

	for (i = 0; i < len; i++)
		to[i] = from[i] >= ' ' && from[i] <= '~' ? from[i] : '?';
	to[len] = '\0';
}

static int format_internet(const struct fd_fact *f, char *text, size_t size)
{
	char address[INET6_ADDRSTRLEN];
	bool mapped = f->family == AF_INET6 &&
		      !memcmp(f->peer_addr, mapped_prefix, sizeof(mapped_prefix));

	if (f->family == AF_INET6 && !mapped) {
		inet_ntop(AF_INET6, f->peer_addr, address, sizeof(address));
		return snprintf(text, size, "[%s]:%u", address, f->peer_port);
	}
	inet_ntop(AF_INET, f->peer_addr + (mapped ? 12 : 0), address, sizeof(address));
	return snprintf(text, size, "%s:%u", address, f->peer_port);
}

int peers_format_address(const struct fd_fact *f, char *buf, size_t size)
{
	char text[PEERS_ADDRESS_BYTES], path[sizeof(f->path) + 1];
	size_t path_len = strnlen(f->path, sizeof(f->path));
	bool internet = f->family == AF_INET || f->family == AF_INET6;
	int len;

	if (f->kind != FD_SOCKET)
		return -ENODATA;
	if (f->family == AF_UNIX && path_len) {
		copy_printable(f->path, path_len, path);
		len = snprintf(text, sizeof(text), "unix:%s", path);
	} else if (internet && f->listening) {
		len = snprintf(text, sizeof(text), "listening on port %u", f->local_port);
	} else if (internet && f->peer_port) {
		len = format_internet(f, text, sizeof(text));
	} else {
		return -ENODATA;
	}
	if ((size_t)len >= size)
		return -ENOSPC;
	memcpy(buf, text, len + 1);
	return len;
}
