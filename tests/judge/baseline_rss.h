/*
 * The rule of container monitors, for comparison: a straight line through the window explains it,
 * the tail still climbs, and the growth is above floors, absolute and relative.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

bool rss_rule_leaks(const double *t_s, const double *value, size_t n);
