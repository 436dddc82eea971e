/* PostgreSQL, MySQL, Redis, MongoDB and memcached; see protocol.h. */
#include "decode/protocol_rules.h"

#define EXACT 0.95 /* a length of 32 bits that fits to the byte */

/* --- PostgreSQL --- */

#define PG_VERSION_3 196608
#define PG_CANCEL 80877102
#define PG_SSL 80877103
#define PG_GSS 80877104
#define PG_HEADER 5
#define PG_MOST (1u << 30)

struct pg_type {
	char type;
	uint8_t least; /* of the length, which counts itself ... */
	bool only;     /* ... and is exactly that */
};

static const struct pg_type pg_client[] = {
	{ 'Q', 5, false }, { 'P', 8, false },  { 'B', 12, false }, { 'E', 9, false },
	{ 'D', 6, false }, { 'C', 6, false },  { 'S', 4, true },   { 'H', 4, true },
	{ 'X', 4, true },  { 'F', 14, false }, { 'p', 5, false },  { 'c', 4, true },
	{ 'd', 5, false }, { 'f', 5, false },
};

static const struct pg_type pg_server[] = {
	{ 'R', 8, false },  { 'K', 12, false }, { 'S', 6, false }, { 'Z', 5, true },
	{ 'T', 6, false },  { 'D', 6, false },	{ 'C', 6, false }, { 'I', 4, true },
	{ 'E', 6, false },  { 'N', 6, false },	{ 'n', 4, true },  { 't', 6, false },
	{ '1', 4, true },   { '2', 4, true },	{ '3', 4, true },  { 's', 4, true },
	{ 'A', 10, false }, { 'G', 7, false },	{ 'H', 7, false }, { 'W', 7, false },
	{ 'V', 8, false },  { 'c', 4, true },	{ 'd', 5, false }, { 'v', 12, false },
};

static bool pg_fits(const struct pg_type *table, size_t rows, const uint8_t *b)
{
	uint32_t len = protocol_be(b + 1, 4);

	for (size_t i = 0; i < rows; i++)
		if (table[i].type == (char)b[0])
			return len >= table[i].least && len <= PG_MOST &&
			       (!table[i].only || len == table[i].least);
	return false;
}

/* How sure a chain of messages is of one side; 0: it is none. */
static double pg_chain(const struct protocol_message *m, const struct pg_type *table, size_t rows)
{
	uint64_t at = 0;
	size_t n = 0;

	while (at + PG_HEADER <= m->have && at < m->len) {
		if (!pg_fits(table, rows, m->bytes + at))
			return 0;
		at += 1 + (uint64_t)protocol_be(m->bytes + at + 1, 4);
		n++;
	}
	if (n && at == m->len)
		return EXACT;
	/* the rest of what was read lies beyond what is seen of it */
	return n >= 2 && m->len > m->have && at > m->have ? 0.8 : 0;
}

static bool pg_startup(const struct protocol_message *m)
{
	uint32_t code;

	if (m->have < 8 || protocol_be(m->bytes, 4) != m->len)
		return false;
	code = protocol_be(m->bytes + 4, 4);
	return (code == PG_VERSION_3 && m->len >= 9) || (code == PG_CANCEL && m->len == 16) ||
	       ((code == PG_SSL || code == PG_GSS) && m->len == 8);
}

bool protocol_postgresql(const struct protocol_message *m, struct protocol_verdict *ret)
{
	double client, server;

	if (pg_startup(m)) {
		protocol_is(PROTOCOL_POSTGRESQL, 0.99, protocol_sent_by(m, true), ret);
		ret->opened = true;
		return true;
	}
	client = pg_chain(m, pg_client, sizeof(pg_client) / sizeof(pg_client[0]));
	server = pg_chain(m, pg_server, sizeof(pg_server) / sizeof(pg_server[0]));
	if (!(client > 0) && !(server > 0))
		return false;
	return protocol_is(
		PROTOCOL_POSTGRESQL, client > server ? client : server,
		client > 0 && server > 0 ? SIDE_UNKNOWN : protocol_sent_by(m, client > 0), ret);
}

/* --- MySQL --- */

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

#define SQL_CHECKED 16 /* characters; words of SQL are ASCII whatever the text in quotes is */
#define SQL_LEAST 4

