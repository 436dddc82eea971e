/*
 * Parsing by the option table. argv is only read; getopt_long() is not used because it takes
 * abbreviations, keeps its state in globals and speaks to the user itself.
 */
#include "cli.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/num.h"
#include "base/str.h"
#include "profile/profile.h"

#define QUOTED_MAX 80 /* bytes of a wrong word that an error repeats */

static int add_pid(struct opts *o, const char *value)
{
	uint64_t pid;
	size_t i;
	int r;

	r = num_parse_u64(value, 1, INT32_MAX, &pid);
	if (r < 0)
		return r;
	for (i = 0; i < o->pid_count; i++)
		if (o->pids[i] == pid)
			return 0;
	if (o->pid_count == OPTS_PIDS_MAX)
		return -ENOSPC;
	o->pids[o->pid_count++] = (uint32_t)pid;
	return 0;
}

static int add_alloc(struct opts *o, const char *value)
{
	if (!*value)
		return -EINVAL;
	if (o->alloc_count == OPTS_ALLOCS_MAX)
		return -ENOSPC;
	o->allocs[o->alloc_count++] = value;
	return 0;
}

static int set_text(const char *value, const char **ret)
{
	if (!*value)
		return -EINVAL;
	*ret = value;
	return 0;
}

static int set_number(const struct opt *row, const char *value, uint32_t *ret)
{
	uint64_t number;
	int r;

	r = num_parse_u64(value, (uint64_t)row->min, (uint64_t)row->max, &number);
	if (r < 0)
		return r;
	*ret = (uint32_t)number;
	return 0;
}

static int set_pow2size(const struct opt *row, const char *value, uint64_t *ret)
{
	uint64_t bytes;
	int r;

	r = num_parse_bytes(value, &bytes);
	if (r < 0)
		return r;
	if (bytes < row->min || bytes > row->max || bytes & (bytes - 1))
		return -ERANGE;
	*ret = bytes;
	return 0;
}

static int set_bytes(const char *value, uint64_t *ret)
{
	uint64_t bytes;
	int r;

	r = num_parse_bytes(value, &bytes);
	if (r < 0)
		return r;
	if (!bytes || bytes > INT64_MAX)
		return -ERANGE;
	*ret = bytes;
	return 0;
}

static int set_decimal(const struct opt *row, const char *value, double *ret)
{
	double number;
	int r;

	r = row->type == OPT_SECONDS ? num_parse_seconds(value, &number)
				     : num_parse_percent(value, &number);
	if (r < 0)
		return r;
	if (number < row->min || number > row->max)
		return -ERANGE;
	*ret = number;
	return 0;
}

static int set_mode(const char *value, enum trace_mode *ret)
{
	enum trace_mode mode;

	for (mode = MODE_AUTO; mode <= MODE_FULL; mode++) {
		if (strcmp(cli_mode_name(mode), value))
			continue;
		*ret = mode;
		return 0;
	}
	return -EINVAL;
}

static int set_fold(const char *value, enum fold_by *ret)
{
	enum fold_by fold;

	for (fold = FOLD_BY_NONE; fold <= FOLD_BY_OWNER; fold++) {
		if (strcmp(cli_fold_name(fold), value))
			continue;
		*ret = fold;
		return 0;
	}
	return -EINVAL;
}

static int set_profile_value(const char *value, uint32_t *ret)
{
	uint32_t i;

	for (i = 0; i <= PROFILE_COUNT; i++) {
		if (strcmp(profile_value_name(i), value))
			continue;
		*ret = i;
		return 0;
	}
	return -EINVAL;
}

