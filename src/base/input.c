/* One buffer that grows with the longest line so far; what was given out is dropped at a refill. */
#include "base/input.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIECE 65536 /* bytes: the first buffer, and room made for each reading */

struct input {
	input_read_fn read;
	void *ctx; /* borrowed */
	size_t max;
	char *buf;		      /* owned */
	size_t begin, seen, end, cap; /* the line, what was searched for its end, what was read */
	uint64_t count;
	bool skipping; /* within a line that is too long */
	bool finished;
};

int input_new(size_t max, input_read_fn read, void *ctx, struct input **ret)
{
	struct input *in = calloc(1, sizeof(*in));

	if (!in)
		return -ENOMEM;
	in->max = max;
	in->read = read;
	in->ctx = ctx;
	*ret = in;
	return 0;
}

void input_free(struct input *in)
{
	if (in)
		free(in->buf);
	free(in);
}

void input_freep(struct input **in)
{
	input_free(*in);
}

uint64_t input_count(const struct input *in)
{
	return in->count;
}

/* Room for PIECE more bytes at the end of the buffer. */
static int make_room(struct input *in)
{
	size_t held = in->end - in->begin, cap = in->cap;
	char *buf;

	if (in->begin) {
		memmove(in->buf, in->buf + in->begin, held);
		in->seen -= in->begin;
		in->end = held;
		in->begin = 0;
	}
	if (cap - in->end >= PIECE)
		return 0;
	cap = cap ? cap * 2 : 2 * PIECE;
	buf = realloc(in->buf, cap);
	if (!buf)
		return -ENOMEM;
	in->buf = buf;
	in->cap = cap;
	return 0;
}

/* Reads more; 0 at the end of the input. */
static int refill(struct input *in)
{
	ssize_t n;
	int r;

	if (in->end - in->begin > in->max) {
		in->skipping = true;
		in->begin = in->seen = in->end = 0;
	}
	r = make_room(in);
	if (r < 0)
		return r;
	n = in->read(in->ctx, in->buf + in->end, PIECE);
	if (n < 0)
		return (int)n;
	in->finished = n == 0;
	in->end += (size_t)n;
	return n > 0;
}

static int give(struct input *in, size_t len, size_t skip, struct input_line *ret)
{
	bool too_long = in->skipping || len > in->max;

	*ret = (struct input_line){ .bytes = too_long ? "" : in->buf + in->begin,
				    .len = too_long ? 0 : len,
				    .number = ++in->count,
				    .too_long = too_long };
	in->skipping = false;
	in->begin += len + skip;
	in->seen = in->begin;
	return 1;
}

int input_next(struct input *in, struct input_line *ret)
{
	const char *end;
	int r = 1;

	while (r > 0) {
		end = in->seen < in->end ? memchr(in->buf + in->seen, '\n', in->end - in->seen)
					 : NULL;
		if (end)
			return give(in, (size_t)(end - in->buf) - in->begin, 1, ret);
		in->seen = in->end;
		r = in->finished ? 0 : refill(in);
	}
	if (r == 0 && (in->end > in->begin || in->skipping)) /* cut off, or without an end */
		return give(in, in->end - in->begin, 0, ret);
	return r;
}

ssize_t input_read_file(void *ctx, void *buf, size_t size)
{
	size_t n;

	errno = 0;
	n = fread(buf, 1, size, ctx);
	if (n == 0 && ferror((FILE *)ctx))
		return errno ? -errno : -EIO;
	return (ssize_t)n;
}

ssize_t input_read_fd(void *ctx, void *buf, size_t size)
{
	const int *fd = ctx;
	struct pollfd p = { .fd = *fd, .events = POLLIN };
	ssize_t n;

	while ((n = read(*fd, buf, size)) < 0) {
		if (errno == EAGAIN)
			poll(&p, 1, -1);
		else if (errno != EINTR)
			return -errno;
	}
	return n;
}
