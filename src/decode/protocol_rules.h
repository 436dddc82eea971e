/* Between the files of protocol.h: one function for each family of protocols, and reading. */
#pragma once
#include <string.h>

#include "decode/protocol.h"

/* Fills *ret and returns true. The side is that of a message which only clients send. */
static inline bool protocol_is(enum protocol kind, double confidence, enum protocol_side side,
			       struct protocol_verdict *ret)
{
	*ret = (struct protocol_verdict){ .kind = kind, .side = side, .confidence = confidence };
	return true;
}

/* The process's side when this is a message that only clients, or only servers, send. */
static inline enum protocol_side protocol_sent_by(const struct protocol_message *m, bool client)
{
	return m->written == client ? SIDE_CLIENT : SIDE_SERVER;
}

static inline bool protocol_begins(const struct protocol_message *m, const char *text)
{
	size_t len = strlen(text);

	return m->have >= len && memcmp(m->bytes, text, len) == 0;
}

static inline uint32_t protocol_be(const uint8_t *b, size_t bytes)
{
	uint32_t v = 0;

	for (size_t i = 0; i < bytes; i++)
		v = v << 8 | b[i];
	return v;
}

static inline uint32_t protocol_le(const uint8_t *b, size_t bytes)
{
	uint32_t v = 0;

	for (size_t i = bytes; i-- > 0;)
		v = v << 8 | b[i];
	return v;
}

bool protocol_postgresql(const struct protocol_message *m, struct protocol_verdict *ret);
bool protocol_mysql(const struct protocol_message *m, struct protocol_verdict *ret);
bool protocol_redis(const struct protocol_message *m, struct protocol_verdict *ret);
bool protocol_mongodb(const struct protocol_message *m, struct protocol_verdict *ret);
bool protocol_memcached(const struct protocol_message *m, struct protocol_verdict *ret);
bool protocol_http(const struct protocol_message *m, struct protocol_verdict *ret);
bool protocol_http2(const struct protocol_message *m, struct protocol_verdict *ret);
bool protocol_websocket(const struct protocol_message *m, struct protocol_verdict *ret);
bool protocol_tls(const struct protocol_message *m, struct protocol_verdict *ret);
bool protocol_amqp(const struct protocol_message *m, struct protocol_verdict *ret);
bool protocol_kafka(const struct protocol_message *m, struct protocol_verdict *ret);
