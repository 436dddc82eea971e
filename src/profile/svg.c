/*
 * A flame graph in one SVG file, the outermost function on top. Positions are percentages of the
 * width, so that the script (flame.js, embedded) zooms and follows the window by two attributes per
 * box. Without the script both graphs stand below each other. Names come from the traced process:
 * they enter the document only through label_xml(), as text.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "base/str.h"
#include "flame.h" /* made from flame.js: flame_text */
#include "profile/render.h"
#include "profile/tree.h"

#define WIDTH 1200
#define MARGIN 16
#define INNER (WIDTH - 2 * MARGIN)
#define ROW 18
#define CHAR_WIDTH 7.23 /* of a monospace font of 12 px */
#define NOTES_MAX 8
#define NOTE_CHARS 170
#define NARROW 3      /* a border would hide a box of fewer pixels */
#define LABEL_MAX 160 /* characters of a label that can ever fit */
#define MIN_SHARE 0.0005
#define BOXES_MAX 6000

static const char style[] =
	"text{font:12px system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif;fill:#222}\n"
	".b text,.code{font-family:ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace}\n"
	".b text{fill:#1a1a1a}\n"
	".bg{fill:#fff} .dim{fill:#666} .title{font-size:18px;font-weight:600}\n"
	".head{font-size:14px;font-weight:600}\n"
	".b rect{stroke:#fff;stroke-width:1} .b .n{stroke:none} .b{cursor:pointer}\n"
	".b:hover rect{stroke:#000} .hit rect{fill:#d43fd4} .hit text{fill:#fff}\n"
	".c0{fill:#f2a65a} .c1{fill:#8fbbe3} .c2{fill:#c3ccd6} .c3{fill:#94d09a}\n"
	".c4{fill:#c9abe3} .c5{fill:#ec9a94} .c6{fill:#e6e2da}\n"
	"#controls g{cursor:pointer} #controls rect{fill:none;stroke:#999}\n"
	"#controls .on rect{fill:#2563a8;stroke:#2563a8} #controls .on text{fill:#fff}\n"
	"@media (prefers-color-scheme:dark){\n"
	"svg:root{background:#16181c} text{fill:#e4e4e4} .bg{fill:#16181c} .dim{fill:#a0a0a0}\n"
	".b rect{stroke:#16181c} .c6{fill:#8f929a}\n"
	".b text{fill:#111} .b:hover rect{stroke:#fff} .hit text{fill:#fff}}\n";

/* Where the text goes; remembers that there was no memory for some of it. */
struct pen {
	FILE *f;
	int error;
};

struct drawing {
	const struct profile *p;
	struct pen *pen;
	const struct tree *t; /* of the graph being drawn */
	double min_share;
	bool write; /* otherwise boxes are only counted */
	size_t boxes;
	size_t merged; /* nodes that are part of a box for several, or too small for one */
	uint32_t rows; /* deepest row with a box, plus 1 */
};

/* Two passes over a tree: one counts, one writes. */
struct graph {
	struct tree t;
	const char *unit;
	double min_share;
	size_t merged;
	uint32_t rows;
};

static void put_xml(struct pen *pen, const char *text)
{
	auto_strbuf struct strbuf b = {};

	if (label_xml(&b, text) < 0)
		pen->error = -ENOMEM;
	fputs(strbuf_text(&b), pen->f);
}

/* Bytes of the first `chars` characters of UTF-8 text. */
static size_t bytes_of(const char *text, size_t chars)
{
	size_t i;

	for (i = 0; text[i]; i++)
		if (((unsigned char)text[i] & 0xc0) != 0x80 && chars-- == 0)
			break;
	return i;
}

/* Text cut to `chars` characters. */
static void put_cut(struct pen *pen, const char *text, size_t chars)
{
	auto_strbuf struct strbuf b = {};

	if (!text[bytes_of(text, chars)]) {
		put_xml(pen, text);
		return;
	}
	strbuf_add_bytes(&b, text, bytes_of(text, chars - 1));
	if (strbuf_add(&b, "\xe2\x80\xa6") < 0)
		pen->error = -ENOMEM;
	put_xml(pen, strbuf_text(&b));
}

/* --- boxes ------------------------------------------------------------------------------------ */

struct place {
	double x, w; /* shares of the width */
	uint32_t row;
};

static void put_box_head(struct drawing *d, const struct place *at)
{
	fprintf(d->pen->f,
		"<svg class=\"b\" x=\"%.5f%%\" y=\"%u\" width=\"%.5f%%\" height=\"%d\"><title>",
		at->x * 100, at->row * ROW, at->w * 100, ROW);
}

