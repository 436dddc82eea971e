/*
 * What a library is called by those who use it: a Python extension by its import name, a node
 * add-on with the package it belongs to. Paths are the target's own words.
 */
#pragma once
#include "model/snapshot.h"

#define MODULE_NAME_BYTES 128

struct module_name {
	char name[MODULE_NAME_BYTES];	 /* "_multiarray_umath"; else the file name */
	char package[MODULE_NAME_BYTES]; /* "numpy.core", "better-sqlite3"; "" when there is none */
};

/* m may be NULL: "unknown". What is too long is cut. */
void module_name_of(const struct snap_module *m, struct module_name *ret);
