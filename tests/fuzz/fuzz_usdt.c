/* Notes of statically defined probes and their operands, from a file that may be anything. */
#include "fuzz.h"

#include <errno.h>

#include "sys/usdt.h"

static void check_spec(const struct mt_usdt_spec *spec, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct mt_usdt_arg *a = &spec->arg[i];

		CLAIM(a->from >= MT_USDT_CONSTANT && a->from <= MT_USDT_MEMORY);
		CLAIM(a->bytes == 1 || a->bytes == 2 || a->bytes == 4 || a->bytes == 8);
		CLAIM(a->reg < 16 && a->scale_log2 < 4);
		CLAIM(a->index < 16 || a->index == MT_USDT_NO_INDEX);
	}
}

static int visit(void *ctx, const struct usdt_note *n)
{
	struct mt_usdt_spec spec;

	*(size_t *)ctx += strlen(n->provider) + strlen(n->name);
	for (size_t count = 0; count <= MT_USDT_ARGS; count++)
		if (usdt_parse_args(n->args, count, &spec) == 0)
			check_spec(&spec, count);
	return 0;
}

static void read_file(const uint8_t *data, size_t size)
{
	static struct usdt_probes found;
	struct elf_file *f = NULL;

	if (elf_open_fd(fuzz_file(data, size), &f, NULL) < 0)
		return;
	if (usdt_find(f, "otel_memory", "alloc", 3, &found) == 0) {
		CLAIM(found.count <= USDT_PROBES_MAX && found.count + found.refused > 0);
		for (size_t i = 0; i < found.count; i++) {
			check_spec(&found.probe[i].spec, 3);
			CLAIM(found.probe[i].semaphore % 2 == 0);
		}
	}
	elf_close(f);
}

/* A file, or else notes, or the operands of one note as text. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mt_usdt_spec spec;
	char text[256];
	size_t sum = 0, n = size < sizeof(text) - 1 ? size : sizeof(text) - 1;

	if (size >= 4 && !memcmp(data, "\177ELF", 4)) {
		read_file(data, size);
		return 0;
	}
	usdt_each_note(data, size, visit, &sum);
	CLAIM(sum <= size);
	memcpy(text, data, n);
	text[n] = '\0';
	if (usdt_parse_args(text, MT_USDT_ARGS, &spec) == 0)
		check_spec(&spec, MT_USDT_ARGS);
	return 0;
}
