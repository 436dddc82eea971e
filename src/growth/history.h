/*
 * One series in bounded memory at every time scale: rings of HISTORY_RING points, each level four
 * times as coarse as the one below (medians of four), made when it is needed. Ten levels hold a
 * year of seconds. Adding a point costs O(1).
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define HISTORY_RING 128
#define HISTORY_LEVELS 10

struct history; /* opaque */

int history_new(struct history **ret); /* -ENOMEM */
void history_free(struct history *h);  /* NULL is fine */
void history_clear(struct history *h); /* the process began anew */

/* -EINVAL: not a number, or not after the last point (counted, nothing changes). -ENOMEM: a coarser
 * level could not be made; the finer ones are as if it had been. */
int history_add(struct history *h, double t_s, double value);

/* Oldest first, at most HISTORY_RING points of one level (0: as added); returns how many. */
size_t history_level(const struct history *h, unsigned int level, double *t_s, double *value);

/* The whole life in at most HISTORY_RING points, the newest among them; returns how many. */
size_t history_whole(const struct history *h, double *t_s, double *value);

uint64_t history_count(const struct history *h);   /* points added since it was cleared */
uint64_t history_refused(const struct history *h); /* points refused, ever */
size_t history_bytes(const struct history *h);	   /* memory it takes */
