/* One sentence for the user about a failure whose errno is not enough. Filled once, printed once.
 */
#pragma once
#include <stdarg.h>
#include <stdio.h>

struct err {
	char text[512];
};

/* Fills *e (may be NULL) unless it is filled already; returns r, so that it can end a function. */
__attribute__((format(printf, 3, 4))) static inline int err_set(struct err *e, int r,
								const char *format, ...)
{
	va_list ap;

	if (!e || e->text[0])
		return r;
	va_start(ap, format);
	vsnprintf(e->text, sizeof(e->text), format, ap);
	va_end(ap);
	return r;
}
