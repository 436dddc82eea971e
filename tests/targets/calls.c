/*
 * A program that does little but ask the kernel: who its parent is, over and over, with a block
 * taken and given back now and then. Begins with a line on standard input and ends with that.
 */
#include <poll.h>
#include <sys/syscall.h>

#include "target.h"

#define CALLS 100000 /* between looks at standard input */

int main(void)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };

	await_line("ready");
	while (poll(&in, 1, 0) == 0) {
		void *p = malloc(100);

		forget(p);
		for (int i = 0; i < CALLS; i++)
			syscall(SYS_getppid);
		free(p);
	}
	return 0;
}
