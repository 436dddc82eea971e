/* Unwind tables from whole files. seeds: elf, smoke: 8000 */
#include "fuzz.h"

#include "sys/elf.h"
#include "unwind/table.h"

static void read_sections(const struct elf_file *f)
{
	static const char *const names[] = {
		".eh_frame",	  ".debug_frame",	".symtab",
		".gnu_debuglink", ".note.gnu.build-id", ".debug_info"
	};
	struct elf_code_segment segment[4];
	struct elf_bytes bytes;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (elf_section(f, names[i], 1 << 20, &bytes) < 0)
			continue;
		CLAIM(bytes.len > 0 && bytes.len <= 1 << 20 && bytes.bytes);
		free(bytes.bytes);
	}
	if (elf_eh_frame(f, 1 << 20, &bytes) == 0)
		free(bytes.bytes);
	elf_code_segments(f, segment, 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct elf_file *f = NULL, *again = NULL;
	struct unwind_dict *d = NULL;
	struct unwind_table t = {};
	struct err err = {};

	if (elf_open_fd(fuzz_file(data, size), &f, &err) < 0)
		return 0;
	read_sections(f);
	CLAIM(unwind_dict_new(&d) == 0);
	if (unwind_table_build(f, d, &t, &err) == 0) {
		size_t rules;

		unwind_dict_rules(d, &rules);
		CLAIM(rules <= UNWIND_RULES_OF_FILE + 16);
		for (uint64_t at = 0; at < size + 4096; at += 61)
			CLAIM(unwind_table_find(&t, at) <= MT_UNWIND_RULES);
		unwind_table_done(&t);
	}
	unwind_dict_free(d);
	if (elf_open_memory(data, size, &again, &err) == 0)
		elf_close(again);
	elf_close(f);
	return 0;
}