/* Text, after the count of attributes (0, in 1 set) that newer clients put before a query. */
static double mysql_text(const struct protocol_message *m, size_t at)
{
	size_t i;

	if (at + 2 < m->have && m->bytes[at] == 0 && m->bytes[at + 1] == 1)
		at += 2;
	for (i = at; i < m->have && i < at + SQL_CHECKED; i++) {
		uint8_t c = m->bytes[i];

		if ((c < ' ' && c != '\t' && c != '\n' && c != '\r') || c >= 127)
			return 0;
	}
	return i >= at + SQL_LEAST ? 0.92 : i > at ? 0.6 : 0;
}

/*
 * How sure the first packet of a client's command is one: a length of 32 bits and a small number
 * begin many other messages, too, so that what follows must be right.
 */
static double mysql_command(const struct protocol_message *m, uint32_t len)
{
	switch (m->bytes[4]) {
	case 0x02: /* database */
	case 0x03: /* query */
	case 0x16: /* prepare */ return mysql_text(m, 5);
	case 0x17: /* execute: statement, flags, once */
		return len >= 10 && m->have >= 14 && m->bytes[9] <= 15 &&
				       protocol_le(m->bytes + 10, 4) == 1
			       ? EXACT
			       : 0;
	case 0x19: /* close */
	case 0x1a: /* reset */ return len == 5 ? 0.6 : 0;
	case 0x1c: /* fetch */ return len == 9 ? 0.6 : 0;
	case 0x01: /* quit */
	case 0x0e: /* ping */
	case 0x1f: /* reset the connection */ return len == 1 ? 0.6 : 0;
	}
	return 0;
}

/* Packets of a server's answer, numbered from 1. */
static double mysql_answer(const struct protocol_message *m)
{
	uint64_t at = 0;
	size_t n = 0;

	while (at + 4 <= m->have && at < m->len) {
		uint32_t len = protocol_le(m->bytes + at, 3);

		if (len == 0 || m->bytes[at + 3] != n + 1)
			return 0;
		at += 4 + (uint64_t)len;
		n++;
	}
	if (n && at == m->len)
		return n > 1 ? EXACT : 0.8;
	return n >= 3 && m->len > m->have && at > m->have ? 0.85 : 0;
}

bool protocol_mysql(const struct protocol_message *m, struct protocol_verdict *ret)
{
	const uint8_t *b = m->bytes;
	double sure;

	if (m->have >= 5 && b[3] == 0 && protocol_le(b, 3) + 4ull == m->len) {
		if (b[4] == 10 && m->have >= 8 && is_digit(b[5]) &&
		    (b[6] == '.' || (is_digit(b[6]) && b[7] == '.'))) {
			protocol_is(PROTOCOL_MYSQL, 0.99, protocol_sent_by(m, false), ret);
			ret->opened = true;
			return true;
		}
		sure = mysql_command(m, protocol_le(b, 3));
		if (sure > 0)
			return protocol_is(PROTOCOL_MYSQL, sure, protocol_sent_by(m, true), ret);
	}
	sure = mysql_answer(m);
	return sure > 0 && protocol_is(PROTOCOL_MYSQL, sure, protocol_sent_by(m, false), ret);
}

/* --- Redis --- */

/* "digits CRLF" at `at`: the number, and what follows; -1 is a number here. False: it is not. */
static bool resp_number(const struct protocol_message *m, size_t at, int64_t *ret, size_t *ret_end)
{
	int64_t v = 0;
	bool minus = at < m->have && m->bytes[at] == '-';
	size_t i = at + minus, first = i;

	for (; i < m->have && is_digit(m->bytes[i]); i++) {
		if (i - first >= 18)
			return false;
		v = v * 10 + (m->bytes[i] - '0');
	}
	if (i == first || i + 2 > m->have || m->bytes[i] != '\r' || m->bytes[i + 1] != '\n')
		return false;
	*ret = minus ? -v : v;
	*ret_end = i + 2;
	return true;
}

/* An array: a command, or an answer of several parts. */
static bool resp_array(const struct protocol_message *m, struct protocol_verdict *ret)
{
	int64_t n, len;
	size_t end;

	if (!resp_number(m, 1, &n, &end) || n < -1 || n > 1 << 20)
		return false;
	if (n <= 0)
		return end == m->len &&
		       protocol_is(PROTOCOL_REDIS, 0.9, protocol_sent_by(m, false), ret);
	if (end >= m->have || !strchr("$*:+-_#,%~", m->bytes[end]) || !m->bytes[end])
		return false;
	if (m->bytes[end] != '$')
		return protocol_is(PROTOCOL_REDIS, 0.85, protocol_sent_by(m, false), ret);
	if (!resp_number(m, end + 1, &len, &end) || len < -1)
		return false;
	return protocol_is(PROTOCOL_REDIS, 0.97, SIDE_UNKNOWN, ret);
}

