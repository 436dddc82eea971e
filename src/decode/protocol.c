/* See protocol.h: the rules in order, and what several messages say together. */
#include "decode/protocol.h"

#include "decode/protocol_rules.h"

#define SETTLED 0.9 /* nothing is looked at any more: what is wrong then stays wrong */
#define MOST 0.99

typedef bool (*rule_fn)(const struct protocol_message *m, struct protocol_verdict *ret);

/* Those that begin with words first, then by how much must fit. */
static const rule_fn rules[] = {
	protocol_http,	    protocol_http2, protocol_tls,	 protocol_redis,
	protocol_memcached, protocol_amqp,  protocol_postgresql, protocol_mongodb,
	protocol_mysql,	    protocol_kafka, protocol_websocket,
};

bool protocol_judge(const struct protocol_message *m, struct protocol_verdict *ret)
{
	struct protocol_message checked = *m;

	if (!m->bytes || !m->have)
		return false;
	if (checked.len < checked.have)
		checked.have = checked.len;
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (rules[i](&checked, ret))
			return true;
	return false;
}

/* What began as HTTP goes on as something else; it may be that the answer was not heard. */
static bool is_upgrade(const struct protocol_verdict *v, const struct protocol_verdict *more)
{
	return v->kind == PROTOCOL_HTTP &&
	       (more->kind == PROTOCOL_WEBSOCKET || more->kind == PROTOCOL_HTTP2) &&
	       (more->opened || !v->opened);
}

static void agree(struct protocol_verdict *v, const struct protocol_verdict *more)
{
	v->confidence = 1 - (1 - v->confidence) * (1 - more->confidence);
	if (v->confidence > MOST)
		v->confidence = MOST;
	v->side = v->side ? v->side : more->side;
	v->opened = v->opened || more->opened;
}

/* One of the two is wrong: Bayes, from even odds. */
static void dispute(struct protocol_verdict *v, const struct protocol_verdict *more)
{
	double a = v->confidence, b = more->confidence;

	if (v->opened && !more->opened)
		return; /* PostgreSQL and MySQL say who they are before they encrypt */
	if (b > a) {
		*v = *more;
		v->confidence = b * (1 - a) / (1 - a * b);
	} else if (a * b < 1) {
		v->confidence = a * (1 - b) / (1 - a * b);
	}
}

void protocol_join(struct protocol_verdict *v, const struct protocol_verdict *more)
{
	enum protocol_side side = more->side ? more->side : v->side;
	bool deeper = more->inside && !v->inside && !(v->opened && v->kind != PROTOCOL_TLS);

	if (more->kind == PROTOCOL_NONE || (v->inside && !more->inside))
		return;
	if (v->kind == PROTOCOL_NONE || deeper || is_upgrade(v, more)) {
		*v = *more;
		v->side = side;
	} else if (v->kind == more->kind) {
		agree(v, more);
	} else {
		dispute(v, more);
	}
}

bool protocol_is_settled(const struct protocol_verdict *v)
{
	/* a request may ask for a websocket; the reply tells */
	return v->confidence >= SETTLED && v->kind != PROTOCOL_TLS &&
	       (v->kind != PROTOCOL_HTTP || v->opened);
}

const char *protocol_name(enum protocol kind)
{
	static const char *const names[PROTOCOL_MAX] = {
		[PROTOCOL_POSTGRESQL] = "postgresql",
		[PROTOCOL_MYSQL] = "mysql",
		[PROTOCOL_REDIS] = "redis",
		[PROTOCOL_MONGODB] = "mongodb",
		[PROTOCOL_MEMCACHED] = "memcached",
		[PROTOCOL_HTTP] = "http",
		[PROTOCOL_WEBSOCKET] = "websocket",
		[PROTOCOL_HTTP2] = "http2",
		[PROTOCOL_TLS] = "tls",
		[PROTOCOL_AMQP] = "amqp",
		[PROTOCOL_KAFKA] = "kafka",
	};

	return kind < PROTOCOL_MAX ? names[kind] : NULL;
}