/* "4.1 MB (4084224 bytes), 36 % of all, 7977 blocks" */
static void put_figures(struct drawing *d, uint64_t bytes, uint64_t count, double share)
{
	char text[NUM_TEXT_BYTES];

	fprintf(d->pen->f, "%s (%" PRIu64 " bytes), %.3g %% of all", num_format_bytes(bytes, text),
		bytes, share * 100);
	if (count)
		fprintf(d->pen->f, ", %" PRIu64 " %s", count, count == 1 ? "block" : "blocks");
}

static void put_box_end(struct drawing *d, const struct place *at, enum label_colour colour,
			const char *label)
{
	double room = (at->w * INNER - 8) / CHAR_WIDTH;

	fprintf(d->pen->f, "</title><rect class=\"c%d%s\" width=\"100%%\" height=\"100%%\"/>",
		colour, at->w * INNER < NARROW ? " n" : "");
	if (room >= 3) {
		fputs("<text x=\"4\" y=\"13\">", d->pen->f);
		put_cut(d->pen, label, room < LABEL_MAX ? (size_t)room : LABEL_MAX);
		fputs("</text>", d->pen->f);
	}
	fputs("</svg>\n", d->pen->f);
}

static void put_node(struct drawing *d, const struct tree_node *n, const struct place *at)
{
	const char *label = intern_text(&d->t->text, n->label);
	const char *module = intern_text(&d->p->text, n->module);

	if (n->parent == TREE_NONE)
		label = "all";
	put_box_head(d, at);
	put_xml(d->pen, label);
	if (*module && strncmp(label, module, strlen(module))) {
		fputs("\n", d->pen->f);
		put_xml(d->pen, module);
	}
	fputs("\n", d->pen->f);
	put_figures(d, n->total, n->count, at->w);
	if (n->self && n->self != n->total) {
		char text[NUM_TEXT_BYTES];

		fprintf(d->pen->f, "\n%s of it directly here", num_format_bytes(n->self, text));
	}
	put_box_end(d, at, n->colour, label);
}

/* Several siblings that are too small for boxes of their own. */
struct rest {
	uint64_t total, count;
	size_t nodes;
};

static void put_rest(struct drawing *d, const struct rest *rest, const struct place *at)
{
	char label[64];

	d->merged += rest->nodes;
	if (at->w < d->min_share)
		return;
	d->boxes++;
	if (at->row >= d->rows)
		d->rows = at->row + 1;
	if (!d->write)
		return;
	snprintf(label, sizeof(label), "%zu smaller", rest->nodes);
	put_box_head(d, at);
	fprintf(d->pen->f, "%s\n", label);
	put_figures(d, rest->total, rest->count, at->w);
	put_box_end(d, at, LABEL_NOTE, label);
}

static double share_of(const struct drawing *d, uint64_t bytes)
{
	return (double)bytes / (double)d->t->nodes[TREE_ROOT].total;
}

/* Draws a node and what is below it; the depth of the tree is bounded by PROFILE_FRAMES_MAX. */
static void draw(struct drawing *d, uint32_t node, const struct place *at)
{
	const struct tree_node *n = &d->t->nodes[node];
	struct place below = { at->x, 0, at->row + 1 };
	struct rest rest = {};
	uint32_t c;

	d->boxes++;
	if (at->row >= d->rows)
		d->rows = at->row + 1;
	if (d->write)
		put_node(d, n, at);
	for (c = n->child; c != TREE_NONE; c = d->t->nodes[c].next) {
		below.w = share_of(d, d->t->nodes[c].total);
		if (below.w < d->min_share) {
			rest.total = profile_plus(rest.total, d->t->nodes[c].total);
			rest.count = profile_plus(rest.count, d->t->nodes[c].count);
			rest.nodes++;
			continue;
		}
		draw(d, c, &below);
		below.x += below.w;
	}
	below.w = share_of(d, rest.total);
	if (rest.nodes)
		put_rest(d, &rest, &below);
}

static void draw_all(struct drawing *d)
{
	const struct place all = { 0, 1, 0 };

	d->boxes = d->merged = 0;
	d->rows = 0;
	draw(d, TREE_ROOT, &all);
}

