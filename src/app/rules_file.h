/* The user's file of rules (--rules), see analyse/rules.h. */
#pragma once
struct err;
struct rules;

/* -EINVAL with line and reason, -E2BIG, or why the file cannot be read; *e says it. */
int rules_file_read(const char *path, struct rules **ret, struct err *e);
