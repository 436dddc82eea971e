/*
 * What a process has: mappings with their files, resident bytes, threads, descriptors, and what
 * runtimes and allocators inside it say. Read now and then, as often as its own cost allows.
 */
#pragma once
#include <stdbool.h>

struct tracee;

/* Tables for the unwinder, ahead: events count as soon as the process is entered. */
void inventory_prepare(struct tracee *t);

/* Everything, and sets when it is due again. Costs milliseconds per resident GB. */
void inventory_take(struct tracee *t, bool final);
