/*
 * Help and man page. What both of them say besides the option table stands in tables at the top.
 * Output errors show once, at the end, through the stream's own error flag.
 */
#include "cli_help.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "cli.h"

#define HELP_COLUMNS 80
#define HELP_INDENT 28 /* where the explanations begin */

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct entry {
	const char *name, *text;
};

static const char summary[] = "find out what grows outside a program's managed heap, and who "
			      "asked for it";

static const char description[] =
	"memtrace watches processes that run already, without restarting or changing them: it says "
	"what their memory outside the managed heap consists of, which call sites hold it, whether "
	"that is a leak, and what happens next. It needs root or the capabilities that "
	"'memtrace doctor' names.";

static const struct entry exit_codes[] = {
	{ "0", "done; also when the traced process ended" },
	{ "1", "failed: no such process, output not writable, ..." },
	{ "2", "wrong usage" },
	{ "3", "a leak was found and --fail-on-leak was given" },
	{ "77", "this host cannot: a privilege or a kernel feature is missing" },
};

static const struct entry examples[] = {
	{ "memtrace -p 1234", "trace process 1234 until Ctrl-C" },
	{ "memtrace -p 1234 --duration 5m --json -o trace.jsonl", "five minutes, for programs" },
	{ "memtrace run --fail-on-leak -- ./server --port 80",
	  "start a command, fail if it leaks" },
	{ "memtrace -p 1234 --mode full --budget 0", "every allocation, whatever it costs" },
	{ "memtrace -p 1234 --duration 1m --svg held.svg", "one minute, with a flame graph" },
	{ "memtrace report trace.jsonl --pprof trace.pb.gz",
	  "a recording for 'go tool pprof -http=: trace.pb.gz'" },
	{ "memtrace analyze trace.jsonl", "judge a recording again, without privileges" },
	{ "memtrace analyze --series --limit 2G < series.jsonl",
	  "one pattern, with the probability of a leak, for each line" },
	{ "memtrace doctor", "what this host can and cannot do" },
};

static const char rules_form[] =
	"Which library's memory is of which kind, and which functions only pass memory on, is told "
	"by rules. Those that are built in stand in share/memtrace/rules; a file of the same form, "
	"given by --rules, is tried first. One rule per line, the first that fits is taken, # "
	"begins "
	"a comment: WHAT MODULE [SYMBOL] [kind=KIND] [confidence=NUMBER]. MODULE is a pattern for "
	"a "
	"file name or what stands in it before the first '.' or '-', SYMBOL for a function; '*' "
	"stands for any characters, a pattern with spaces stands in double quotes. WHAT is one of:";

static const struct entry rule_words[] = {
	{ "database, crypto, network, compression, image, other",
	  "the memory that this code asks for is of that kind" },
	{ "buffers", "the function hands out buffers; its caller owns them" },
	{ "wrapper", "the function passes memory on to whoever called it; with kind=, memory that "
		     "goes through it is of that kind" },
	{ "allocator, mapper", "an allocator; a function that asks the kernel for memory" },
	{ "c-library, language", "the C or C++ library; a language's runtime" },
	{ "owner", "none of these, whatever the built-in rules say" },
};

static const struct entry rule_examples[] = {
	{ "network libacme*", "what libacme.so and its like hold is for the network" },
	{ "wrapper * acme_alloc kind=crypto", "whoever calls acme_alloc() owns the memory" },
	{ "image * \"Acme::decode*\" confidence=0.8", "by functions, also in the program itself" },
};

/* Prints text word by word between two columns, the first line being at `column` already. */
static void wrap(FILE *f, const char *text, int column, int indent)
{
	size_t len;
	bool first = true;

	while (*text) {
		len = strcspn(text, " ");
		if (!first && column + 1 + (int)len > HELP_COLUMNS) {
			fprintf(f, "\n%*s", indent, "");
			column = indent;
		} else if (!first) {
			fputc(' ', f);
			column++;
		}
		fprintf(f, "%.*s", (int)len, text);
		column += (int)len;
		text += len + strspn(text + len, " ");
		first = false;
	}
	fputc('\n', f);
}

/* A name at the left and its explanation at `indent`; a long name takes a line of its own. */
static void print_entry(FILE *f, const char *name, const char *text, int indent)
{
	int column = fprintf(f, "  %s", name);

	if (column + 2 > indent) {
		fputc('\n', f);
		column = 0;
	}
	fprintf(f, "%*s", indent - column, "");
	wrap(f, text, indent, indent);
}

static void print_option(FILE *f, const struct opt *row)
{
	char name[64], text[512], letter[8] = "    ";

	if (row->letter)
		snprintf(letter, sizeof(letter), "-%c, ", row->letter);
	snprintf(name, sizeof(name), "%s--%s%s%s", letter, row->name, row->arg ? " " : "",
		 row->arg ? row->arg : "");
	snprintf(text, sizeof(text), "%s%s%s%s", row->help, row->preset ? " (default " : "",
		 row->preset ? row->preset : "", row->preset ? ")" : "");
	print_entry(f, name, text, HELP_INDENT);
}

