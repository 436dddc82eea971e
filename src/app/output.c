/* Opening, flushing and explaining the one output of a run. */
#include "app/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int open_file(struct output *o, const char *path, struct err *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0)
		return err_set(err, -EIO, "cannot write to %s (%s)", path, strerror(errno));
	o->file = fdopen(fd, "w");
	if (!o->file) {
		close(fd);
		return -ENOMEM;
	}
	return 0;
}

/* https://no-color.org: any value, as long as it is not empty, means no colour. */
static bool wants_colour(const struct output *o)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(fileno(o->file)) && !(no && *no) && term && strcmp(term, "dumb") != 0;
}

int output_open(struct output *o, const struct opts *opts, struct err *err)
{
	struct sink_cfg cfg = { .host = o->host, .top = opts->top };
	int r = 0;

	snprintf(o->name, sizeof(o->name), "%s", opts->output ? opts->output : "standard output");
	if (gethostname(o->host, sizeof(o->host) - 1))
		o->host[0] = 0;
	o->file = stdout;
	if (opts->output)
		r = open_file(o, opts->output, err);
	if (r)
		return r;
	cfg.out = o->file;
	cfg.colour = wants_colour(o);
	return sink_new(opts->json ? &sink_jsonl : &sink_text, &cfg, &o->sink);
}

int output_flush(struct output *o)
{
	if (!o->file)
		return 0;
	if (fflush(o->file) || ferror(o->file))
		return errno ? -errno : -EIO;
	return 0;
}

const char *output_explain(struct output *o, int error)
{
	if (error == -EPIPE)
		snprintf(o->text, sizeof(o->text), "%s was closed by its reader; tracing ended",
			 o->name);
	else
		snprintf(o->text, sizeof(o->text), "cannot write to %s (%s); tracing ended",
			 o->name, strerror(-error));
	return o->text;
}

void output_close(struct output *o)
{
	sink_free(o->sink);
	o->sink = NULL;
	if (o->file && o->file != stdout)
		fclose(o->file);
	o->file = NULL;
}
