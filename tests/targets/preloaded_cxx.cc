// Leaks known amounts through operator new and containers, from two threads; exceptions pass by.
// Prints its truth as one line of JSON.
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

const int rounds = 30000;
std::vector<std::unique_ptr<char[]>> kept[2];

struct Session {
	char state[240];
};

__attribute__((noinline)) void keep_session()
{
	Session *s = new Session;

	__asm__ volatile("" : : "r"(s) : "memory");
}

__attribute__((noinline)) void keep_buffer(int who)
{
	kept[who].push_back(std::make_unique<char[]>(700));
}

__attribute__((noinline)) void refuse(int i)
{
	std::string reason(100 + i % 50, 'x');

	throw std::runtime_error(reason);
}

void work(int who)
{
	kept[who].reserve(rounds);
	for (int i = 0; i < rounds; i++) {
		keep_session();
		keep_buffer(who);
		try {
			refuse(i);
		} catch (const std::runtime_error &) {
		}
	}
}

void await_line(const char *marker)
{
	char c;

	std::printf("%s\n", marker);
	std::fflush(stdout);
	do {
		if (read(STDIN_FILENO, &c, 1) != 1)
			_exit(0);
	} while (c != '\n');
}

} // namespace

int main()
{
	await_line("ready");
	std::thread a(work, 0), b(work, 1);
	a.join();
	b.join();
	std::printf("{\"keep_session\": %zu, \"keep_buffer\": %zu}\n", 2 * rounds * sizeof(Session),
		    size_t{2} * rounds * 700);
	await_line("done");
	return 0;
}
