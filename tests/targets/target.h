/*
 * What test targets share: they say "ready" and wait for a line on standard input before they
 * begin, print their own truth as one JSON line, and wait again, so that a tracer can be attached
 * and read without a sleep anywhere.
 */
#pragma once
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Blocks until the test sends a line; ends the process when its standard input is closed. */
static inline void await_line(const char *marker)
{
	char c;

	printf("%s\n", marker);
	fflush(stdout);
	do {
		if (read(STDIN_FILENO, &c, 1) != 1)
			exit(0);
	} while (c != '\n');
}

static inline void pause_ns(long ns)
{
	struct timespec t = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };

	while (nanosleep(&t, &t))
		;
}

static inline uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

/* Keeps the compiler from seeing that a pointer is never used again. */
static inline void forget(void *p)
{
	__asm__ volatile("" : : "r"(p) : "memory");
}

#define NOINLINE __attribute__((noinline, noclone))
