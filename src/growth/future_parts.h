/* Between future.c and future_sustained.c. */
#pragma once
#include <stdbool.h>

#include "growth/future.h"

/* Of n points whose noise remembers, less fitted columns; at least 3. */
double future_freedom(size_t n, double rho, double columns);
struct future *future_add(struct futures *f, const struct future *one); /* NULL: no room */
/* Makes the weights from the given one on sum to weight. */
void future_scale(struct futures *f, size_t from, double weight);
/* Powers below 1; returns their BIC, INFINITY when they do not rise clearly (nothing is added). */
double future_add_power(struct futures *f, const struct future_points *p);
