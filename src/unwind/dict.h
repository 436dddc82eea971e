/* The dictionary of unwind rules, for table.c; others see it through table.h. */
#pragma once
#include <stddef.h>

#include "memtrace/unwind.h"

#define UNWIND_INDEX_UNSUPPORTED 1

struct unwind_dict;

/* The index of the rule, added unless there are max or more already: -ENOSPC. */
int unwind_dict_add(struct unwind_dict *d, struct mt_unwind_rule rule, size_t max);
