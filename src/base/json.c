/* Thin helpers over jansson. Doubles carry 12 digits: microseconds survive in times of days. */
#include "base/json.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
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
static int parse(const char *bytes, size_t len, size_t flags, json_t **ret, json_error_t *error)
{
	json_t *o = json_loadb(bytes, len, flags, error);

	if (!o && (json_error_code(error) == json_error_out_of_memory ||
		   json_error_code(error) == json_error_unknown))
		return -ENOMEM;
	if (!o)
		return -EBADMSG;
	*ret = o;
	return 0;
}

int json_parse(const char *bytes, size_t len, json_t **ret)
{
	json_error_t error = {};

	return parse(bytes, len, JSON_DECODE_ANY, ret, &error);
}

static size_t no_number_at(const char *p, size_t left)
{
	static const char *const words[] = { "NaN", "Infinity", "-Infinity" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (left >= strlen(words[i]) && !memcmp(p, words[i], strlen(words[i])))
			return strlen(words[i]);
	return 0;
}

static size_t number_length(const char *p, size_t left)
{
	size_t n = 0;

	if (left && (*p == '-' || (*p >= '0' && *p <= '9')))
		while (n < left && (strchr("+-.eE", p[n]) ? p[n] : p[n] >= '0' && p[n] <= '9'))
			n++;
	return n;
}

/* Is it more than jansson takes? An integer beyond 64 bits loses its last two digits. */
static bool mend_number(char *p, size_t len)
{
	char after = p[len];
	bool beyond;

	p[len] = 0;
	beyond = isinf(strtod(p, NULL));
	errno = 0;
	if (beyond)
		memcpy(memset(p, ' ', len), "{}", 2);
	else if (strspn(p + (*p == '-'), "0123456789") == len - (*p == '-') && len > 2) {
		strtoll(p, NULL, 10);
		beyond = errno == ERANGE;
		if (beyond)
			memcpy(p + len - 2, "e2", 2);
	}
	p[len] = after;
	return beyond;
}

/* What is no JSON, or too large, outside of strings; how many there were. text has a NUL behind. */
static size_t replace_no_numbers(char *text, size_t len)
{
	bool quoted = false;
	size_t n = 0, word;

	for (size_t i = 0; i < len; i++) {
		if (text[i] == '"')
			quoted = !quoted;
		else if (quoted && text[i] == '\\')
			i++;
		if (quoted || i >= len)
			continue;
		word = no_number_at(text + i, len - i);
		if (word) {
			memcpy(memset(text + i, ' ', word), "{}", 2);
			n++;
		} else {
			word = number_length(text + i, len - i);
			n += word && mend_number(text + i, word);
		}
		i += word ? word - 1 : 0;
	}
	return n;
}

/* Without the bytes of the text that jansson quotes. */
static void say_why(const json_error_t *error, char why[static JSON_WHY_BYTES])
{
	const char *quote = strstr(error->text, " near '");
	size_t len = quote ? (size_t)(quote - error->text) : strlen(error->text);

	snprintf(why, JSON_WHY_BYTES, "no JSON: %.*s", len > 70 ? 70 : (int)len, error->text);
	for (; *why; why++)
		if (*why < ' ' || *why > '~')
			*why = '?';
}

int json_parse_lenient(const char *bytes, size_t len, json_t **ret, char why[static JSON_WHY_BYTES])
{
	const size_t flags = JSON_DECODE_ANY | JSON_ALLOW_NUL;
	json_error_t error = {};
	int r = parse(bytes, len, flags, ret, &error);
	auto_free char *copy = NULL;

	if (r != -EBADMSG)
		return r;
	copy = malloc(len + 1);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, bytes, len);
	copy[len] = 0;
	if (replace_no_numbers(copy, len))
		r = parse(copy, len, flags, ret, &error);
	if (r == -EBADMSG)
		say_why(&error, why);
	return r;
}

/* From the quote on to behind the other one. */
static size_t string_length(const char *p, size_t left)
{
	size_t n = 1;

	while (n < left && p[n] != '"')
		n += p[n] == '\\' ? 2 : 1;
	return n < left ? n + 1 : left;
}

static size_t skip_blanks(const char *p, size_t left)
{
	size_t n = 0;

	while (n < left && (p[n] == ' ' || p[n] == '\t' || p[n] == '\r' || p[n] == '\n'))
		n++;
	return n;
}

size_t json_number_text(const char *bytes, size_t len, const char *key, char *ret, size_t size)
{
	size_t found = 0, key_len = strlen(key), n;
	int depth = 0;

	for (size_t i = 0; i < len; i += n) {
		char c = bytes[i];
		bool is_key;

		n = c == '"' ? string_length(bytes + i, len - i) : 1;
		depth += (c == '{' || c == '[') - (c == '}' || c == ']');
		is_key = c == '"' && depth == 1 && n == key_len + 2 &&
			 !memcmp(bytes + i + 1, key, key_len);
		if (!is_key)
			continue;
		n += skip_blanks(bytes + i + n, len - i - n);
		if (i + n >= len || bytes[i + n] != ':')
			continue; /* it is a value */
		n++;
		n += skip_blanks(bytes + i + n, len - i - n);
		found = number_length(bytes + i + n, len - i - n);
		if (found >= size)
			found = 0;
		memcpy(ret, bytes + i + n, found);
		n += found;
	}
	if (size)
		ret[found] = 0;
	return found;
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

static int write_text(FILE *f, const struct strbuf *line)
{
	int r = flush(f);

	if (r < 0)
		return r;
	/* Past stdio: it would cut long lines into blocks and lose part of one on EAGAIN. */
	if (fileno(f) >= 0)
		return write_all(fileno(f), line->text, line->len);
	errno = 0;
	if (fwrite(line->text, 1, line->len, f) != line->len)
		return errno ? -errno : -EIO;
	return flush(f);
}

int json_write_line(FILE *f, const json_t *object)
{
	auto_strbuf struct strbuf line = {};
	int r = json_add_text(&line, object, DUMP_FLAGS);

	if (r == 0)
		r = strbuf_add(&line, "\n");
	return r < 0 ? r : write_text(f, &line);
}

int json_write_line_with(FILE *f, const json_t *object, const char *key, const char *text)
{
	auto_strbuf struct strbuf line = {}, rest = {};
	int r = json_add_text(&rest, object, DUMP_FLAGS);

	if (r == 0)
		r = strbuf_printf(&line, "{\"%s\":%s%s", key, text, rest.len > 2 ? "," : "");
	if (r == 0)
		r = strbuf_add_bytes(&line, rest.text + 1, rest.len - 1);
	if (r == 0)
		r = strbuf_add(&line, "\n");
	return r < 0 ? r : write_text(f, &line);
}
