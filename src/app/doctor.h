/* `memtrace doctor`: what this host can and cannot do. */
#pragma once
#include <stdbool.h>

/* Prints to standard output. Returns the exit status: 0 when memtrace can run here, else 77. */
int doctor_run(bool json);