/* Stores one value; value is NULL for the types without one. */
static int set_value(const struct opt *row, const char *value, struct opts *o)
{
	void *at = (char *)o + row->at;

	switch (row->type) {
	case OPT_FLAG: *(bool *)at = true; return 0;
	case OPT_REPEAT: *(uint32_t *)at += 1; return 0;
	case OPT_PIDS: return add_pid(o, value);
	case OPT_ALLOCS: return add_alloc(o, value);
	case OPT_TEXT: return set_text(value, at);
	case OPT_NUMBER: return set_number(row, value, at);
	case OPT_POW2SIZE: return set_pow2size(row, value, at);
	case OPT_BYTES: return set_bytes(value, at);
	case OPT_SECONDS:
	case OPT_PERCENT: return set_decimal(row, value, at);
	case OPT_MODE: return set_mode(value, at);
	case OPT_FOLD: return set_fold(value, at);
	case OPT_VALUE: return set_profile_value(value, at);
	case OPT_HELP: o->command = CLI_HELP; return 0;
	case OPT_VERSION: o->command = CLI_VERSION; return 0;
	}
	return -EINVAL;
}

int cli_defaults(struct opts *ret)
{
	const struct opt *rows;
	struct opts o = {};
	size_t i, count;
	int r;

	rows = cli_options(&count);
	for (i = 0; i < count; i++) {
		if (!rows[i].preset)
			continue;
		r = set_value(&rows[i], rows[i].preset, &o);
		if (r < 0)
			return -EINVAL;
	}
	*ret = o;
	return 0;
}

struct parser {
	const struct opt *rows;
	size_t row_count;
	char *const *argv; /* borrowed: from the caller of cli_parse() */
	int argc, next;
	bool done; /* --help and --version end the parsing */
	struct opts o;
	struct err *e;
};

/* A sentence whose one argument came from the command line, cleaned. */
static int fail_word(struct err *e, const char *before, const char *word, const char *after)
{
	auto_strbuf struct strbuf b = {};

	str_add_clean_max(&b, word, strlen(word), QUOTED_MAX);
	return err_set(e, -EINVAL, "%s'%s'%s", before, strbuf_text(&b), after);
}

static int fail_value(const struct opt *row, const char *value, int r, struct err *e)
{
	auto_strbuf struct strbuf after = {};
	char accepted[128], before[64];

	if (r == -ENOSPC)
		return err_set(e, -EINVAL, "--%s: given more than %d times", row->name,
			       row->type == OPT_PIDS ? OPTS_PIDS_MAX : OPTS_ALLOCS_MAX);
	snprintf(before, sizeof(before), "--%s: ", row->name);
	cli_accepted(row, accepted, sizeof(accepted));
	strbuf_printf(&after, " is not accepted; give %s", accepted);
	return fail_word(e, before, value, strbuf_text(&after));
}

static int apply(struct parser *p, const struct opt *row, const char *value)
{
	int r;

	r = set_value(row, value, &p->o);
	if (r < 0)
		return fail_value(row, value, r, p->e);
	p->o.given |= 1ull << (row - p->rows);
	p->done = row->type == OPT_HELP || row->type == OPT_VERSION;
	return 0;
}

/* The value in the next word. A text that looks like an option is more likely a forgotten value. */
static int take_value(struct parser *p, const struct opt *row, const char **ret)
{
	const char *word = p->next < p->argc ? p->argv[p->next] : NULL;
	bool text = row->type == OPT_TEXT || row->type == OPT_ALLOCS;
	char accepted[128];

	if (!word || (text && word[0] == '-' && word[1]))
		return err_set(p->e, -EINVAL, "--%s: the value is missing; give %s", row->name,
			       cli_accepted(row, accepted, sizeof(accepted)));
	p->next++;
	*ret = word;
	return 0;
}

