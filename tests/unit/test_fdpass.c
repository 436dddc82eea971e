/* Descriptors go along with packets. */
#include "sys/fdpass.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static int make_pair(void **state)
{
	static int pair[2];

	*state = pair;
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
}

static int close_pair(void **state)
{
	const int *pair = *state;

	close(pair[0]);
	return close(pair[1]);
}

static void descriptors_come_with_the_packet_they_were_sent_with(void **state)
{
	int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), fd[FDPASS_MAX];
	const int *pair = *state, sent[2] = { root, root };
	struct stat a, b;
	char byte;

	for (size_t n = 0; n <= FDPASS_MAX; n++)
		assert_int_equal(fdpass_send(pair[0], "012" + n, 1, sent, n, 0), 0);
	for (size_t n = 0; n <= FDPASS_MAX; n++) {
		assert_int_equal(fdpass_receive(pair[1], &byte, 1, fd, 0), 1);
		assert_int_equal(byte, '0' + n);
		for (size_t i = 0; i < FDPASS_MAX; i++) {
			assert_int_equal(fd[i] >= 0, i < n);
			if (fd[i] < 0)
				continue;
			assert_int_equal(fcntl(fd[i], F_GETFD), FD_CLOEXEC);
			assert_int_equal(fstat(root, &a) + fstat(fd[i], &b), 0);
			assert_true(a.st_ino == b.st_ino && a.st_dev == b.st_dev);
			close(fd[i]);
		}
	}
	close(root);
}

static void the_end_and_an_empty_socket_are_told(void **state)
{
	int *pair = *state, fd[FDPASS_MAX];
	const int none[FDPASS_MAX + 1] = { 0 };
	char byte;

	assert_int_equal(fdpass_receive(pair[1], &byte, 1, fd, MSG_DONTWAIT), -EAGAIN);
	assert_int_equal(fdpass_send(pair[0], "x", 1, none, FDPASS_MAX + 1, 0), -EINVAL);
	close(pair[0]);
	pair[0] = fcntl(pair[1], F_DUPFD_CLOEXEC, 3);
	assert_int_equal(fdpass_receive(pair[1], &byte, 1, fd, 0), 0);
	assert_int_equal(fdpass_send(pair[1], "x", 1, NULL, 0, 0), -EPIPE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			descriptors_come_with_the_packet_they_were_sent_with, make_pair,
			close_pair),
		cmocka_unit_test_setup_teardown(the_end_and_an_empty_socket_are_told, make_pair,
						close_pair),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