static bool resp_line(const struct protocol_message *m)
{
	static const char *const lines[] = { "+OK\r\n", "+PONG\r\n", "+QUEUED\r\n" };

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (protocol_begins(m, lines[i]))
			return true;
	return false;
}

static bool resp_answer(const struct protocol_message *m, struct protocol_verdict *ret)
{
	enum protocol_side side = protocol_sent_by(m, false);
	int64_t n;
	size_t end;

	switch (m->bytes[0]) {
	case '+': /* POP3 says +OK, too */
		return resp_line(m) &&
		       protocol_is(PROTOCOL_REDIS, m->bytes[1] == 'O' ? 0.85 : 0.9, side, ret);
	case '-':
		return (protocol_begins(m, "-WRONGTYPE ") || protocol_begins(m, "-NOAUTH ") ||
			protocol_begins(m, "-MOVED ") || protocol_begins(m, "-NOSCRIPT ")) &&
		       protocol_is(PROTOCOL_REDIS, 0.9, side, ret);
	case ':':
		return resp_number(m, 1, &n, &end) && end == m->len &&
		       protocol_is(PROTOCOL_REDIS, 0.85, side, ret);
	case '%':
		return resp_number(m, 1, &n, &end) && end < m->have && m->bytes[end] == '$' &&
		       protocol_is(PROTOCOL_REDIS, 0.95, side, ret);
	case '$':
		if (!resp_number(m, 1, &n, &end) || n < -1)
			return false;
		if (n == -1 ? end == m->len : end + (uint64_t)n + 2 == m->len)
			return protocol_is(PROTOCOL_REDIS, EXACT, side, ret);
		return protocol_is(PROTOCOL_REDIS, 0.8, side, ret);
	}
	return false;
}

bool protocol_redis(const struct protocol_message *m, struct protocol_verdict *ret)
{
	return m->bytes[0] == '*' ? resp_array(m, ret) : resp_answer(m, ret);
}

/* --- MongoDB --- */

#define MONGO_HEADER 16
#define MONGO_REPLY 36 /* the least length of an OP_REPLY */

bool protocol_mongodb(const struct protocol_message *m, struct protocol_verdict *ret)
{
	uint32_t op, answers;

	if (m->have < MONGO_HEADER || protocol_le(m->bytes, 4) != m->len)
		return false;
	answers = protocol_le(m->bytes + 8, 4);
	op = protocol_le(m->bytes + 12, 4);
	if (op != 2013 && op != 2012 && op != 2004 && (op != 1 || m->len < MONGO_REPLY))
		return false;
	protocol_is(PROTOCOL_MONGODB, 0.97, protocol_sent_by(m, answers == 0 && op != 1), ret);
	ret->opened = op == 2004;
	return true;
}

/* --- memcached --- */

/* Whether "... number number number CRLF" ends the first line. */
static bool memcached_numbers(const struct protocol_message *m)
{
	size_t i = 0, numbers = 0;

	while (i < m->have && m->bytes[i] != '\r')
		i++;
	if (i + 1 >= m->have || m->bytes[i + 1] != '\n')
		return false;
	while (i > 0 && numbers < 3) {
		size_t end = i;

		while (i > 0 && is_digit(m->bytes[i - 1]))
			i--;
		if (i == end || i == 0 || m->bytes[i - 1] != ' ')
			break;
		i--;
		numbers++;
	}
	return numbers >= 2;
}

bool protocol_memcached(const struct protocol_message *m, struct protocol_verdict *ret)
{
	if ((protocol_begins(m, "set ") || protocol_begins(m, "add ") ||
	     protocol_begins(m, "replace ") || protocol_begins(m, "VALUE ")) &&
	    memcached_numbers(m))
		return protocol_is(PROTOCOL_MEMCACHED, 0.93,
				   protocol_sent_by(m, m->bytes[0] != 'V'), ret);
	if (m->len == 8 && protocol_begins(m, "STORED\r\n"))
		return protocol_is(PROTOCOL_MEMCACHED, 0.93, protocol_sent_by(m, false), ret);
	return false;
}
