/* Opening, flushing and explaining the one output of a run. */
#include "app/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "profile/profile.h"

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
bool output_wants_colour(FILE *f)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(fileno(f)) && !(no && *no) && term && strcmp(term, "dumb") != 0;
}

size_t output_columns(FILE *f)
{
	struct winsize size;

	return ioctl(fileno(f), TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 72;
}

/* Puts the gathering of call paths before the sink. */
static int open_graphs(struct output *o, const struct opts *opts, struct err *err)
{
	struct sink_cfg cfg = {};
	int r = graphs_open(&o->graphs, opts, err);

	if (r < 0 || !o->graphs.any)
		return r;
	r = profile_new(&o->profile);
	if (r < 0)
		return r;
	o->told = steal(o->sink);
	cfg.profile = o->profile;
	cfg.next = o->told;
	return sink_new(&sink_profile, &cfg, &o->sink);
}

int output_open(struct output *o, const struct opts *opts, struct err *err)
{
	struct sink_cfg cfg = { .host = o->host, .top = opts->top, .ledger = opts->ledger };
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
	cfg.colour = output_wants_colour(o->file);
	r = sink_new(opts->json ? &sink_jsonl : &sink_text, &cfg, &o->sink);
	return r < 0 ? r : open_graphs(o, opts, err);
}

int output_write_graphs(struct output *o, struct err *err)
{
	if (!o->profile)
		return 0;
	profile_settle(o->profile);
	return graphs_write(&o->graphs, o->profile, err);
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
	sink_free(o->told);
	profile_free(o->profile);
	graphs_close(&o->graphs);
	o->sink = o->told = NULL;
	o->profile = NULL;
	if (o->file && o->file != stdout)
		fclose(o->file);
	o->file = NULL;
}
