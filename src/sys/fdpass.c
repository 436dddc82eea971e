#include "sys/fdpass.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

union control {
	struct cmsghdr head;
	char bytes[CMSG_SPACE(FDPASS_MAX * sizeof(int))];
};

int fdpass_send(int socket, const void *bytes, size_t len, const int *fd, size_t n, int flags)
{
	struct iovec part = { (void *)bytes, len };
	struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1 };
	union control control = {};
	ssize_t sent;

	if (n > FDPASS_MAX)
		return -EINVAL;
	if (n) {
		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(n * sizeof(int));
		control.head = (struct cmsghdr){ .cmsg_len = CMSG_LEN(n * sizeof(int)),
						 .cmsg_level = SOL_SOCKET,
						 .cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(&control.head), fd, n * sizeof(int));
	}
	do
		sent = sendmsg(socket, &m, flags | MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

ssize_t fdpass_receive(int socket, void *ret, size_t size, int fd[static FDPASS_MAX], int flags)
{
	struct iovec part = { ret, size };
	union control control = {};
	struct msghdr m = { .msg_iov = &part,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control) };
	const struct cmsghdr *h;
	ssize_t got;

	do
		got = recvmsg(socket, &m, flags | MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	for (size_t i = 0; i < FDPASS_MAX; i++)
		fd[i] = -1;
	h = CMSG_FIRSTHDR(&m);
	if (h && h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(h), h->cmsg_len - CMSG_LEN(0)); /* no room for more */
	return got;
}
