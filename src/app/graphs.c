/* One row per format; a further one is a row here, an option and a function of render.h. */
#include "app/graphs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "profile/render.h"

enum { GRAPH_FOLDED, GRAPH_SVG, GRAPH_PPROF };

static int open_one(struct graph *g, const char *name, struct err *err)
{
	int fd;

	g->name = name;
	if (!name)
		return 0;
	if (!strcmp(name, "-")) {
		g->file = stdout;
		return 0;
	}
	fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		return err_set(err, -EIO, "cannot write to %s (%s)", name, strerror(errno));
	g->file = fdopen(fd, "w");
	if (!g->file) {
		close(fd);
		return err_set(err, -ENOMEM, "cannot write to %s (%s)", name, strerror(ENOMEM));
	}
	return 0;
}

int graphs_open(struct graphs *g, const struct opts *opts, struct err *err)
{
	int r;

	*g = (struct graphs){ .value = opts->value,
			      .any = opts->folded || opts->svg || opts->pprof };
	r = open_one(&g->list[GRAPH_FOLDED], opts->folded, err);
	if (r == 0)
		r = open_one(&g->list[GRAPH_SVG], opts->svg, err);
	if (r == 0)
		r = open_one(&g->list[GRAPH_PPROF], opts->pprof, err);
	if (r < 0)
		graphs_close(g);
	return r;
}

static int write_one(const struct graphs *g, int which, const struct profile *p)
{
	FILE *f = g->list[which].file;

	switch (which) {
	case GRAPH_FOLDED: return render_folded(f, p, g->value);
	case GRAPH_SVG: return render_svg(f, p);
	case GRAPH_PPROF: return render_pprof(f, p);
	}
	return -EINVAL;
}

int graphs_write(struct graphs *g, const struct profile *p, struct err *err)
{
	int i, r, first = 0;

	for (i = 0; i < GRAPHS_MAX; i++) {
		if (!g->list[i].file)
			continue;
		r = write_one(g, i, p);
		if (r < 0 && !first)
			first = err_set(err, r, "cannot write to %s (%s)",
					!strcmp(g->list[i].name, "-") ? "standard output"
								      : g->list[i].name,
					strerror(-r));
	}
	return first;
}

void graphs_close(struct graphs *g)
{
	int i;

	for (i = 0; i < GRAPHS_MAX; i++) {
		if (g->list[i].file && g->list[i].file != stdout)
			fclose(g->list[i].file);
		g->list[i].file = NULL;
	}
}
