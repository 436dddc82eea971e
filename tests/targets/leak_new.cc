// Leaks objects made by operator new and new[], and makes and deletes others. C++, no exceptions.
#include <new>
#include <string>
#include <vector>

#include "target.h"

namespace shop
{
struct Order {
	char items[180];
};

NOINLINE Order *place_order()
{
	Order *o = new Order();

	forget(o); // no tail call: it would leave this function out of the stack
	return o;
}

NOINLINE int *reserve_stock(int n)
{
	int *stock = new int[n];

	forget(stock);
	return stock;
}

NOINLINE size_t quote(int n)
{
	std::vector<std::string> lines;

	for (int i = 0; i < n; i++)
		lines.push_back(std::string(100 + i, 'x'));
	return lines.size();
}
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? strtol(argv[1], NULL, 10) : 200;
	size_t orders = 0, stocks = 0;

	await_line("ready");
	for (int r = 0; r < rounds; r++) {
		for (int k = 0; k < 5; k++) {
			forget(shop::place_order());
			orders++;
			forget(shop::reserve_stock(100));
			stocks++;
		}
		shop::quote(20);
		pause_ns(100000000);
	}
	printf("{\"sites\": [{\"function\": \"shop::place_order\", \"count\": %zu, \"bytes\": %zu}, "
	       "{\"function\": \"shop::reserve_stock\", \"count\": %zu, \"bytes\": %zu}]}\n",
	       orders, orders * sizeof(shop::Order), stocks, stocks * 400);
	await_line("done");
	return 0;
}
