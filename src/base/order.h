/* Numbers by their order. */
#pragma once
#include <stddef.h>

/* The number that k others of n (at least 1) do not exceed; reorders v, which must be numbers. */
double order_select(double *v, size_t n, size_t k);
