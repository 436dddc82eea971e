/* Hiding passwords and tokens in the command lines of other people's processes. */
#pragma once
#include <stddef.h>

struct strbuf;

/*
 * Adds a command line as /proc/PID/cmdline has it (arguments ended by NUL), cleaned as by
 * str_add_clean(), joined by spaces, with what looks like a secret replaced by ***: values of
 * names such as password, token or api_key, and passwords in URLs. It hides too much rather than
 * too little: a value reaches to the end of its argument. 0, -ENOMEM or b's earlier failure.
 * It cannot see a secret that nothing names, such as the one in `mysql -pSECRET`.
 */
int mask_add_cmdline(struct strbuf *b, const char *args, size_t len);
