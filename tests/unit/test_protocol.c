/* What is spoken on a connection: bytes that servers and clients really sent, and bytes of others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "decode/protocol.h"
#include "fixtures/protocol_messages.h"

static bool judge(const struct captured *c, struct protocol_verdict *ret)
{
	struct protocol_message m = {
		.bytes = c->bytes, .have = c->have, .len = c->len, .written = c->written
	};

	return protocol_judge(&m, ret);
}

static bool judge_text(const char *text, size_t len, bool written, struct protocol_verdict *ret)
{
	struct protocol_message m = {
		.bytes = (const uint8_t *)text, .have = len, .len = len, .written = written
	};

	return protocol_judge(&m, ret);
}

static void every_captured_message_is_known(void **state)
{
	static const struct {
		const struct captured *c;
		enum protocol kind;
		enum protocol_side side;
		double least; /* confidence */
	} rows[] = {
		{ &pg_ssl_request, PROTOCOL_POSTGRESQL, SIDE_CLIENT, 0.98 },
		{ &pg_startup, PROTOCOL_POSTGRESQL, SIDE_CLIENT, 0.98 },
		{ &pg_authentication_ok, PROTOCOL_POSTGRESQL, SIDE_CLIENT, 0.75 },
		{ &pg_parse, PROTOCOL_POSTGRESQL, SIDE_CLIENT, 0.9 },
		{ &pg_parse_answer, PROTOCOL_POSTGRESQL, SIDE_CLIENT, 0.9 },
		{ &mysql_greeting, PROTOCOL_MYSQL, SIDE_CLIENT, 0.98 },
		{ &mysql_query, PROTOCOL_MYSQL, SIDE_CLIENT, 0.9 },
		{ &mysql_ping, PROTOCOL_MYSQL, SIDE_CLIENT, 0.5 }, /* five bytes */
		{ &mysql_rows, PROTOCOL_MYSQL, SIDE_CLIENT, 0.9 },
		{ &redis_command, PROTOCOL_REDIS, SIDE_UNKNOWN, 0.9 },
		{ &redis_number, PROTOCOL_REDIS, SIDE_CLIENT, 0.8 },
		{ &redis_pong, PROTOCOL_REDIS, SIDE_CLIENT, 0.9 },
		{ &redis_map, PROTOCOL_REDIS, SIDE_CLIENT, 0.9 },
		{ &memcached_set, PROTOCOL_MEMCACHED, SIDE_CLIENT, 0.9 },
		{ &memcached_value, PROTOCOL_MEMCACHED, SIDE_CLIENT, 0.9 },
		{ &http_request, PROTOCOL_HTTP, SIDE_SERVER, 0.9 },
		{ &http_answer, PROTOCOL_HTTP, SIDE_SERVER, 0.9 },
		{ &ws_request, PROTOCOL_HTTP, SIDE_SERVER, 0.9 },
		{ &ws_answer, PROTOCOL_WEBSOCKET, SIDE_SERVER, 0.95 },
		{ &ws_masked, PROTOCOL_WEBSOCKET, SIDE_SERVER, 0.9 },
		{ &ws_echo, PROTOCOL_WEBSOCKET, SIDE_SERVER, 0.9 },
		{ &ws_pong, PROTOCOL_WEBSOCKET, SIDE_SERVER, 0.8 },
		{ &ws_ping, PROTOCOL_WEBSOCKET, SIDE_SERVER, 0.6 },
		{ &tls_client_hello, PROTOCOL_TLS, SIDE_CLIENT, 0.9 },
		{ &tls_server_hello, PROTOCOL_TLS, SIDE_CLIENT, 0.8 },
		{ &tls_data, PROTOCOL_TLS, SIDE_UNKNOWN, 0.8 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct protocol_verdict v = {};

		if (!judge(rows[i].c, &v) || v.kind != rows[i].kind || v.side != rows[i].side ||
		    v.confidence < rows[i].least)
			fail_msg("message %zu: %s, side %d, confidence %.2f", i,
				 v.kind ? protocol_name(v.kind) : "nothing", v.side, v.confidence);
	}
}

/* The same bytes with the other direction: the process is at the other end. */
static void who_sends_it_tells_which_side_the_process_is_on(void **state)
{
	const struct captured *messages[] = { &pg_startup, &mysql_query, &http_answer, &ws_masked };

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct captured other = *messages[i];
		struct protocol_verdict a, b;

		other.written = !other.written;
		assert_true(judge(messages[i], &a));
		assert_true(judge(&other, &b));
		assert_int_equal(a.kind, b.kind);
		assert_int_equal(a.side + b.side, SIDE_CLIENT + SIDE_SERVER);
	}
}

/* In the middle of a stream nothing but the length tells. */
static void a_length_that_does_not_fit_is_not_believed(void **state)
{
	const struct captured *messages[] = { &pg_ssl_request, &pg_startup,  &pg_parse,
					      &mysql_greeting, &mysql_query, &mysql_ping,
					      &mysql_rows,     &ws_masked,   &ws_echo };

	(void)state;
	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
		struct captured longer = *messages[i];
		struct protocol_verdict v = {};

		longer.len++;
		if (judge(&longer, &v) && v.confidence >= 0.6)
			fail_msg("message %zu: %s, %.2f", i, protocol_name(v.kind), v.confidence);
	}
}

