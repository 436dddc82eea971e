/* Waiting for input and for signals at once, so that Ctrl-C ends a stream in order. */
#include "app/analyze_input.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

static ssize_t read_or_stop(void *ctx, void *buf, size_t size)
{
	struct analyze_input *in = ctx;
	struct pollfd p[] = { { .fd = in->fd, .events = POLLIN },
			      { .fd = in->signal_fd, .events = POLLIN } };
	int n;

	do
		n = poll(p, 2, in->idle_ms);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (p[1].revents) {
		in->stopped = true;
		return 0;
	}
	return n == 0 ? -EAGAIN : input_read_fd(&in->fd, buf, size);
}

int analyze_open(const char *file, size_t line_max, int signal_fd, struct analyze_input *ret,
		 struct err *err)
{
	bool piped = !strcmp(file, "-");

	*ret = (struct analyze_input){ .name = piped ? "standard input" : file,
				       .what = "a record",
				       .fd = -1,
				       .signal_fd = signal_fd,
				       .idle_ms = -1 };
	if (piped && isatty(STDIN_FILENO))
		return err_set(err, -EINVAL,
			       "nothing to read; give a recording, as in 'memtrace analyze "
			       "trace.jsonl', or pipe 'memtrace --json' into it");
	ret->fd = piped ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
			: open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (ret->fd < 0)
		return err_set(err, -EIO, "cannot read %s (%s)", ret->name, strerror(errno));
	return input_new(line_max, read_or_stop, ret, &ret->lines);
}

void analyze_close(struct analyze_input *in)
{
	if (in->refused > ANALYZE_NAMED_MAX)
		log_warn("%s: %llu lines in all were left out", in->name,
			 (unsigned long long)in->refused);
	in->refused = 0;
	input_free(in->lines);
	in->lines = NULL;
	if (in->fd >= 0)
		close(in->fd);
	in->fd = -1;
}

/* What other systems put around a line. */
static void strip(struct input_line *line)
{
	static const char mark[] = "\xef\xbb\xbf";

	if (line->number == 1 && line->len >= 3 && !memcmp(line->bytes, mark, 3)) {
		line->bytes += 3;
		line->len -= 3;
	}
	if (line->len && line->bytes[line->len - 1] == '\r')
		line->len--;
}

int analyze_next(struct analyze_input *in, struct input_line *ret, struct err *err)
{
	int r;

	do {
		r = input_next(in->lines, ret);
		if (r > 0)
			strip(ret);
	} while (r > 0 && ret->len == 0 && !ret->too_long);
	if (r < 0 && r != -ENOMEM && r != -EAGAIN)
		return err_set(err, -EIO, "%s: cannot read (%s)", in->name, strerror(-r));
	return r;
}

void analyze_refuse(struct analyze_input *in, const struct input_line *line, const char *why)
{
	if (in->refused++ < ANALYZE_NAMED_MAX)
		log_warn("%s: line %llu is not %s and was left out: %s", in->name,
			 (unsigned long long)line->number, in->what, why);
}

int analyze_parse(struct analyze_input *in, const struct input_line *line, json_t **ret)
{
	json_t *o = NULL;
	int r = line->too_long ? -EBADMSG : json_parse_lenient(line->bytes, line->len, &o, in->why);

	if (r == 0 && json_is_object(o)) {
		*ret = o;
		return 0;
	}
	if (r == -ENOMEM)
		return r;
	analyze_refuse(in, line,
		       line->too_long ? "it is too long"
		       : o	      ? "no JSON object"
				      : in->why);
	json_decref(o);
	return -EBADMSG;
}
