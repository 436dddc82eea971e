/* A library that allocates through a chain of its own; PAD makes another one of it, laid out anew.
 */
#include <stdlib.h>

#define NOINLINE __attribute__((noinline, noclone))

#ifdef PAD
NOINLINE int plugin_pad(int n)
{
	char block[777];

	__asm__ volatile("" : : "r"(block) : "memory");
	return n ? plugin_pad(n - 1) + n : block[0];
}
#endif

NOINLINE void plugin_leaf(void)
{
#ifdef PAD
	char block[200];

	__asm__ volatile("" : : "r"(block) : "memory");
#endif
	__asm__ volatile("" : : "r"(malloc(24)) : "memory");
}

NOINLINE void plugin_early(int n)
{
	if (n == 0)
		plugin_leaf();
	else
		plugin_early(n - 1);
	__asm__ volatile("" : : "r"(&n) : "memory");
}

NOINLINE void plugin_late(int n)
{
	if (n == 0)
		plugin_leaf();
	else
		plugin_late(n - 1);
	__asm__ volatile("" : : "r"(&n) : "memory");
}
