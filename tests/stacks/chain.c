/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Calls marked() through as many frames as it is told: lines "LEVELS CALLS" on standard input,
 * "done" for each. Built with and without frame pointers.
 */
#include <stdio.h>

#define NOINLINE __attribute__((noinline, noclone, used))

void marked(int n);
int chain(int levels, int n);

NOINLINE void marked(int n)
{
	__asm__ volatile("" : : "r"(n) : "memory");
}

NOINLINE int chain(int levels, int n)
{
	if (levels == 0)
		marked(n);
	else
		n += chain(levels - 1, n);
	__asm__ volatile("" : : "r"(&n) : "memory"); /* no tail call */
	return n;
}

int main(void)
{
	int levels, calls;

	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("ready");
	while (scanf("%d %d", &levels, &calls) == 2) {
		for (int i = 0; i < calls; i++)
			chain(levels, i);
		puts("done");
	}
	return 0;
}
