/* What is spoken on sockets, remembered by inode, and passed on to those that are like them. */
#include <setjmp.h>
#include <stdarg.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "model/talks.h"

#define SEC 1000000000ull

static const struct protocol_verdict websocket = { PROTOCOL_WEBSOCKET, SIDE_SERVER, 0.97, true };
static const struct protocol_verdict http = { PROTOCOL_HTTP, SIDE_SERVER, 0.97, true };
static const struct protocol_verdict redis = { PROTOCOL_REDIS, SIDE_CLIENT, 0.9, false };

static struct fd_fact a_socket(uint64_t inode, uint16_t local, uint16_t peer)
{
	return (struct fd_fact){ .kind = FD_SOCKET,
				 .family = AF_INET,
				 .inode = inode,
				 .local_port = local,
				 .peer_port = peer,
				 .peer_addr = { 10, 0, 0, 1 } };
}

static void set_talk(struct fd_fact *f, const struct protocol_verdict *v)
{
	f->talk = *v;
	f->talk_how = TALK_CONTENT;
}

static void what_was_said_is_remembered_until_the_socket_is_gone(void **state)
{
	struct fd_fact open = a_socket(7, 1000, 6379);
	bool done;
	struct talks *t;

	(void)state;
	assert_int_equal(talks_new(100, &t), 0);
	assert_int_equal(talks_add(t, 7, &redis, 1 * SEC, &done), 0);
	assert_true(done);
	assert_int_equal(talks_find(t, 7)->kind, PROTOCOL_REDIS);
	assert_int_equal(talks_add(t, 8, &http, 1 * SEC, &done), 0);
	assert_int_equal(talks_add(t, 9, &http, 5 * SEC, &done), 0);
	talks_keep(t, &open, 1, 3 * SEC); /* 9 is newer than this reading */
	assert_non_null(talks_find(t, 7));
	assert_null(talks_find(t, 8));
	assert_non_null(talks_find(t, 9));
	assert_null(talks_find(t, 0));
	talks_free(t);
}

static void a_table_that_is_full_refuses(void **state)
{
	bool done;
	struct talks *t;

	(void)state;
	assert_int_equal(talks_new(200, &t), 0);
	for (uint64_t i = 1; i <= 200; i++)
		assert_int_equal(talks_add(t, i, &http, SEC, &done), 0);
	assert_int_equal(talks_add(t, 201, &http, SEC, &done), -ENOSPC);
	assert_int_equal(talks_add(t, 200, &websocket, SEC, &done), 0);
	assert_int_equal(talks_find(t, 200)->kind, PROTOCOL_WEBSOCKET);
	talks_free(t);
}

static void sockets_to_one_server_speak_alike(void **state)
{
	struct fd_fact f[] = { a_socket(1, 1001, 7000), a_socket(2, 1002, 7000),
			       a_socket(3, 1003, 7001) };
	struct fd_fact *p[] = { &f[0], &f[1], &f[2] };

	(void)state;
	set_talk(&f[0], &redis);
	assert_int_equal(talks_compare(p, 3), 0);
	assert_int_equal(f[1].talk.kind, PROTOCOL_REDIS);
	assert_int_equal(f[1].talk_how, TALK_ALIKE);
	assert_true(f[1].talk.confidence < f[0].talk.confidence);
	assert_int_equal(f[2].talk_how, TALK_UNKNOWN);
}

static void a_port_that_serves_two_things_says_nothing_of_the_silent(void **state)
{
	struct fd_fact f[] = { a_socket(1, 80, 0), a_socket(2, 80, 5001), a_socket(3, 80, 5002),
			       a_socket(4, 80, 5003) };
	struct fd_fact *p[] = { &f[0], &f[1], &f[2], &f[3] };

	(void)state;
	f[0].listening = true;
	set_talk(&f[1], &http);
	set_talk(&f[2], &websocket);
	assert_int_equal(talks_compare(p, 4), 0);
	assert_int_equal(f[3].talk_how, TALK_UNKNOWN);
	assert_int_equal(f[3].talk.side, SIDE_SERVER); /* it was accepted, that much is known */
	set_talk(&f[1], &websocket);
	assert_int_equal(talks_compare(p, 4), 0);
	assert_int_equal(f[3].talk.kind, PROTOCOL_WEBSOCKET);
}