/* Builds the tree and finds the smallest share that still gets a box. */
static int plan(const struct profile *p, enum profile_value value, struct graph *g)
{
	struct drawing d = { .p = p, .t = &g->t };
	int r;

	r = tree_build(p, value, TREE_PLAIN, &g->t);
	if (r == 0)
		r = tree_sort(&g->t, false);
	if (r < 0 || !g->t.nodes[TREE_ROOT].total)
		return r;
	for (d.min_share = MIN_SHARE; d.min_share < 1; d.min_share *= 2) {
		draw_all(&d);
		if (d.boxes <= BOXES_MAX)
			break;
	}
	g->min_share = d.min_share;
	g->merged = d.merged;
	g->rows = d.rows;
	return r;
}

/* --- the page
 * ------------------------------------------------------------------------------------- */

struct page {
	const struct profile *p;
	struct pen *pen;
	struct graph graph[2]; /* live, growing */
	char *notes;	       /* owned: lines */
	int y;
};

static uint32_t graph_height(const struct graph *g)
{
	return 30 + (g->rows ? g->rows * ROW : 20) + (g->merged ? 20 : 0);
}

static void put_title(struct page *pg)
{
	const struct profile *p = pg->p;

	fprintf(pg->pen->f, "<text class=\"title\" x=\"%d\" y=\"%d\">Memory of ", MARGIN,
		pg->y + 30);
	if (p->process_count == 1) {
		put_xml(pg->pen, intern_text(&p->text, p->processes[0].comm));
		fprintf(pg->pen->f, " (pid %u)", p->processes[0].pid);
	} else {
		fprintf(pg->pen->f, "%zu processes", p->process_count);
	}
	fputs(" by call path</text>\n", pg->pen->f);
	pg->y += 30;
}

static void put_line(struct page *pg, const char *class, const char *text)
{
	pg->y += 18;
	fprintf(pg->pen->f, "<text class=\"%s\" x=\"%d\" y=\"%d\">", class, MARGIN, pg->y);
	put_cut(pg->pen, text, NOTE_CHARS);
	fputs("</text>\n", pg->pen->f);
}

static void put_notes(struct page *pg)
{
	char *line, *rest = NULL;
	int n = 0;

	put_line(pg, "dim",
		 "Each box is a function; it stands below the one that called it, and its width is "
		 "the bytes that it and those below it asked for.");
	for (line = strtok_r(pg->notes, "\n", &rest); line && n++ < NOTES_MAX;
	     line = strtok_r(NULL, "\n", &rest))
		put_line(pg, "dim", line);
}

static void put_legend(struct page *pg)
{
	static const struct {
		enum label_colour colour;
		const char *name;
	} rows[] = {
		{ LABEL_APPLICATION, "the program" },
		{ LABEL_LIBRARY, "libraries" },
		{ LABEL_SYSTEM, "C and C++ runtime" },
		{ LABEL_JIT, "generated code" },
		{ LABEL_INTERPRETED, "interpreted" },
		{ LABEL_KERNEL, "kernel" },
		{ LABEL_NOTE, "no code" },
	};
	int x = MARGIN;

	pg->y += 26;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		fprintf(pg->pen->f,
			"<rect class=\"c%d\" x=\"%d\" y=\"%d\" width=\"12\" height=\"12\"/>"
			"<text x=\"%d\" y=\"%d\">%s</text>\n",
			rows[i].colour, x, pg->y - 10, x + 18, pg->y, rows[i].name);
		x += 40 + 7 * (int)strlen(rows[i].name);
	}
}

static void put_button(struct page *pg, const char *id, int x, int y, int width, const char *text)
{
	fprintf(pg->pen->f,
		"<g id=\"%s\" role=\"button\" tabindex=\"0\"><rect x=\"%d\" y=\"%d\" width=\"%d\" "
		"height=\"22\" rx=\"4\" pointer-events=\"all\"/><text x=\"%d\" y=\"%d\" "
		"text-anchor=\"middle\">%s</text></g>\n",
		id, x, y - 16, width, x + width / 2, y, text);
}

/* Only of use with the script, which shows them: at the right of the title. */
static void put_controls(struct page *pg, int title_y)
{
	fputs("<g id=\"controls\" style=\"display:none\">\n", pg->pen->f);
	put_button(pg, "tab0", 736, title_y, 116, "held at the end");
	put_button(pg, "tab1", 856, title_y, 96, "what grew");
	put_button(pg, "search", 976, title_y, 100, "search  /");
	put_button(pg, "reset", 1080, title_y, 104, "reset  Esc");
	pg->y += 22;
	fprintf(pg->pen->f, "<text id=\"detail\" class=\"code\" x=\"%d\" y=\"%d\"></text>\n</g>\n",
		MARGIN, pg->y);
}