static int parse_long(struct parser *p, const char *word)
{
	const char *name = word + 2, *value = strchr(name, '=');
	size_t i, len = value ? (size_t)(value - name) : strlen(name);
	const struct opt *row;
	int r;

	for (i = 0; i < p->row_count; i++)
		if (strlen(p->rows[i].name) == len && !memcmp(p->rows[i].name, name, len))
			break;
	if (i == p->row_count)
		return fail_word(p->e, "unknown option ", word, "; 'memtrace help' lists them all");
	row = &p->rows[i];
	if (!row->arg && value)
		return fail_value(row, value + 1, -EINVAL, p->e);
	if (!row->arg)
		return apply(p, row, NULL);
	if (value)
		return apply(p, row, value + 1);
	r = take_value(p, row, &value);
	return r < 0 ? r : apply(p, row, value);
}

/* "-vq", "-p12", "-p 12". */
static int parse_letters(struct parser *p, const char *word)
{
	const struct opt *row;
	const char *c, *value;
	size_t i;
	int r;

	for (c = word + 1; *c && !p->done; c++) {
		for (i = 0; i < p->row_count && p->rows[i].letter != *c; i++)
			;
		if (i == p->row_count)
			return fail_word(p->e, "unknown option in ", word,
					 "; 'memtrace help' lists them all");
		row = &p->rows[i];
		if (!row->arg) {
			r = apply(p, row, NULL);
			if (r < 0)
				return r;
			continue;
		}
		if (c[1])
			return apply(p, row, c + 1);
		r = take_value(p, row, &value);
		return r < 0 ? r : apply(p, row, value);
	}
	return 0;
}

static int add_file(struct parser *p, const char *word)
{
	struct opts *o = &p->o;

	if (o->file_count == OPTS_FILES_MAX)
		return err_set(p->e, -EINVAL, "more than %d files", OPTS_FILES_MAX);
	o->files[o->file_count++] = word;
	return 0;
}

static int parse_command(struct parser *p, const char *word)
{
	const struct cli_command_row *rows;
	size_t i, count;

	if (p->o.command == CLI_REPORT && !p->o.file) {
		p->o.file = word;
		return 0;
	}
	if (p->o.command == CLI_ANALYZE)
		return add_file(p, word);
	if (p->o.command != CLI_NONE)
		return fail_word(p->e, "unexpected word ", word,
				 "; 'memtrace help' shows the usage");
	rows = cli_commands(&count);
	for (i = 0; i < count; i++) {
		if (strcmp(rows[i].name, word))
			continue;
		p->o.command = rows[i].command;
		return 0;
	}
	return fail_word(p->e, "unknown command ", word,
			 "; to trace a process give -p PID, to start one 'run -- CMD'");
}

/* Everything from here on belongs to the command that is to be run. */
static int take_rest(struct parser *p)
{
	int r = 0;

	while (p->o.command == CLI_ANALYZE && p->next < p->argc && r == 0)
		r = add_file(p, p->argv[p->next++]);
	if (r < 0)
		return r;
	if (p->next < p->argc && p->o.command != CLI_RUN)
		return fail_word(p->e, "unexpected word ", p->argv[p->next],
				 "; a command to start belongs to 'memtrace run'");
	p->o.run_argv = p->argv + p->next;
	p->o.run_argc = p->argc - p->next;
	p->next = p->argc;
	return 0;
}

static int parse_word(struct parser *p)
{
	const char *word = p->argv[p->next];

	if (word[0] != '-' && p->o.command == CLI_RUN)
		return take_rest(p);
	p->next++;
	if (!strcmp(word, "--"))
		return take_rest(p);
	if (!strncmp(word, "--", 2))
		return parse_long(p, word);
	if (word[0] == '-' && word[1])
		return parse_letters(p, word);
	return parse_command(p, word);
}

static bool was_given(const struct parser *p, const char *name)
{
	for (size_t i = 0; i < p->row_count; i++)
		if (!strcmp(p->rows[i].name, name))
			return p->o.given >> i & 1;
	return false;
}

/* What follows from the words once they are all read. */
static void finish(struct parser *p)
{
	struct opts *o = &p->o;

	if (o->ledger && !was_given(p, "mode"))
		o->mode = MODE_WATCH;
	if (o->command == CLI_NONE)
		o->command = CLI_TRACE;
	if (o->output && !strcmp(o->output, "-"))
		o->output = NULL;
	if (o->file && !strcmp(o->file, "-"))
		o->file = NULL;
}

