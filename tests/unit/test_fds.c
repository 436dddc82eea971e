/* Descriptors: events say who, facts say what and overrule. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <cmocka.h>

#include "model/fds.h"

#define SEC 1000000000ull

struct fixture {
	struct fds *t;
	struct site a, b;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	return f ? fds_new(512, &f->t) : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	fds_free(f->t);
	free(f);
	return 0;
}

static void open_fd(struct fixture *f, int fd, struct site *s, uint64_t now)
{
	assert_int_equal(fds_open(f->t, fd, FD_FILE, s, now), 0);
}

static void set_facts(struct fixture *f, const int *fd, size_t n, uint64_t now)
{
	struct fd_fact fact[16] = {};

	for (size_t i = 0; i < n; i++)
		fact[i] = (struct fd_fact){ .fd = fd[i], .kind = FD_SOCKET, .inode = 900 + fd[i] };
	assert_int_equal(fds_set_facts(f->t, fact, n, now), 0);
}

/* Whether fd is there; *ret is it. */
static int find(struct fixture *f, int fd, struct fd_entry *ret)
{
	int number = fd;

	return fds_next(f->t, &number, ret) && ret->fact.fd == fd;
}

static void an_open_descriptor_counts_until_it_is_closed(void **state)
{
	struct fixture *f = *state;
	struct fd_entry e;

	open_fd(f, 5, &f->a, 1 * SEC);
	assert_int_equal(site_live_count(&f->a), 1);
	assert_true(find(f, 5, &e));
	assert_int_equal(e.opened_ns, 1 * SEC);
	assert_int_equal(e.fact.kernel_bytes, FACT_UNKNOWN);
	fds_close(f->t, 1, 5, 5, 6 * SEC);
	assert_int_equal(site_live_count(&f->a), 0);
	assert_int_equal(f->a.freed_by_age[3], 1);
	assert_false(find(f, 5, &e));
}

static void a_close_that_failed_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct site before;
	struct fd_entry e;

	open_fd(f, 5, &f->a, 1 * SEC);
	before = f->a;
	fds_close(f->t, 1, 5, 5, 6 * SEC);
	fds_undo(f->t, 1);
	assert_memory_equal(&f->a, &before, sizeof(before));
	assert_true(find(f, 5, &e));
	assert_ptr_equal(e.site, &f->a);
}

static void a_failed_close_does_not_touch_what_was_opened_meanwhile(void **state)
{
	struct fixture *f = *state;
	struct fd_entry e;

	open_fd(f, 5, &f->a, 1);
	fds_close(f->t, 1, 5, 5, 2);
	open_fd(f, 5, &f->b, 3);
	fds_undo(f->t, 1);
	assert_true(find(f, 5, &e));
	assert_ptr_equal(e.site, &f->b);
	assert_int_equal(site_live_count(&f->a), 0);
	assert_int_equal(fds_count(f->t), 1);
}

static void a_reading_between_close_and_failure_is_survived(void **state)
{
	struct fixture *f = *state;
	struct fd_entry e;

	set_facts(f, (int[]){ 5, 6, 7 }, 3, 10);
	fds_close(f->t, 1, 7, 7, 20);
	set_facts(f, (int[]){ 5 }, 1, 30);
	fds_undo(f->t, 1);
	assert_true(find(f, 7, &e));
	assert_int_equal(e.fact.kind, FD_SOCKET);
}

static void close_range_closes_what_is_inside(void **state)
{
	struct fixture *f = *state;
	struct fd_entry e;

	for (int fd = 3; fd < 300; fd++)
		open_fd(f, fd, &f->a, 1);
	fds_close(f->t, 1, 10, UINT32_MAX, 2);
	assert_int_equal(fds_count(f->t), 7);
	assert_int_equal(site_live_count(&f->a), 7);
	assert_true(find(f, 9, &e));
	fds_undo(f->t, 1);
	assert_int_equal(fds_count(f->t), 297);
}

static void a_copy_closes_what_it_replaces(void **state)
{
	struct fixture *f = *state;
	struct fd_entry e;

	assert_int_equal(fds_open(f->t, 3, FD_EPOLL, &f->a, 1), 0);
	open_fd(f, 4, &f->a, 1);
	assert_int_equal(fds_dup(f->t, 3, 4, &f->b, 2), 0);
	assert_int_equal(site_live_count(&f->a), 1);
	assert_int_equal(site_live_count(&f->b), 1);
	assert_true(find(f, 4, &e));
	assert_int_equal(e.fact.kind, FD_EPOLL);
	assert_int_equal(fds_dup(f->t, 4, 4, &f->a, 3), 0);
	assert_int_equal(site_live_count(&f->b), 1);
}

