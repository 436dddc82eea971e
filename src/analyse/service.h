/*
 * Libraries at work for others: zlib, OpenSSL, SQLite. What they ask for is of their kind; the
 * function that a program called, SSL_CTX_new, says more of it than the one inside that happened to
 * ask; and it belongs to the library that used them, if there is one: a Python extension, a node
 * add-on, a JNI library, libpq. Kinds come from rules (rules.h).
 */
#pragma once
#include "analyse/analysis.h"

/* enum module_kind that a rule says; MODULE_OTHER for one that says none. */
enum module_kind service_rule_kind(const struct rule *rule);

/*
 * Moves an owner, found as the first frame that is not plumbing, to who asked: o->frame and
 * o->module; o->holder stays. passed: rule of a wrapper in the same module that was passed on the
 * way, or NULL. Leaves o as it is, with MODULE_OTHER, where no rule knows a kind.
 */
void service_find(const struct snapshot *s, const struct snap_stack *stack,
		  const struct rule *passed, struct owner *o);