int cli_parse(int argc, char *const argv[], struct opts *ret, struct err *e)
{
	struct parser p = { .argv = argv, .argc = argc, .next = 1, .e = e };
	int r;

	p.rows = cli_options(&p.row_count);
	r = cli_defaults(&p.o);
	while (r == 0 && p.next < argc && !p.done)
		r = parse_word(&p);
	if (r < 0)
		return r;
	finish(&p);
	r = p.done ? 0 : cli_check(&p.o, e);
	if (r < 0)
		return r;
	*ret = p.o;
	return 0;
}

static int check_commands(const struct opts *o, struct err *e)
{
	const struct cli_command_row *commands;
	const struct opt *rows;
	size_t i, c, count, command_count;

	rows = cli_options(&count);
	commands = cli_commands(&command_count);
	for (i = 0; i < count; i++) {
		if (!(o->given >> i & 1) || rows[i].commands & 1u << o->command)
			continue;
		for (c = 0; c < command_count; c++)
			if (commands[c].command == o->command)
				return err_set(e, -EINVAL, "--%s does not go with 'memtrace %s'",
					       rows[i].name, commands[c].name);
	}
	return 0;
}

/* Watching needs no allocator probes: whoever asks about them wants another mode. */
static int check_watch(const struct opts *o, struct err *e)
{
	const char *name = o->alloc_count      ? "alloc"
			   : o->explain_probes ? "explain-probes"
			   : o->preload	       ? "preload"
					       : NULL;

	if (o->preload && o->mode == MODE_FULL)
		return err_set(e, -EINVAL,
			       "--preload samples, --mode full records every allocation; give one");
	if (o->mode != MODE_WATCH || !name)
		return 0;
	return err_set(e, -EINVAL,
		       "--%s needs allocator probes, which --mode watch does not use; "
		       "give --mode auto or full",
		       name);
}

static bool is_stdout(const char *file)
{
	return file && !strcmp(file, "-");
}

/* Standard output holds one document. */
static int check_files(const struct opts *o, struct err *e)
{
	int to_stdout = is_stdout(o->folded) + is_stdout(o->svg) + is_stdout(o->pprof);

	if (to_stdout && o->command != CLI_REPORT)
		return err_set(e, -EINVAL,
			       "standard output carries the report; give --folded, --svg and "
			       "--pprof a file");
	if (to_stdout > 1)
		return err_set(e, -EINVAL,
			       "only one of --folded, --svg and --pprof can go to standard output");
	if (o->value != PROFILE_LIVE && !o->folded)
		return err_set(e, -EINVAL, "--value chooses what --folded shows; give --folded");
	return 0;
}

int cli_check(const struct opts *o, struct err *e)
{
	int r;

	r = check_commands(o, e);
	if (r == 0)
		r = check_files(o, e);
	if (r < 0)
		return r;
	if (o->command == CLI_RUN && o->pid_count)
		return err_set(e, -EINVAL, "--pid does not go with 'memtrace run'");
	if (o->command == CLI_RUN && !o->run_argc)
		return err_set(e, -EINVAL,
			       "run: no command given; give it after --, as in "
			       "'memtrace run -- ./server --port 80'");
	if (o->command == CLI_TRACE && !o->pid_count)
		return err_set(e, -EINVAL,
			       "nothing to trace; give -p PID, or start a command with "
			       "'memtrace run -- CMD'");
	if (o->series && o->file_count > 1)
		return err_set(e, -EINVAL, "--series reads one file; give one, or pipe several in");
	if (o->quiet && o->verbose)
		return err_set(e, -EINVAL, "--quiet and --verbose exclude each other; give one");
	return check_watch(o, e);
}
