/* What a file holds of symbols beside its tables: packed, or in a file that it names. */
#include "fuzz.h"

#include <errno.h>

#include "sys/elf.h"
#include "symbol/debugfile.h"
#include "symbol/minidebug.h"

#define UNPACKED_MAX (1u << 20)

static void unpack(const uint8_t *data, size_t size)
{
	char *bytes = NULL;
	size_t len = 0;
	uint8_t sum = 0;

	if (minidebug_unpack(data, size, UNPACKED_MAX, &bytes, &len) < 0)
		return;
	CLAIM(len <= UNPACKED_MAX);
	for (size_t i = 0; i < len; i++)
		sum ^= (uint8_t)bytes[i];
	CLAIM(sum <= UINT8_MAX);
	free(bytes);
}

/* There is nothing to be found below the empty folder, however the file calls it. */
static void search(const struct elf_file *f, const char *build_id)
{
	const char *tmp = getenv("TMPDIR");
	struct debug_place place = {
		.root = tmp, .host = tmp, .name = "/bin/prog", .build_id = build_id
	};
	struct debug_refusals refused = {};
	struct debug_search *s = NULL;
	struct elf_file *found = NULL;
	int r = -EAGAIN;

	if (debug_search_new(f, &place, &s) == 0) {
		for (int step = 0; r == -EAGAIN; step++) {
			CLAIM(step < 100);
			r = debug_search_step(s, &found);
		}
		CLAIM(r < 0);
		debug_search_free(s);
	}
	r = debug_file_open_shared(f, "/bin/prog", &place, &refused, &found);
	CLAIM(r < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct module_fact fact = {};
	struct debug_refusals refused = {};
	struct elf_file *f = NULL, *inner = NULL;
	struct err err = {};
	const int fd = fuzz_file(data, size);

	unpack(data, size);
	if (elf_open_fd(fd, &f, &err) < 0)
		return 0;
	elf_describe(f, &fact);
	if (minidebug_open(f, &inner) == 0)
		elf_close(inner);
	search(f, fact.build_id);
	if (debug_file_open(fd, fact.build_id, &refused, &inner) == 0)
		elf_close(inner);
	elf_close(f);
	return 0;
}
