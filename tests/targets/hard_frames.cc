// Allocates from every kind of frame that makes unwinding hard, for as long as its input is open:
// `hard_frames [THREADS [STEPS PER SECOND [DEPTH]]]`. Optimised, without frame pointers.
#include <alloca.h>
#include <csignal>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "target.h"

namespace
{
int rate = 200;
int depth = 12;

NOINLINE void ask(size_t size)
{
	void *p = malloc(size);

	forget(p);
	free(p);
}

NOINLINE void variable_frame(int n)
{
	char *room = static_cast<char *>(alloca(n * 16));

	memset(room, 1, n * 16);
	ask(n);
	forget(room);
}

// Realigned: the caller's frame is reached through a saved pointer.
NOINLINE void realigned_frame(int n)
{
	alignas(64) char line[256];
	char *room = static_cast<char *>(alloca(n * 16));

	memset(line, n, sizeof(line));
	ask(n + sizeof(line));
	forget(line);
	forget(room);
}

// The frame pointer's register holds data across the call.
NOINLINE void data_in_rbp(int n)
{
	__asm__ volatile("mov $0x5555555555, %%rbp" : : : "rbp");
	ask(n);
	__asm__ volatile("" : : : "rbp");
}

NOINLINE void large_frame(int n)
{
	char room[1536];

	memset(room, n, sizeof(room));
	ask(n);
	forget(room);
}

int compare(const void *a, const void *b)
{
	int x = *static_cast<const int *>(a), y = *static_cast<const int *>(b);

	ask(16 + x % 16);
	return x < y ? -1 : x > y;
}

// A callback from the C library.
NOINLINE void sorted(int n)
{
	int values[8];

	for (int i = 0; i < 8; i++)
		values[i] = (n * 31 + i * 17) % 100;
	qsort(values, 8, sizeof(values[0]), compare);
	forget(values);
}

void on_signal(int)
{
	ask(64);
}

// From a signal handler, on the thread's own stack or on another (SIGUSR2).
NOINLINE void interrupted(int n)
{
	raise(n % 2 ? SIGUSR1 : SIGUSR2);
	ask(n);
}

NOINLINE void thrower(int n)
{
	if (n >= 0)
		throw std::runtime_error("thrown with a text that is too long for the object");
}

NOINLINE void thrown(int n)
{
	try {
		thrower(n);
	} catch (const std::exception &e) {
		ask(strlen(e.what()));
	}
}

struct Shape {
	virtual ~Shape() = default;
	virtual void draw(int n) = 0;
};
struct Circle : Shape {
	std::string name;
	NOINLINE void draw(int n) override
	{
		name = std::string(40 + n % 40, 'x');
	}
};

NOINLINE void library(int n)
{
	std::map<int, std::string> table;
	std::function<void(int)> call = [&table](int i) { table[i] = std::string(30 + i, 'y'); };
	Circle circle;
	Shape *shape = &circle;

	for (int i = 0; i < 4; i++)
		call(i + n % 7);
	shape->draw(n);
}

using step_fn = void (*)(int);
const step_fn steps[] = { variable_frame, realigned_frame, data_in_rbp, large_frame,
			  sorted,	  interrupted,	   thrown,	library };
constexpr int kinds = sizeof(steps) / sizeof(steps[0]);

// Every kind of frame below every other, `left` levels deep.
NOINLINE void descend(int n, int left)
{
	int after = n % 40;

	steps[n % kinds](1 + n % 50);
	if (left > 0)
		descend(n / 3 + left, left - 1);
	forget(&after); // no tail call
}

void worker(int id)
{
	stack_t other = {};
	uint64_t begun = now_ns();

	other.ss_size = 1 << 16;
	other.ss_sp = malloc(other.ss_size);
	sigaltstack(&other, nullptr);
	for (uint64_t n = 0;; n++) {
		uint64_t due = begun + (n + 1) * 1000000000 / rate, now = now_ns();

		descend(id * 1000 + n, n % depth);
		if (now < due)
			pause_ns(due - now);
	}
}

void handle(int number, int flags)
{
	struct sigaction action = {};

	action.sa_handler = on_signal;
	action.sa_flags = flags;
	sigaction(number, &action, nullptr);
}
}

int main(int argc, char **argv)
{
	int threads = argc > 1 ? strtol(argv[1], nullptr, 10) : 4;
	std::vector<std::thread> all;

	if (argc > 2)
		rate = strtol(argv[2], nullptr, 10);
	if (argc > 3)
		depth = strtol(argv[3], nullptr, 10);
	handle(SIGUSR1, 0);
	handle(SIGUSR2, SA_ONSTACK);
	for (int i = 0; i < threads; i++)
		all.emplace_back(worker, i);
	await_line("ready");
	_exit(0);
}
