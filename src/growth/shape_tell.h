/* Between the files of shape.h: what is told of a window once its pattern is known. */
#pragma once
#include "growth/window_stats.h"

/* Fills fit, rates, growth, noise and detectability from fits of window_fit(). */
void shape_tell(const struct window *w, const struct fit *fits, enum pattern pattern,
		struct shape *s);

/* What spoke most clearly for it; static. */
const char *shape_why(const double *stats, enum pattern pattern);