static const char *nothing(const struct page *pg, int which)
{
	const struct profile_notes *n = &pg->p->notes;

	if (which == 0)
		return "No call path that holds memory was recorded.";
	if (n->current && n->told_once == n->current)
		return "Not known: every call path was recorded once only.";
	return "Nothing: no call path holds more than when it was recorded first.";
}

static void put_heading(struct page *pg, int which, int y)
{
	const struct tree_node *root = &pg->graph[which].t.nodes[TREE_ROOT];
	char bytes[NUM_TEXT_BYTES], count[NUM_TEXT_BYTES], span[NUM_TEXT_BYTES];

	fprintf(pg->pen->f, "<text class=\"head\" x=\"%d\" y=\"%d\">", MARGIN, y + 16);
	if (which == 0)
		fprintf(pg->pen->f, "Held at the end: %s in %s blocks",
			num_format_bytes(root->total, bytes), num_format_count(root->count, count));
	else
		fprintf(pg->pen->f, "What grew: %s more than at the first report, %s earlier",
			num_format_bytes(root->total, bytes),
			num_format_seconds(pg->p->notes.span_s, span));
	fputs("</text>\n", pg->pen->f);
}

static void put_graph(struct page *pg, int which)
{
	struct graph *g = &pg->graph[which];
	struct drawing d = {
		.p = pg->p, .pen = pg->pen, .t = &g->t, .min_share = g->min_share, .write = true
	};
	int y = pg->y;

	fprintf(pg->pen->f, "<g id=\"s%d\" data-y=\"%d\" data-h=\"%u\">\n", which, y,
		graph_height(g));
	put_heading(pg, which, y);
	y += 26;
	if (g->rows) {
		fprintf(pg->pen->f, "<svg x=\"%d\" y=\"%d\" width=\"%d\" height=\"%u\">\n", MARGIN,
			y, INNER, g->rows * ROW);
		draw_all(&d);
		fputs("</svg>\n", pg->pen->f);
		y += (int)g->rows * ROW;
	} else {
		fprintf(pg->pen->f, "<text class=\"dim\" x=\"%d\" y=\"%d\">%s</text>\n", MARGIN,
			y + 14, nothing(pg, which));
	}
	if (g->merged)
		fprintf(pg->pen->f,
			"<text class=\"dim\" x=\"%d\" y=\"%d\">%zu functions below %.2g %% of all "
			"are merged into boxes \"N smaller\" or left out with what they "
			"call.</text>\n",
			MARGIN, y + 16, g->merged, g->min_share * 100);
	fputs("</g>\n", pg->pen->f);
	pg->y += (int)graph_height(g) + 14;
}

static size_t lines_of(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n < NOTES_MAX ? n : NOTES_MAX;
}

static void put_page(struct page *pg)
{
	/* title, one line and the notes, legend, controls */
	uint32_t head = 30 + 18 * (1 + (uint32_t)lines_of(pg->notes)) + 26 + 22 + 10;
	uint32_t height =
		head + graph_height(&pg->graph[0]) + graph_height(&pg->graph[1]) + 28 + 12;
	int title_y;

	fprintf(pg->pen->f,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%u\" "
		"viewBox=\"0 0 %d %u\">\n<style><![CDATA[\n%s]]></style>\n"
		"<rect class=\"bg\" width=\"100%%\" height=\"100%%\"/>\n",
		WIDTH, height, WIDTH, height, style);
	put_title(pg);
	title_y = pg->y;
	put_notes(pg);
	put_legend(pg);
	put_controls(pg, title_y);
	pg->y += 10;
	put_graph(pg, 0);
	put_graph(pg, 1);
	fprintf(pg->pen->f, "<script><![CDATA[\n%s]]></script>\n</svg>\n", flame_text);
}

int render_svg(FILE *f, const struct profile *p)
{
	struct pen pen = { .f = f };
	struct page pg = { .p = p, .pen = &pen };
	auto_strbuf struct strbuf notes = {};
	int r;

	r = render_notes(&notes, p);
	if (r == 0)
		r = strbuf_take(&notes, &pg.notes);
	if (r == 0)
		r = plan(p, PROFILE_LIVE, &pg.graph[0]);
	if (r == 0)
		r = plan(p, PROFILE_GROWING, &pg.graph[1]);
	errno = 0;
	if (r == 0) {
		put_page(&pg);
		r = pen.error;
	}
	free(pg.notes);
	tree_done(&pg.graph[0].t);
	tree_done(&pg.graph[1].t);
	if (r == 0 && (fflush(f) || ferror(f)))
		r = errno ? -errno : -EIO;
	return r;
}
