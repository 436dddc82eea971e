/* Answers of the child process that reads lines: it may be in the hands of the file that it read.
 */
#include "fuzz.h"

#include "symbol/line_worker.c"

static size_t length(const char *text)
{
	return text ? strlen(text) : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct line_worker w;
	static struct line_answer answer;
	size_t all = 0;

	if (size > sizeof(w.in))
		return 0;
	memset(w.in, 0x5a, sizeof(w.in));
	memset(w.text, 'x', sizeof(w.text));
	memcpy(w.in, data, size);
	if (!read_answer(&w, size, &answer))
		return 0;
	CLAIM(answer.count <= LINE_FRAMES_MAX && answer.error <= 0);
	for (size_t i = 0; i < answer.count; i++)
		all += length(answer.frames[i].symbol) + length(answer.frames[i].file);
	CLAIM(all <= size);
	return 0;
}
