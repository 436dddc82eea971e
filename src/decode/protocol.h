/*
 * What is spoken on a connection, told from the first bytes of single messages: what one system
 * call read or wrote. Pure functions over bytes of the target's, which may say anything. Bytes are
 * looked at and never kept.
 * Rules follow the protocols' documents: PostgreSQL "Message Formats", MySQL "Client/Server
 * Protocol", RESP, MongoDB "Wire Protocol", RFC 9112 (HTTP/1.1), RFC 9113 (HTTP/2), RFC 6455
 * (websocket), RFC 8446 (TLS), AMQP 0-9-1, Kafka "Protocol Guide", memcached "protocol.txt". In the
 * middle of a stream only exact lengths are believed: a message that ends where the call did.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum protocol {
	PROTOCOL_NONE = 0, /* not known */
	PROTOCOL_POSTGRESQL,
	PROTOCOL_MYSQL,
	PROTOCOL_REDIS,
	PROTOCOL_MONGODB,
	PROTOCOL_MEMCACHED,
	PROTOCOL_HTTP,
	PROTOCOL_WEBSOCKET,
	PROTOCOL_HTTP2,
	PROTOCOL_TLS, /* and nothing is known of what is inside */
	PROTOCOL_AMQP,
	PROTOCOL_KAFKA,
	PROTOCOL_MAX
};

/* What the process is on a connection. */
enum protocol_side { SIDE_UNKNOWN = 0, SIDE_CLIENT, SIDE_SERVER };

struct protocol_message {
	const uint8_t *bytes; /* borrowed */
	size_t have;	      /* bytes there are, at most `len` */
	uint64_t len;	      /* of the message */
	bool written;	      /* by the process; else read */
};

struct protocol_verdict {
	enum protocol kind;
	enum protocol_side side;
	double confidence; /* 0 to 1; 0 with PROTOCOL_NONE */
	bool opened;	   /* the beginning of the connection was seen, not just a piece of it */
	bool inside;	   /* of TLS: what was written to it, not what went over the socket */
};

/* False, and *ret is untouched, when the message says nothing. */
bool protocol_judge(const struct protocol_message *m, struct protocol_verdict *ret);

/*
 * Takes in what another message of the same connection said. Those that agree make it surer; of
 * two that cannot both be right the surer one stays, and is doubted. Once it is known what is
 * inside TLS, what goes over the socket says nothing: it is encrypted, and looks like anything.
 */
void protocol_join(struct protocol_verdict *v, const struct protocol_verdict *more);

/* Nothing more need be looked at: it will not become anything else. */
bool protocol_is_settled(const struct protocol_verdict *v);

/* "postgresql", ...; static; NULL for PROTOCOL_NONE. */
const char *protocol_name(enum protocol kind);
