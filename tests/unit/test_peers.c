/* What is at the other end of a descriptor, and how its address is written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "analyse/descriptors.h"
#include "analyse/peers.h"

static struct fd_fact tcp_to(uint16_t port)
{
	return (struct fd_fact){ .kind = FD_SOCKET,
				 .family = AF_INET,
				 .peer_port = port,
				 .peer_addr = { 10, 0, 0, 1 } };
}

static struct fd_fact unix_at(const char *path)
{
	struct fd_fact f = { .kind = FD_SOCKET, .family = AF_UNIX };

	strncpy(f.path, path, sizeof(f.path) - 1);
	return f;
}

static void database_ports_are_known(void **state)
{
	static const struct {
		uint16_t port;
		const char *product;
	} known[] = {
		{ 5432, "postgresql" },	  { 6432, "pgbouncer" },     { 3306, "mysql" },
		{ 6379, "redis" },	  { 27017, "mongodb" },	     { 1433, "mssql" },
		{ 1521, "oracle" },	  { 9042, "cassandra" },     { 11211, "memcached" },
		{ 26257, "cockroachdb" }, { 9200, "elasticsearch" }, { 9000, "clickhouse" },
		{ 8123, "clickhouse" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		struct fd_fact f = tcp_to(known[i].port);
		struct peer p = peers_find(&f);

		assert_int_equal(p.class, CLASS_database_connections);
		assert_string_equal(p.product, known[i].product);
		assert_non_null(p.evidence);
	}
}

static void a_port_that_others_use_too_is_less_certain(void **state)
{
	struct fd_fact pg = tcp_to(5432), ch = tcp_to(9000);

	(void)state;
	assert_true(peers_find(&ch).confidence < peers_find(&pg).confidence);
}

static void other_sockets_are_network_connections(void **state)
{
	struct fd_fact web = tcp_to(443), idle = { .kind = FD_SOCKET };

	(void)state;
	assert_int_equal(peers_find(&web).class, CLASS_network_connections);
	assert_null(peers_find(&web).product);
	assert_int_equal(peers_find(&idle).class, CLASS_network_connections);
}

static void the_local_port_does_not_make_a_client(void **state)
{
	struct fd_fact accepted = tcp_to(50123);

	(void)state;
	accepted.local_port = 5432;
	assert_int_equal(peers_find(&accepted).class, CLASS_network_connections);
}

static void a_listening_socket_is_network(void **state)
{
	struct fd_fact tcp = tcp_to(5432), un = unix_at("/run/.s.PGSQL.5432");

	(void)state;
	tcp.listening = un.listening = true;
	assert_int_equal(peers_find(&tcp).class, CLASS_network_connections);
	assert_int_equal(peers_find(&un).class, CLASS_network_connections);
}

static void database_paths_are_known(void **state)
{
	static const char *const paths[] = { "/run/postgresql/.s.PGSQL.5432",
					     "/var/run/mysqld/mysqld.sock",
					     "/run/redis/redis-server.sock",
					     "/tmp/mongodb-27017.sock" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct fd_fact f = unix_at(paths[i]);

		assert_int_equal(peers_find(&f).class, CLASS_database_connections);
	}
	struct fd_fact f = unix_at("/run/docker.sock");

	assert_int_equal(peers_find(&f).class, CLASS_network_connections);
}

static void a_port_means_nothing_outside_the_internet_families(void **state)
{
	struct fd_fact f = tcp_to(5432);

	(void)state;
	f.family = AF_NETLINK;
	assert_int_equal(peers_find(&f).class, CLASS_network_connections);
}

static void what_is_no_socket_is_a_file_handle(void **state)
{
	struct fd_fact f = tcp_to(5432);

	(void)state;
	f.kind = FD_PIPE;
	assert_int_equal(peers_find(&f).class, CLASS_file_handles);
	f.kind = 999;
	assert_int_equal(peers_find(&f).class, CLASS_file_handles);
}

static void assert_address(const struct fd_fact *f, const char *text)
{
	char buf[PEERS_ADDRESS_BYTES];

	assert_int_equal(peers_format_address(f, buf, sizeof(buf)), strlen(text));
	assert_string_equal(buf, text);
}

static void addresses_are_written_as_people_do(void **state)
{
	struct fd_fact v4 = tcp_to(5432), un = unix_at("/run/x.sock"), listening = tcp_to(0);
	struct fd_fact v6 = {
		.kind = FD_SOCKET, .family = AF_INET6, .peer_port = 80, .peer_addr = { [15] = 1 }
	};
	struct fd_fact mapped = { .kind = FD_SOCKET,
				  .family = AF_INET6,
				  .peer_port = 80,
				  .peer_addr = { [10] = 255, 255, 192, 0, 2, 7 } };

	(void)state;
	listening.listening = true;
	listening.local_port = 8080;
	assert_address(&v4, "10.0.0.1:5432");
	assert_address(&v6, "[::1]:80");
	assert_address(&mapped, "192.0.2.7:80");
	assert_address(&un, "unix:/run/x.sock");
	assert_address(&listening, "listening on port 8080");
}

static void hostile_paths_are_made_harmless(void **state)
{
	struct fd_fact f = unix_at("/a\x1b[2J\xff");
	struct fd_fact full;
	char buf[PEERS_ADDRESS_BYTES];

	(void)state;
	assert_address(&f, "unix:/a?[2J?");
	memset(&full, 'x', sizeof(full));
	full.kind = FD_SOCKET;
	full.family = AF_UNIX;
	full.listening = false;
	assert_int_equal(peers_format_address(&full, buf, sizeof(buf)), 5 + sizeof(full.path));
	assert_int_equal(peers_find(&full).class, CLASS_network_connections);
}

static void an_address_that_does_not_fit_leaves_the_buffer_alone(void **state)
{
	struct fd_fact f = tcp_to(5432), none = { .kind = FD_SOCKET };
	char buf[14] = "untouched";

	(void)state;
	assert_int_equal(peers_format_address(&f, buf, 13), -ENOSPC);
	assert_string_equal(buf, "untouched");
	assert_int_equal(peers_format_address(&none, buf, sizeof(buf)), -ENODATA);
	assert_string_equal(buf, "untouched");
	assert_int_equal(peers_format_address(&f, buf, 14), 13);
}

static void a_leak_leads_where_most_of_its_connections_do(void **state)
{
	static const uint16_t ports[] = { 80, 5432, 81, 5432, 0, 5432, 5432 };
	const struct finding_path path = { .site_id = 9 };
	struct snap_fd fd[8];
	struct snapshot s = { .fds = fd, .elapsed_s = 10 };
	struct descriptors_held held;

	(void)state;
	fd[s.fd_count++] = (struct snap_fd){ .fact = tcp_to(5432), .site_id = 8 };
	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
		fd[s.fd_count++] = (struct snap_fd){ .fact = tcp_to(ports[i]), .site_id = 9 };
		descriptors_of_sites(&s, &path, 1, &held);
		assert_int_equal(held.count, i + 1);
		if (i == 1) /* two of two kinds */
			assert_string_equal(held.peer, "");
	}
	assert_string_equal(held.peer, "10.0.0.1:5432"); /* four of seven */
	fd[1].fact = tcp_to(0);
	fd[2].fact = tcp_to(0);
	descriptors_of_sites(&s, &path, 1, &held);
	assert_string_equal(held.peer, ""); /* three of seven: what has no peer counts */
	descriptors_of_sites(&s, &path, 0, &held);
	assert_int_equal(held.count, 0);
	assert_string_equal(held.peer, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(database_ports_are_known),
		cmocka_unit_test(a_port_that_others_use_too_is_less_certain),
		cmocka_unit_test(other_sockets_are_network_connections),
		cmocka_unit_test(the_local_port_does_not_make_a_client),
		cmocka_unit_test(a_listening_socket_is_network),
		cmocka_unit_test(database_paths_are_known),
		cmocka_unit_test(a_port_means_nothing_outside_the_internet_families),
		cmocka_unit_test(what_is_no_socket_is_a_file_handle),
		cmocka_unit_test(addresses_are_written_as_people_do),
		cmocka_unit_test(hostile_paths_are_made_harmless),
		cmocka_unit_test(an_address_that_does_not_fit_leaves_the_buffer_alone),
		cmocka_unit_test(a_leak_leads_where_most_of_its_connections_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
