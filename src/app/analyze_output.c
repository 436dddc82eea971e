/* Pieces of a page: when a pipe is said to be writable, that much does not block. */
#include "app/analyze_output.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <unistd.h>

#define PIECE 4096

/* 0 when there is room. */
static int wait_for_room(const struct analyze_output *o)
{
	struct pollfd p[] = { { .fd = o->fd, .events = POLLOUT },
			      { .fd = o->signal_fd, .events = POLLIN } };
	bool ending = false;
	int n;

	for (;;) {
		n = poll(p, ending ? 1 : 2, ending ? ANALYZE_GRACE_MS : -1);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0 && p[0].revents)
			return 0;
		if (n == 0)
			return -EINTR;
		ending |= n > 0;
	}
}

static ssize_t write_some(void *ctx, const char *bytes, size_t size)
{
	struct analyze_output *o = ctx;
	size_t done = 0;
	ssize_t n;
	int r;

	while (done < size) {
		r = o->error ? o->error : wait_for_room(o);
		n = r < 0 ? -1
			  : write(o->fd, bytes + done, size - done < PIECE ? size - done : PIECE);
		if (r < 0)
			errno = -r;
		else if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0) {
			o->error = n < 0 ? -errno : -EIO;
			break;
		}
		done += (size_t)n;
	}
	return (ssize_t)done; /* fewer: it failed */
}

int analyze_output_open(struct analyze_output *o, FILE **ret)
{
	const cookie_io_functions_t io = { .write = write_some };
	FILE *f = fopencookie(o, "w", io);

	if (!f)
		return -ENOMEM;
	*ret = f;
	return 0;
}