static void a_missed_close_is_noticed_at_the_next_open(void **state)
{
	struct fixture *f = *state;

	open_fd(f, 5, &f->a, 1);
	open_fd(f, 5, &f->b, 2);
	assert_int_equal(site_live_count(&f->a), 0);
	assert_int_equal(site_live_count(&f->b), 1);
	assert_int_equal(fds_count(f->t), 1);
}

static void facts_bring_in_what_was_open_before(void **state)
{
	struct fixture *f = *state;
	struct fd_entry e;

	assert_false(fds_is_complete(f->t));
	set_facts(f, (int[]){ 0, 1 }, 2, 10);
	assert_true(fds_is_complete(f->t));
	assert_true(find(f, 1, &e));
	assert_null(e.site);
	assert_int_equal(e.opened_ns, 0);
	assert_int_equal(e.fact.inode, 901);
}

static void facts_say_what_an_opened_one_is_and_keep_its_opener(void **state)
{
	struct fixture *f = *state;
	struct fd_entry e;

	open_fd(f, 5, &f->a, 5);
	set_facts(f, (int[]){ 5 }, 1, 10);
	assert_true(find(f, 5, &e));
	assert_ptr_equal(e.site, &f->a);
	assert_int_equal(e.fact.kind, FD_SOCKET);
}

static void what_facts_do_not_show_was_closed(void **state)
{
	struct fixture *f = *state;

	open_fd(f, 5, &f->a, 5);
	set_facts(f, (int[]){ 0 }, 1, 10);
	assert_int_equal(site_live_count(&f->a), 0);
	assert_int_equal(f->a.free_count, 1);
	assert_int_equal(fds_count(f->t), 1);
}

static void events_newer_than_the_facts_stand(void **state)
{
	struct fixture *f = *state;
	struct fd_entry e;

	open_fd(f, 5, &f->a, 20);
	open_fd(f, 6, &f->a, 5);
	fds_close(f->t, 1, 6, 6, 20);
	set_facts(f, (int[]){ 6 }, 1, 10);
	assert_true(find(f, 5, &e));
	assert_false(find(f, 6, &e));
}

static void an_event_older_than_the_facts_adds_the_opener(void **state)
{
	struct fixture *f = *state;
	struct fd_entry e;

	set_facts(f, (int[]){ 5 }, 1, 10);
	open_fd(f, 5, &f->a, 9);
	assert_true(find(f, 5, &e));
	assert_ptr_equal(e.site, &f->a);
	assert_int_equal(e.fact.kind, FD_SOCKET);
	assert_int_equal(fds_count(f->t), 1);
}

static void a_connect_tells_the_peer_until_facts_do(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(5432),
				  .sin_addr.s_addr = htonl(0x7f000001) };
	struct fd_entry e;

	assert_int_equal(fds_open(f->t, 5, FD_SOCKET, &f->a, 1), 0);
	fds_connect(f->t, 5, &to, sizeof(to));
	assert_true(find(f, 5, &e));
	assert_int_equal(e.fact.family, AF_INET);
	assert_int_equal(e.fact.peer_port, 5432);
	assert_int_equal(e.fact.peer_addr[0], 127);
}

static void a_short_or_odd_address_is_ignored(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	struct fd_entry e;

	memset(to.sun_path, 'x', sizeof(to.sun_path));
	open_fd(f, 5, &f->a, 1);
	fds_connect(f->t, 5, &to, 1);
	fds_connect(f->t, 5, &(struct sockaddr_in){ .sin_family = AF_INET }, 7);
	fds_connect(f->t, -1, &to, sizeof(to));
	assert_true(find(f, 5, &e));
	assert_int_equal(e.fact.family, 0);
	fds_connect(f->t, 5, &to, sizeof(to));
	assert_true(find(f, 5, &e));
	assert_int_equal(strlen(e.fact.path), sizeof(e.fact.path) - 1);
}

static void numbers_out_of_range_are_refused_and_counted(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(fds_open(f->t, -7, FD_FILE, &f->a, 1), 0);
	assert_int_equal(fds_open(f->t, INT32_MAX, FD_FILE, &f->a, 1), 0);
	assert_int_equal(fds_refused(f->t), 2);
	assert_int_equal(f->a.alloc_count, 0);
	fds_close(f->t, 1, UINT32_MAX, UINT32_MAX, 2);
	fds_close(f->t, 1, 9, 3, 2);
}

