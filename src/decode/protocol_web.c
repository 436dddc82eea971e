/* HTTP, websocket, TLS, AMQP and Kafka; see protocol.h. */
#include <ctype.h>

#include "decode/protocol_rules.h"

/* --- HTTP/1 --- */

/* Whether a word is among the bytes, whatever its case. word: lower case. */
static bool contains(const struct protocol_message *m, const char *word)
{
	size_t len = strlen(word);

	for (size_t at = 0; at + len <= m->have; at++) {
		size_t i = 0;

		while (i < len && tolower(m->bytes[at + i]) == word[i])
			i++;
		if (i == len)
			return true;
	}
	return false;
}

static bool http_request(const struct protocol_message *m)
{
	static const char *const methods[] = { "GET ",	  "POST ",    "PUT ",	  "HEAD ",
					       "DELETE ", "PATCH ",   "OPTIONS ", "CONNECT ",
					       "TRACE ",  "PROPFIND " };

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		size_t len = strlen(methods[i]);

		if (!protocol_begins(m, methods[i]) || m->have <= len)
			continue;
		return isgraph(m->bytes[len]);
	}
	return false;
}

bool protocol_http(const struct protocol_message *m, struct protocol_verdict *ret)
{
	enum protocol_side side = protocol_sent_by(m, false);
	bool upgrade;

	if (http_request(m))
		return protocol_is(PROTOCOL_HTTP, 0.95, protocol_sent_by(m, true), ret);
	if (m->have < 12 || !protocol_begins(m, "HTTP/1.") || m->bytes[8] != ' ' ||
	    !isdigit(m->bytes[9]))
		return false;
	if (memcmp(m->bytes + 9, "101", 3) != 0) {
		protocol_is(PROTOCOL_HTTP, 0.97, side, ret);
		ret->opened = true; /* no upgrade */
		return true;
	}
	upgrade = contains(m, "upgrade:");
	if (upgrade && !contains(m, "websocket"))
		return protocol_is(PROTOCOL_HTTP, 0.6, side, ret); /* to something else */
	protocol_is(PROTOCOL_WEBSOCKET, upgrade ? 0.98 : 0.85, side, ret);
	ret->opened = true;
	return true;
}

/* --- websocket --- */

#define WS_CHECKED 32 /* bytes of a text that are looked at */

struct ws_frame {
	uint8_t opcode;
	bool compressed, masked;
	uint8_t mask[4];
	size_t header;
	uint64_t len;
};

static bool ws_header(const uint8_t *b, size_t have, struct ws_frame *f)
{
	size_t wide;

	if (have < 2 || !(b[0] & 0x80) || (b[0] & 0x30)) /* whole messages only */
		return false;
	f->opcode = b[0] & 15;
	f->compressed = b[0] & 0x40;
	f->masked = b[1] & 0x80;
	f->len = b[1] & 127;
	wide = f->len == 126 ? 2 : f->len == 127 ? 8 : 0;
	f->header = 2 + wide + (f->masked ? 4 : 0);
	if (have < f->header)
		return false;
	if (wide == 2)
		f->len = protocol_be(b + 2, 2);
	else if (wide == 8)
		f->len = (uint64_t)protocol_be(b + 2, 4) << 32 | protocol_be(b + 6, 4);
	if ((wide == 2 && f->len < 126) || (wide == 8 && (f->len < 65536 || f->len >> 40)))
		return false; /* the shortest form is a must */
	if (f->masked)
		memcpy(f->mask, b + 2 + wide, 4);
	if (f->opcode >= 8) /* ping, pong, close */
		return f->opcode <= 10 && f->len <= 125 && !f->compressed;
	return f->opcode == 1 || f->opcode == 2;
}

/* What more of a character follows its first byte in UTF-8; -1: it is none that texts have. */
static int utf8_more(uint8_t c)
{
	if (c >= ' ' && c < 127)
		return 0;
	if (c == '\t' || c == '\n' || c == '\r')
		return 0;
	return c >= 0xc2 && c < 0xe0   ? 1
	       : c >= 0xe0 && c < 0xf0 ? 2
	       : c >= 0xf0 && c < 0xf5 ? 3
				       : -1;
}

/* Whether the payload is what its opcode says, as far as it is seen. */
static bool ws_payload(const struct ws_frame *f, const uint8_t *b, size_t have)
{
	uint8_t code[2];
	size_t n = f->len < have ? f->len : have;
	int more = 0;

	if (f->opcode == 8 && f->len) {
		if (f->len == 1 || n < 2)
			return false;
		code[0] = b[0] ^ (f->masked ? f->mask[0] : 0);
		code[1] = b[1] ^ (f->masked ? f->mask[1] : 0);
		return code[0] >= 1000 >> 8 && (code[0] << 8 | code[1]) < 5000;
	}
	for (size_t i = 0; f->opcode == 1 && !f->compressed && i < n && i < WS_CHECKED; i++) {
		uint8_t c = b[i] ^ (f->masked ? f->mask[i & 3] : 0);

		if (more && (c & 0xc0) != 0x80)
			return false;
		more = more ? more - 1 : utf8_more(c);
		if (more < 0)
			return false;
	}
	return true;
}

/*
 * Frames that end where the message does. Two bytes say little: clients mask what they send, and
 * texts must be texts.
 */
