/* What is printed about the command line: the help and the man page, both from the option table. */
#pragma once
#include <stdio.h>

/* At most 80 columns. 0, or why f refused it as a negative errno. */
int cli_print_help(FILE *f);

/* The man page memtrace(8) in man(7) macros. Errors as above. */
int cli_print_man(FILE *f, const char *version);
