/* Leaks through two functions that the compiler inlines; lines are looked for by 70-names.py. */
#include "target.h"

struct order {
	char items[500];
};

static size_t orders;

static inline __attribute__((always_inline)) struct order *new_order(void)
{
	return malloc(sizeof(struct order)); /* line: new_order */
}

static inline __attribute__((always_inline)) struct order *take_order(void)
{
	struct order *o = new_order(); /* line: take_order */

	orders++;
	return o;
}

NOINLINE static void serve_customer(void)
{
	struct order *o = take_order(); /* line: serve_customer */

	forget(o);
}

int main(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : 1000;

	await_line("ready");
	for (int i = 0; i < count; i++)
		serve_customer();
	printf("{\"sites\": [{\"function\": \"serve_customer\", \"count\": %zu, \"bytes\": "
	       "%zu}]}\n",
	       orders, orders * sizeof(struct order));
	await_line("done");
	return 0;
}
