/* Messages for people. The level is the one piece of global state that base/ allows itself. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

static enum log_level log_level = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
	log_level = level;
}

bool log_enabled(enum log_level level)
{
	return level <= log_level;
}

void log_at(enum log_level level, const char *format, ...)
{
	static const char *const prefix[] = { "memtrace: ", "memtrace: warning: ", "memtrace: ",
					      "memtrace: debug: " };
	char line[1024];
	va_list ap;

	if (!log_enabled(level))
		return;
	va_start(ap, format);
	vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	fprintf(stderr, "%s%s\n", prefix[level], line);
}
