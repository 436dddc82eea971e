/* Thin helpers over jansson. Doubles carry 12 digits: microseconds survive in times of days. */
#include "base/json.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/str.h"

#define DUMP_FLAGS (JSON_COMPACT | JSON_REAL_PRECISION(12))

int json_put(json_t *object, const char *key, json_t *value)
{
	return json_object_set_new(object, key, value) ? -ENOMEM : 0;
}

json_t *json_clean_string(const void *bytes, size_t len)
{
	auto_strbuf struct strbuf b = {};

	if (str_add_clean_max(&b, bytes, len, JSON_STRING_MAX) < 0)
		return NULL;
	return json_stringn_nocheck(strbuf_text(&b), b.len);
}

int json_put_string(json_t *object, const char *key, const char *text)
{
	if (!text)
		return 0;
	return json_put(object, key, json_clean_string(text, strlen(text)));
}

static json_t *integer(uint64_t value)
{
	return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

int json_put_double_if_known(json_t *object, const char *key, double value)
{
	return isfinite(value) ? json_put(object, key, json_real(value)) : 0;
}

int json_put_u64_if_known(json_t *object, const char *key, uint64_t value)
{
	return value != UINT64_MAX ? json_put(object, key, integer(value)) : 0;
}

int json_put_double_or_null(json_t *object, const char *key, double value)
{
	return json_put(object, key, isfinite(value) ? json_real(value) : json_null());
}

int json_put_u64_or_null(json_t *object, const char *key, uint64_t value)
{
	return json_put(object, key, value != UINT64_MAX ? integer(value) : json_null());
}

int json_put_hex64(json_t *object, const char *key, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%016" PRIx64, value);
	return json_put(object, key, json_string_nocheck(text));
}

int json_put_decimal64(json_t *object, const char *key, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	return json_put(object, key, json_string_nocheck(text));
}

int json_put_time(json_t *object, const char *key, uint64_t realtime_ns)
{
	char text[CLOCK_UTC_BYTES];

	return json_put(object, key, json_string_nocheck(clock_format_utc(realtime_ns, text)));
}

/* jansson names every fault of the text; what it does not name is its own memory. */
int json_parse(const char *bytes, size_t len, json_t **ret)
{
	json_error_t error = {};
	json_t *o = json_loadb(bytes, len, JSON_DECODE_ANY, &error);

	if (!o && (json_error_code(&error) == json_error_out_of_memory ||
		   json_error_code(&error) == json_error_unknown))
		return -ENOMEM;
	if (!o)
		return -EBADMSG;
	*ret = o;
	return 0;
}

static size_t no_number_at(const char *p, size_t left)
{
	static const char *const words[] = { "NaN", "Infinity", "-Infinity" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (left >= strlen(words[i]) && !memcmp(p, words[i], strlen(words[i])))
			return strlen(words[i]);
	return 0;
}

/* Puts empty objects where such words stand outside of strings; how many there were. */
static size_t replace_no_numbers(char *text, size_t len)
{
	bool quoted = false;
	size_t n = 0, word;

	for (size_t i = 0; i < len; i++) {
		if (text[i] == '"')
			quoted = !quoted;
		else if (quoted && text[i] == '\\')
			i++;
		word = quoted || i >= len ? 0 : no_number_at(text + i, len - i);
		if (!word)
			continue;
		memset(text + i, ' ', word);
		memcpy(text + i, "{}", 2);
		i += word - 1;
		n++;
	}
	return n;
}

int json_parse_lenient(const char *bytes, size_t len, json_t **ret)
{
	int r = json_parse(bytes, len, ret);
	auto_free char *copy = NULL;

	if (r != -EBADMSG)
		return r;
	copy = malloc(len + 1);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, bytes, len);
	return replace_no_numbers(copy, len) ? json_parse(copy, len, ret) : r;
}

static int append(const char *bytes, size_t len, void *ctx)
{
	return strbuf_add_bytes(ctx, bytes, len) < 0 ? -1 : 0;
}

/* Not json_dumps(): without memory it can leave out a key (jansson 2.14) and still succeed. */
int json_add_text(struct strbuf *b, const json_t *object, size_t flags)
{
	int r = json_dump_callback(object, append, b, flags);

	return r && !b->error ? -ENOMEM : b->error;
}

static int wait_writable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	return poll(&p, 1, -1) < 0 && errno != EINTR ? -errno : 0;
}

static int write_all(int fd, const char *bytes, size_t len)
{
	ssize_t n;
	int r;

	while (len) {
		n = write(fd, bytes, len);
		if (n == 0)
			return -EIO;
		if (n > 0) {
			bytes += n;
			len -= (size_t)n;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -errno;
		r = wait_writable(fd);
		if (r < 0)
			return r;
	}
	return 0;
}

static int flush(FILE *f)
{
	errno = 0;
	if (!fflush(f))
		return 0;
	return errno ? -errno : -EIO;
}

int json_write_line(FILE *f, const json_t *object)
{
	auto_strbuf struct strbuf line = {};
	int r;

	r = json_add_text(&line, object, DUMP_FLAGS);
	if (r == 0)
		r = strbuf_add(&line, "\n");
	if (r < 0)
		return r;
	r = flush(f);
	if (r < 0)
		return r;
	/* Past stdio: it would cut long lines into blocks and lose part of one on EAGAIN. */
	if (fileno(f) >= 0)
		return write_all(fileno(f), line.text, line.len);
	fwrite(line.text, 1, line.len, f);
	return ferror(f) ? -EIO : flush(f);
}
