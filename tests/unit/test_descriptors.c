/* Native memory of connections as it is summed up and ranked, and how sure it is whose it is. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <cmocka.h>

#include "analyse/descriptors.h"

#define FDS 40

struct fixture {
	struct snapshot s;
	struct snap_fd fd[FDS];
};

static struct fixture fixture_of(void)
{
	return (struct fixture){ .s = { .native_left = { .bytes = 0 } } };
}

/* A connection to port `port`, with so much of its own. */
static struct snap_fd *add(struct fixture *f, uint16_t port, uint64_t bytes, enum native_how how)
{
	struct snap_fd *fd = &f->fd[f->s.fd_count++];

	*fd = (struct snap_fd){ .fact = { .fd = (int32_t)f->s.fd_count,
					  .kind = FD_SOCKET,
					  .inode = 100 + f->s.fd_count,
					  .family = AF_INET,
					  .peer_port = port,
					  .kernel_bytes = FACT_UNKNOWN,
					  .native = { .bytes = bytes, .count = 1, .how = how } },
				.site_id = port };
	f->s.fds = f->fd;
	return fd;
}

static void open_connections_are_summed_up_measured_or_not(void **state)
{
	struct fixture f = fixture_of();
	struct native_sum sum;
	uint64_t count;

	(void)state;
	add(&f, 5432, 1000, NATIVE_WHOLE);
	add(&f, 5432, 500, NATIVE_PART);
	add(&f, 5432, 0, NATIVE_UNKNOWN);
	add(&f, 5432, 70, NATIVE_WHOLE)->fact.listening = true;
	add(&f, 5432, 70, NATIVE_WHOLE)->fact.datagram = true;
	add(&f, 5432, 70, NATIVE_WHOLE)->fact.kind = FD_FILE;
	sum = descriptors_native_sum(&f.s, &count);
	assert_int_equal(count, 3);
	assert_int_equal(sum.measured, 2);
	assert_int_equal(sum.whole, 1);
	assert_int_equal(sum.bytes, 1500);
	assert_true(sum.error_bytes == 0);
}

static void errors_add_up_as_independent_ones_do(void **state)
{
	struct fixture f = fixture_of();
	struct native_sum sum;
	uint64_t count;

	(void)state;
	add(&f, 80, 1000, NATIVE_WHOLE)->fact.native.error_bytes = 30;
	add(&f, 80, 1000, NATIVE_WHOLE)->fact.native.error_bytes = 40;
	sum = descriptors_native_sum(&f.s, &count);
	assert_true(fabs(sum.error_bytes - 50) < 1e-6);
}

static void those_that_hold_most_come_first_and_no_more_than_are_told(void **state)
{
	struct fixture f = fixture_of();
	size_t largest[DESCRIPTORS_LARGEST_MAX];

	(void)state;
	assert_int_equal(descriptors_largest(&f.s, largest), 0);
	for (uint64_t i = 0; i < 30; i++) /* in no order */
		add(&f, 80, 1 + i * 7 % 30, i == 29 ? NATIVE_UNKNOWN : NATIVE_PART);
	add(&f, 80, 0, NATIVE_WHOLE);
	assert_int_equal(descriptors_largest(&f.s, largest), DESCRIPTORS_LARGEST_MAX);
	for (uint64_t i = 0, bytes = 30; i < DESCRIPTORS_LARGEST_MAX; i++, bytes--) {
		bytes -= bytes == 1 + 29 * 7 % 30; /* the unknown one */
		assert_int_equal(f.fd[largest[i]].fact.native.bytes, bytes);
	}
}

static void a_kind_has_the_native_memory_of_its_own(void **state)
{
	struct descriptors_row row[DESCRIPTORS_KINDS_MAX];
	struct fixture f = fixture_of();

	(void)state;
	add(&f, 5432, 1000, NATIVE_WHOLE);
	add(&f, 5432, 3000, NATIVE_PART);
	add(&f, 6379, 70, NATIVE_WHOLE);
	assert_int_equal(descriptors_count(&f.s, row), 2);
	assert_string_equal(row[0].kind, "postgresql");
	assert_int_equal(row[0].native.bytes, 4000);
	assert_int_equal(row[0].native.whole, 1);
	assert_int_equal(row[1].native.bytes, 70);
}

static void a_leak_has_that_of_the_connections_its_sites_opened(void **state)
{
	const struct finding_path path = { .site_id = 5432 };
	struct descriptors_held held;
	struct fixture f = fixture_of();

	(void)state;
	add(&f, 5432, 1000, NATIVE_WHOLE);
	add(&f, 5432, 0, NATIVE_UNKNOWN);
	add(&f, 6379, 70, NATIVE_WHOLE);
	descriptors_of_sites(&f.s, &path, 1, &held);
	assert_int_equal(held.count, 2);
	assert_int_equal(held.native.measured, 1);
	assert_int_equal(held.native.bytes, 1000);
}

static void it_is_surer_the_more_went_with_those_that_were_closed(void **state)
{
	struct fixture f = fixture_of();
	struct native_left *l = &f.s.native_left;
	double before = descriptors_native_confidence(&f.s), gone, half, stayed;

	(void)state;
	*l = (struct native_left){ .closed = 2, .closed_bytes = 1000 };
	assert_true(descriptors_native_confidence(&f.s) == before); /* too few */
	l->closed = 10;
	gone = descriptors_native_confidence(&f.s);
	l->bytes = 500;
	half = descriptors_native_confidence(&f.s);
	l->bytes = 5000; /* a store: more than they held when they were seen last */
	stayed = descriptors_native_confidence(&f.s);
	assert_true(gone > before && gone > half && half > stayed && stayed < before);
	assert_true(gone <= 1 && stayed > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(open_connections_are_summed_up_measured_or_not),
		cmocka_unit_test(errors_add_up_as_independent_ones_do),
		cmocka_unit_test(those_that_hold_most_come_first_and_no_more_than_are_told),
		cmocka_unit_test(a_kind_has_the_native_memory_of_its_own),
		cmocka_unit_test(a_leak_has_that_of_the_connections_its_sites_opened),
		cmocka_unit_test(it_is_surer_the_more_went_with_those_that_were_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