static void only_connected_sockets_can_be_unknown(void **state)
{
	struct fd_fact f[] = { a_socket(1, 80, 0),
			       a_socket(2, 80, 5001),
			       a_socket(3, 0, 0),
			       { .kind = FD_FILE, .inode = 4 },
			       a_socket(5, 53, 5002) };
	bool done;
	struct talks *t;

	(void)state;
	f[0].listening = true;
	f[4].datagram = true;
	assert_int_equal(talks_new(10, &t), 0);
	assert_int_equal(talks_count_unknown(t, f, 5, false), 1);
	assert_int_equal(talks_add(t, 2, &http, SEC, &done), 0);
	assert_int_equal(talks_count_unknown(t, f, 5, false), 0);
	talks_free(t);
}

static void what_is_inside_tls_is_unknown_where_it_can_be_heard(void **state)
{
	static const struct protocol_verdict tls = { PROTOCOL_TLS, SIDE_SERVER, 0.97, false };
	struct fd_fact f = a_socket(2, 443, 5001);
	struct talks *t;
	bool done;

	(void)state;
	assert_int_equal(talks_new(10, &t), 0);
	assert_int_equal(talks_add(t, 2, &tls, SEC, &done), 0);
	assert_false(done);
	assert_int_equal(talks_count_unknown(t, &f, 1, true), 1);
	assert_int_equal(talks_count_unknown(t, &f, 1, false), 0);
	talks_free(t);
}

/* A protocol of its own, or an encrypted one: the windows must have an end. */
static void what_says_nothing_for_long_is_given_up(void **state)
{
	static const struct protocol_verdict nothing = { .kind = PROTOCOL_NONE };
	struct fd_fact f = a_socket(2, 4000, 5001);
	struct talks *t;
	bool done = false;
	int n = 0;

	(void)state;
	assert_int_equal(talks_new(10, &t), 0);
	for (; !done && n < 1000; n++) {
		assert_int_equal(talks_count_unknown(t, &f, 1, true), 1);
		assert_int_equal(talks_add(t, 2, &nothing, SEC, &done), 0);
	}
	assert_in_range(n, 10, 100);
	assert_null(talks_find(t, 2)); /* and nothing is said of it */
	assert_int_equal(talks_count_unknown(t, &f, 1, true), 0);
	assert_int_equal(talks_add(t, 2, &redis, SEC, &done), 0);
	assert_int_equal(talks_find(t, 2)->kind, PROTOCOL_REDIS);
	talks_free(t);
}

/* One that pings beside idle ones of HTTP: few say little of the silent. */
static void one_that_speaks_does_not_speak_for_all_that_came_to_a_port(void **state)
{
	struct fd_fact f[13] = { a_socket(1, 80, 0) }, *p[13] = { &f[0] };

	(void)state;
	f[0].listening = true;
	for (uint16_t i = 1; i < 13; i++) {
		f[i] = a_socket(1 + i, 80, 5000 + i);
		p[i] = &f[i];
	}
	set_talk(&f[1], &websocket);
	assert_int_equal(talks_compare(p, 13), 0);
	assert_true(f[12].talk.confidence < 0.5);
	for (uint16_t i = 2; i < 12; i++)
		set_talk(&f[i], &websocket);
	f[12] = a_socket(13, 80, 5012);
	assert_int_equal(talks_compare(p, 13), 0);
	assert_true(f[12].talk.confidence > 0.6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_said_is_remembered_until_the_socket_is_gone),
		cmocka_unit_test(a_table_that_is_full_refuses),
		cmocka_unit_test(sockets_to_one_server_speak_alike),
		cmocka_unit_test(a_port_that_serves_two_things_says_nothing_of_the_silent),
		cmocka_unit_test(only_connected_sockets_can_be_unknown),
		cmocka_unit_test(what_is_inside_tls_is_unknown_where_it_can_be_heard),
		cmocka_unit_test(what_says_nothing_for_long_is_given_up),
		cmocka_unit_test(one_that_speaks_does_not_speak_for_all_that_came_to_a_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
