/* What the `start` record says of a run and a tracee, gathered in one place. */
#pragma once
#include "app/tracee.h"

/* Fills *ret and calls sink's start with it. */
int start_info_send(const struct tracee *t, struct sink *sink, const struct record_head *head);
