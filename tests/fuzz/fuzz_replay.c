/*
 * Lines of recordings and of bare points, as `memtrace analyze --json` reads them: whatever comes,
 * each line that goes out is JSON of a known type, and a process that was begun has an end.
 * smoke: 1200
 */
#include "fuzz.h"

#include <errno.h>

#include <fcntl.h>
#include <sys/mman.h>

#include "app/analyze_records.h"
#include "app/output.h"
#include "base/json.h"
#include "base/log.h"

bool output_wants_colour(FILE *f)
{
	(void)f;
	return false;
}

size_t output_columns(FILE *f)
{
	(void)f;
	return 72;
}

static void check_line(const char *line, size_t len, unsigned int *ends)
{
	json_t *o = json_loadb(line, len, 0, NULL);
	const char *type = json_string_value(json_object_get(o, "type"));

	CLAIM(type && (!strcmp(type, "pattern") || !strcmp(type, "leak") || !strcmp(type, "end")));
	*ends += !strcmp(type, "end");
	json_decref(o);
}

static void check_output(int fd, bool judged)
{
	off_t size = lseek(fd, 0, SEEK_CUR);
	unsigned int ends = 0;
	char *text, *at, *end;

	CLAIM(size >= 0);
	text = malloc(size + 1);
	CLAIM(text && pread(fd, text, size, 0) == size);
	for (at = text; at < text + size; at = end + 1) {
		end = memchr(at, '\n', text + size - at);
		CLAIM(end);
		check_line(at, end - at, &ends);
	}
	CLAIM(!judged || ends);
	free(text);
}

static int make_file(const uint8_t *data, size_t size)
{
	int fd = memfd_create("in", MFD_CLOEXEC);

	CLAIM(fd >= 0 && (size_t)write(fd, data, size) == size);
	return fd;
}

/* Standard output is what the command writes to: it is a file in memory from the first input on. */
static int output(void)
{
	static int fd = -1;

	if (fd < 0) {
		fd = memfd_create("out", MFD_CLOEXEC);
		CLAIM(fd >= 0 && dup2(fd, STDOUT_FILENO) == STDOUT_FILENO);
	}
	CLAIM(ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t how = fuzz_take(&data, &size, 1);
	struct opts opts = { .command = CLI_ANALYZE, .json = true, .top = 10 };
	int in = make_file(data, size), out = output(), r;
	struct err err = {};
	char name[32];
	bool leak = false;

	log_set_level(LOG_LEVEL_ERROR);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", in);
	opts.files[opts.file_count++] = name;
	if (how & 1)
		opts.files[opts.file_count++] = name;
	opts.json = !(how & 2);
	opts.limit_bytes = how & 4 ? 1 << 30 : 0;
	r = analyze_records(&opts, -1, stdout, &leak, &err);
	CLAIM(r == 0 || r == -ENODATA);
	CLAIM(r == 0 || err.text[0]);
	if (opts.json)
		check_output(out, r == 0);
	close(in);
	return 0;
}