static void scattered_numbers_do_not_fill_memory(void **state)
{
	struct fixture *f = *state;

	for (int fd = 0; fd < FDS_NUMBER_MAX; fd += 1024)
		open_fd(f, fd, &f->a, 1);
	assert_int_equal(fds_count(f->t), 2);
	assert_int_equal(fds_refused(f->t), FDS_NUMBER_MAX / 1024 - 2);
}

static void facts_beyond_the_limit_are_counted_once_and_leave_it_incomplete(void **state)
{
	struct fixture *f = *state;
	struct fd_fact *fact = calloc(600, sizeof(*fact));

	for (int i = 0; i < 600; i++)
		fact[i] = (struct fd_fact){ .fd = i, .kind = FD_FILE };
	assert_int_equal(fds_set_facts(f->t, fact, 600, 1), 0);
	assert_int_equal(fds_set_facts(f->t, fact, 600, 2), 0);
	free(fact);
	assert_int_equal(fds_count(f->t), 512);
	assert_int_equal(fds_refused(f->t), 88);
	assert_false(fds_is_complete(f->t));
}

static void after_exec_descriptors_stay_and_openers_are_forgotten(void **state)
{
	struct fixture *f = *state;
	struct fd_entry e;

	open_fd(f, 5, &f->a, 1);
	open_fd(f, 6, &f->a, 1);
	fds_close(f->t, 1, 6, 6, 2);
	fds_forget_sites(f->t);
	fds_undo(f->t, 1);
	assert_true(find(f, 5, &e));
	assert_null(e.site);
	assert_false(find(f, 6, &e));
}

static void ages_are_those_of_the_descriptors(void **state)
{
	struct fixture *f = *state;

	open_fd(f, 5, &f->a, 1 * SEC);
	open_fd(f, 6, &f->a, 8 * SEC);
	fds_add_ages(f->t, 9 * SEC);
	assert_int_equal(f->a.live_by_age[4], 1);
	assert_int_equal(f->a.live_by_age[1], 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static void native_memory_is_found_by_the_socket_s_inode(void **state)
{
	const struct native_fact native[] = { { .inode = 907, .bytes = 70, .how = NATIVE_PART },
					      { .inode = 905, .bytes = 50, .how = NATIVE_WHOLE },
					      { .inode = 999, .bytes = 90, .how = NATIVE_WHOLE } };
	const struct native_left left = { .bytes = 3, .count = 1 };
	struct fixture *f = *state;
	struct fd_entry e;

	set_facts(f, (int[]){ 5, 6, 7 }, 3, 1 * SEC);
	assert_true(fds_has_streams(f->t));
	assert_int_equal(fds_set_native(f->t, native, 3, &left), 0);
	assert_true(find(f, 5, &e) && e.fact.native.how == NATIVE_WHOLE);
	assert_int_equal(e.fact.native.bytes, 50);
	assert_true(find(f, 6, &e) && e.fact.native.how == NATIVE_UNKNOWN);
	assert_true(find(f, 7, &e) && e.fact.native.how == NATIVE_PART);
	assert_int_equal(fds_left(f->t).bytes, 3);
	assert_int_equal(fds_set_native(f->t, NULL, 0, &left), 0);
	assert_true(find(f, 5, &e) && e.fact.native.how == NATIVE_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_open_descriptor_counts_until_it_is_closed),
		TEST(a_close_that_failed_changes_nothing),
		TEST(a_failed_close_does_not_touch_what_was_opened_meanwhile),
		TEST(a_reading_between_close_and_failure_is_survived),
		TEST(close_range_closes_what_is_inside),
		TEST(a_copy_closes_what_it_replaces),
		TEST(a_missed_close_is_noticed_at_the_next_open),
		TEST(facts_bring_in_what_was_open_before),
		TEST(facts_say_what_an_opened_one_is_and_keep_its_opener),
		TEST(what_facts_do_not_show_was_closed),
		TEST(events_newer_than_the_facts_stand),
		TEST(an_event_older_than_the_facts_adds_the_opener),
		TEST(a_connect_tells_the_peer_until_facts_do),
		TEST(a_short_or_odd_address_is_ignored),
		TEST(numbers_out_of_range_are_refused_and_counted),
		TEST(scattered_numbers_do_not_fill_memory),
		TEST(facts_beyond_the_limit_are_counted_once_and_leave_it_incomplete),
		TEST(after_exec_descriptors_stay_and_openers_are_forgotten),
		TEST(ages_are_those_of_the_descriptors),
		TEST(native_memory_is_found_by_the_socket_s_inode),
	};

	return cmocka_run_group_tests_name("fds", tests, NULL, NULL);
}