static int finish(FILE *f)
{
	errno = 0;
	if (fflush(f) || ferror(f))
		return errno ? -errno : -EIO;
	return 0;
}

int cli_print_help(FILE *f)
{
	const struct cli_command_row *commands;
	const struct opt *rows;
	size_t i, count;

	fputs("memtrace: ", f);
	wrap(f, summary, 10, 0);
	fputs("\nUsage:\n", f);
	commands = cli_commands(&count);
	for (i = 0; i < count; i++) {
		char usage[64];

		snprintf(usage, sizeof(usage), "memtrace %s", commands[i].synopsis);
		print_entry(f, usage, commands[i].help, 40);
	}
	rows = cli_options(&count);
	for (i = 0; i < count; i++) {
		if (i == 0 || strcmp(rows[i].group, rows[i - 1].group))
			fprintf(f, "\n%s:\n", rows[i].group);
		print_option(f, &rows[i]);
	}
	fputs("\nExit status:\n", f);
	for (i = 0; i < COUNT(exit_codes); i++)
		print_entry(f, exit_codes[i].name, exit_codes[i].text, 6);
	fputs("\nExamples:\n", f);
	for (i = 0; i < COUNT(examples); i++)
		fprintf(f, "  %s\n      %s\n", examples[i].name, examples[i].text);
	return finish(f);
}

/* Text for troff: its two escapes, and no line that begins like a request. */
static void roff(FILE *f, const char *text)
{
	const char *c;

	if (*text == '.' || *text == '\'')
		fputs("\\&", f);
	for (c = text; *c; c++) {
		if (*c == '\\')
			fputs("\\e", f);
		else if (*c == '-')
			fputs("\\-", f);
		else if (*c == '\'')
			fputs("\\(aq", f);
		else
			fputc(*c, f);
	}
}

static void roff_tagged(FILE *f, const char *tag, const char *text)
{
	fputs(".TP\n\\fB", f);
	roff(f, tag);
	fputs("\\fR\n", f);
	roff(f, text);
	fputc('\n', f);
}

static void roff_option(FILE *f, const struct opt *row)
{
	char accepted[128];

	fputs(".TP\n", f);
	if (row->letter)
		fprintf(f, "\\fB\\-%c\\fR, ", row->letter);
	fputs("\\fB\\-\\-", f);
	roff(f, row->name);
	fputs("\\fR", f);
	if (row->arg)
		fprintf(f, " \\fI%s\\fR", row->arg);
	fputc('\n', f);
	roff(f, row->help);
	fputs(".\n", f);
	if (row->arg && row->type != OPT_TEXT && row->type != OPT_ALLOCS) {
		fputs("Accepts ", f);
		roff(f, cli_accepted(row, accepted, sizeof(accepted)));
		fputs(".\n", f);
	}
	if (row->preset) {
		fputs("The default is ", f);
		roff(f, row->preset);
		fputs(".\n", f);
	}
}

static void roff_head(FILE *f, const char *version)
{
	const struct cli_command_row *commands;
	size_t i, count;

	fputs(".TH MEMTRACE 8 \"\" \"memtrace ", f);
	roff(f, version);
	fputs("\"\n.SH NAME\nmemtrace \\- ", f);
	roff(f, summary);
	fputs("\n.SH SYNOPSIS\n", f);
	commands = cli_commands(&count);
	for (i = 0; i < count; i++) {
		fputs(i ? ".br\n\\fBmemtrace\\fR " : "\\fBmemtrace\\fR ", f);
		roff(f, commands[i].synopsis);
		fputc('\n', f);
	}
	fputs(".SH DESCRIPTION\n", f);
	roff(f, description);
	fputs("\n.SH COMMANDS\n", f);
	for (i = 0; i < count; i++)
		roff_tagged(f, commands[i].name, commands[i].help);
}

int cli_print_man(FILE *f, const char *version)
{
	const struct opt *rows;
	size_t i, count;

	roff_head(f, version);
	fputs(".SH OPTIONS\nA value is given as \\fB\\-\\-name VALUE\\fR or "
	      "\\fB\\-\\-name=VALUE\\fR.\n",
	      f);
	rows = cli_options(&count);
	for (i = 0; i < count; i++) {
		if (i == 0 || strcmp(rows[i].group, rows[i - 1].group))
			fprintf(f, ".SS %s\n", rows[i].group);
		roff_option(f, &rows[i]);
	}
	fputs(".SH RULES\n", f);
	roff(f, rules_form);
	fputc('\n', f);
	for (i = 0; i < COUNT(rule_words); i++)
		roff_tagged(f, rule_words[i].name, rule_words[i].text);
	fputs(".SS Examples of rules\n", f);
	for (i = 0; i < COUNT(rule_examples); i++)
		roff_tagged(f, rule_examples[i].name, rule_examples[i].text);
	fputs(".SH EXIT STATUS\n", f);
	for (i = 0; i < COUNT(exit_codes); i++)
		roff_tagged(f, exit_codes[i].name, exit_codes[i].text);
	fputs(".SH EXAMPLES\n", f);
	for (i = 0; i < COUNT(examples); i++)
		roff_tagged(f, examples[i].name, examples[i].text);
	return finish(f);
}