bool protocol_websocket(const struct protocol_message *m, struct protocol_verdict *ret)
{
	double doubt = 1;
	uint64_t at = 0;
	bool masked = false, first = true;

	while (at < m->len) {
		struct ws_frame f;
		bool text;

		if (at >= m->have || !ws_header(m->bytes + at, m->have - at, &f) ||
		    (!first && f.masked != masked) || f.len > m->len - at - f.header ||
		    m->len - at < f.header ||
		    !ws_payload(&f, m->bytes + at + f.header, m->have - at - f.header))
			return false;
		text = f.opcode == 1 && !f.compressed && f.len >= 4;
		doubt *= text ? 0.08 : f.masked ? 0.15 : f.len == 0 ? 0.4 : 0.3;
		masked = f.masked;
		first = false;
		at += f.header + f.len;
	}
	return !first && protocol_is(PROTOCOL_WEBSOCKET, doubt < 0.03 ? 0.97 : 1 - doubt,
				     protocol_sent_by(m, masked), ret);
}

/* --- TLS --- */

bool protocol_tls(const struct protocol_message *m, struct protocol_verdict *ret)
{
	const uint8_t *b = m->bytes;
	uint32_t len;
	bool hello;

	if (m->have < 5 || b[0] < 20 || b[0] > 23 || b[1] != 3 || b[2] > 4)
		return false;
	len = protocol_be(b + 3, 2);
	if (len == 0 || len > (1 << 14) + 2048 || (b[0] == 20 && len != 1))
		return false;
	hello = b[0] == 22 && m->have >= 6 && (b[5] == 1 || b[5] == 2);
	protocol_is(PROTOCOL_TLS, hello || len + 5ull == m->len ? 0.97 : 0.85,
		    hello ? protocol_sent_by(m, b[5] == 1) : SIDE_UNKNOWN, ret);
	return true;
}

/* --- HTTP/2 --- */

#define H2_HEADER 9
#define H2_TYPES 10

/* Of a frame's type: the flags and lengths that there are. */
static bool h2_fits(const uint8_t *b)
{
	static const struct {
		uint8_t flags, least, most; /* most 0: any */
		bool of_connection; /* on stream 0; others on theirs; WINDOW_UPDATE on both */
	} type[H2_TYPES] = {
		{ 0x09, 0, 0, false }, { 0x2d, 1, 0, false }, { 0, 5, 5, false },
		{ 0, 4, 4, false },    { 0x01, 0, 0, true },  { 0x0c, 5, 0, false },
		{ 0x01, 8, 8, true },  { 0, 8, 0, true },     { 0, 4, 4, false },
		{ 0x04, 1, 0, false },
	};
	uint32_t len = protocol_be(b, 3), stream = protocol_be(b + 5, 4);
	uint8_t t = b[3];

	if (t >= H2_TYPES || (b[4] & ~type[t].flags) || stream >> 31 || len < type[t].least ||
	    (type[t].most && len > type[t].most) || (t == 4 && len % 6))
		return false;
	return t == 8 || type[t].of_connection == (stream == 0);
}

bool protocol_http2(const struct protocol_message *m, struct protocol_verdict *ret)
{
	uint64_t at = 0;
	size_t n = 0;

	if (protocol_begins(m, "PRI * HTTP/2.0\r\n")) {
		protocol_is(PROTOCOL_HTTP2, 0.99, protocol_sent_by(m, true), ret);
		ret->opened = true;
		return true;
	}
	while (at + H2_HEADER <= m->have && at < m->len) {
		if (!h2_fits(m->bytes + at))
			return false;
		at += H2_HEADER + (uint64_t)protocol_be(m->bytes + at, 3);
		n++;
	}
	return n && at == m->len && protocol_is(PROTOCOL_HTTP2, 0.9, SIDE_UNKNOWN, ret);
}

/* --- AMQP 0-9-1 --- */

bool protocol_amqp(const struct protocol_message *m, struct protocol_verdict *ret)
{
	const uint8_t *b = m->bytes;
	uint32_t len;

	if (m->len == 8 && protocol_begins(m, "AMQP")) {
		protocol_is(PROTOCOL_AMQP, 0.99, protocol_sent_by(m, true), ret);
		ret->opened = true;
		return true;
	}
	if (m->have < 8 || m->have != m->len || (b[0] != 1 && b[0] != 2 && b[0] != 3 && b[0] != 8))
		return false;
	len = protocol_be(b + 3, 4);
	return len + 8ull <= m->len && b[7 + len] == 0xce && b[m->len - 1] == 0xce &&
	       protocol_is(PROTOCOL_AMQP, 0.93, SIDE_UNKNOWN, ret);
}

/* --- Kafka --- */

/* Requests: length, key and version of the call, a number, the client's name. */
bool protocol_kafka(const struct protocol_message *m, struct protocol_verdict *ret)
{
	const uint8_t *b = m->bytes;
	uint32_t name;

	if (m->have < 14 || protocol_be(b, 4) + 4ull != m->len || protocol_be(b + 4, 2) > 90 ||
	    protocol_be(b + 6, 2) > 20)
		return false;
	name = protocol_be(b + 12, 2);
	if (name == 0 || name > 255 || 14 + (uint64_t)name > m->len)
		return false;
	for (size_t i = 14; i < m->have && i < 14 + name; i++)
		if (!isgraph(b[i]))
			return false;
	/* others write numbers and names like this, too: one message alone settles nothing */
	return protocol_is(PROTOCOL_KAFKA, 0.85, protocol_sent_by(m, true), ret);
}