static void what_is_cut_off_is_not_read(void **state)
{
	(void)state;
	for (size_t len = 1; len < sizeof(pg_parse.bytes); len++) {
		uint8_t *bytes = malloc(len); /* the sanitizer watches what lies behind */
		struct protocol_verdict v;

		assert_non_null(bytes);
		for (size_t i = 0; i < 3; i++) {
			const struct captured *c[] = { &pg_parse, &mysql_rows, &ws_answer };
			struct protocol_message m = { .bytes = bytes, .have = len, .len = 500 };

			memcpy(bytes, c[i]->bytes, len);
			protocol_judge(&m, &v);
			m.len = 3; /* contradicts what there is: the smaller one counts */
			protocol_judge(&m, &v);
		}
		free(bytes);
	}
}

static void other_protocols_are_nothing(void **state)
{
#define TEXT(s)                  \
	{                        \
		s, sizeof(s) - 1 \
	}
	static const struct {
		const char *bytes;
		size_t len;
	} rows[] = {
		TEXT("220 mail.example.org ESMTP\r\n"),
		TEXT("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"),
		TEXT("+OK Dovecot ready.\r\n"),
		TEXT("* OK [CAPABILITY IMAP4rev1] ready\r\n"),
		TEXT("{\"jsonrpc\":\"2.0\",\"method\":\"x\"}\n"),
		TEXT("\0\x1d\x12\x34\1\0\0\1\0\0\0\0\0\0\7example\3org\0\0\1\0\1"), /* DNS */
		TEXT("\0\0\0\0"),
		TEXT("\0"),
		TEXT("l\1\0\1\0\0\0\0\1\0\0\0"), /* D-Bus */
		TEXT("\x7f"
		     "ELF\2\1\1\0\0\0\0\0\0\0\0\0"),
		TEXT("user=root password=Query\n"),
		TEXT("GETAWAY\n"),
		TEXT("\0\0\0\7message"),	   /* a length and text, as many do */
		TEXT("\x8\0\0\0\3\0\0\0\1\0\0\0"), /* the same with a number, not SQL */
		TEXT("\xc\0\0\0\x17\1\2\3\4\5\6\7\x8\x9\xa\xb"),
		TEXT("\0\0\0\5\4\0\0\1\2"), /* BitTorrent: has piece 258 */
		/* the end of an answer of netlink to process 1 */
		TEXT("\x14\0\0\0\3\0\2\0\1\0\0\0\1\0\0\0\0\0\0\0"),
	};
	struct protocol_verdict v;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (int written = 0; written < 2; written++)
			if (judge_text(rows[i].bytes, rows[i].len, written, &v))
				fail_msg("row %zu is %s", i, protocol_name(v.kind));
}

static void noise(uint64_t *x, struct captured *c)
{
	*c = (struct captured){};
	for (size_t k = 0; k < sizeof(c->bytes); k++) {
		*x ^= *x << 13, *x ^= *x >> 7, *x ^= *x << 17;
		c->bytes[k] = (uint8_t)(*x >> 24);
	}
	c->have = 1 + *x % 128;
	c->len = c->have == 128 ? 128 + *x % 4000 : c->have;
}

/* Encrypted or compressed bytes of a protocol of its own: chance must not make kinds of them. */
static void noise_is_seldom_taken_for_something(void **state)
{
	uint64_t x = 88172645463325252ull;
	unsigned int judged = 0, sure = 0;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		struct captured c;
		struct protocol_verdict v;

		noise(&x, &c);
		c.written = i & 1;
		if (!judge(&c, &v))
			continue;
		judged++;
		sure += v.confidence >= 0.9;
	}
	assert_true(judged < 100); /* 1 in 1000 */
	assert_true(sure < 10);
}

static void several_messages_make_it_surer(void **state)
{
	struct protocol_verdict v = {}, one;

	(void)state;
	assert_true(judge(&ws_ping, &one));
	protocol_join(&v, &one);
	assert_false(protocol_is_settled(&v));
	for (int i = 0; i < 3; i++)
		protocol_join(&v, &one);
	assert_true(protocol_is_settled(&v));
	assert_true(v.confidence < 1);
}

static void an_upgrade_makes_a_websocket_of_http(void **state)
{
	struct protocol_verdict v = {}, more;

	(void)state;
	assert_true(judge(&ws_request, &more));
	protocol_join(&v, &more);
	assert_int_equal(v.kind, PROTOCOL_HTTP);
	assert_false(protocol_is_settled(&v)); /* the answer is to come */
	assert_true(judge(&ws_answer, &more));
	protocol_join(&v, &more);
	assert_int_equal(v.kind, PROTOCOL_WEBSOCKET);
	assert_true(protocol_is_settled(&v));
	assert_true(judge(&http_answer, &more)); /* never back */
	protocol_join(&v, &more);
	assert_int_equal(v.kind, PROTOCOL_WEBSOCKET);
}

static void what_was_said_before_tls_stays(void **state)
{
	struct protocol_verdict v = {}, more;

	(void)state;
	assert_true(judge(&pg_ssl_request, &more));
	protocol_join(&v, &more);
	assert_true(judge(&tls_client_hello, &more));
	protocol_join(&v, &more);
	assert_int_equal(v.kind, PROTOCOL_POSTGRESQL);
	assert_true(protocol_is_settled(&v));
}

static void what_is_inside_tls_replaces_it(void **state)
{
	struct protocol_verdict v = {}, more;

	(void)state;
	assert_true(judge(&tls_client_hello, &more));
	protocol_join(&v, &more);
	assert_false(protocol_is_settled(&v));
	assert_true(judge(&ws_answer, &more));
	more.inside = true;
	protocol_join(&v, &more);
	assert_int_equal(v.kind, PROTOCOL_WEBSOCKET);
	assert_true(judge(&tls_data, &more)); /* what carries it */
	protocol_join(&v, &more);
	assert_int_equal(v.kind, PROTOCOL_WEBSOCKET);
	assert_true(v.inside);
}

/* OpenSSL reads a record's header by itself, and then what is encrypted. */
static void what_is_encrypted_says_nothing_of_tls(void **state)
{
	uint64_t x = 88172645463325252ull;
	struct protocol_verdict v = {}, more;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		struct captured body,
			header = { .len = 5, .have = 5, .bytes = { 23, 3, 3, 0, 99 } };

		assert_true(judge(&header, &more));
		protocol_join(&v, &more);
		noise(&x, &body);
		if (judge(&body, &more))
			protocol_join(&v, &more);
		assert_int_equal(v.kind, PROTOCOL_TLS);
	}
}

static void of_two_that_differ_the_surer_one_stays_and_is_doubted(void **state)
{
	static const struct protocol_verdict amqp = { PROTOCOL_AMQP, SIDE_CLIENT, 0.93, false };
	static const struct protocol_verdict kafka = { PROTOCOL_KAFKA, SIDE_CLIENT, 0.85, false };
	struct protocol_verdict v = amqp;

	(void)state;
	protocol_join(&v, &kafka);
	assert_int_equal(v.kind, PROTOCOL_AMQP);
	assert_true(v.confidence < 0.9);
	assert_false(protocol_is_settled(&v));
	for (int i = 0; i < 5; i++)
		protocol_join(&v, &kafka);
	assert_int_equal(v.kind, PROTOCOL_KAFKA);
	assert_true(v.confidence > 0.9 && v.confidence < 1);
}

static void mongodb_amqp_kafka_and_http2_are_known(void **state)
{
	static const char mongo[] = "\x1c\0\0\0\1\0\0\0\0\0\0\0\xdd\7\0\0\0\0\0\0\0\5\0\0\0\0\0\0";
	static const char kafka[] = "\0\0\0\x13\0\x12\0\3\0\0\0\1\0\7rdkafka\0\0";
	static const char ack[] = "\0\0\0\4\1\0\0\0\0";
	static const char beat[] = "\x8\0\0\0\0\0\0\xce";
	struct protocol_verdict v;

	(void)state;
	assert_true(judge_text(mongo, sizeof(mongo) - 1, true, &v));
	assert_int_equal(v.kind, PROTOCOL_MONGODB);
	assert_int_equal(v.side, SIDE_CLIENT);
	assert_true(judge_text("AMQP\0\0\x9\1", 8, true, &v));
	assert_int_equal(v.kind, PROTOCOL_AMQP);
	assert_true(judge_text(beat, sizeof(beat) - 1, false, &v));
	assert_int_equal(v.kind, PROTOCOL_AMQP);
	assert_true(judge_text(kafka, sizeof(kafka) - 1, true, &v));
	assert_int_equal(v.kind, PROTOCOL_KAFKA);
	assert_true(judge_text("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24, true, &v));
	assert_int_equal(v.kind, PROTOCOL_HTTP2);
	assert_true(judge_text(ack, sizeof(ack) - 1, false, &v));
	assert_int_equal(v.kind, PROTOCOL_HTTP2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_captured_message_is_known),
		cmocka_unit_test(who_sends_it_tells_which_side_the_process_is_on),
		cmocka_unit_test(a_length_that_does_not_fit_is_not_believed),
		cmocka_unit_test(what_is_cut_off_is_not_read),
		cmocka_unit_test(other_protocols_are_nothing),
		cmocka_unit_test(noise_is_seldom_taken_for_something),
		cmocka_unit_test(several_messages_make_it_surer),
		cmocka_unit_test(an_upgrade_makes_a_websocket_of_http),
		cmocka_unit_test(what_was_said_before_tls_stays),
		cmocka_unit_test(what_is_inside_tls_replaces_it),
		cmocka_unit_test(what_is_encrypted_says_nothing_of_tls),
		cmocka_unit_test(of_two_that_differ_the_surer_one_stays_and_is_doubted),
		cmocka_unit_test(mongodb_amqp_kafka_and_http2_are_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
