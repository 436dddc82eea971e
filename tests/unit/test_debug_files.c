/* Names of stripped programs: from packed symbols, from separate debug files, and when not. */
#include "debug_fixture.h"

#include "symbol/minidebug.h"
#include "symbol/symbolizer.h"

#define STRIP "objcopy --strip-all whole root/usr/bin/prog"
#define SPLIT "objcopy --only-keep-debug whole prog.debug"
#define LINK "objcopy --strip-all --add-gnu-debuglink=prog.debug whole root/usr/bin/prog"
#define BY_ID                                                        \
	"mkdir -p %s/usr/lib/debug/.build-id/%.2s && cp prog.debug " \
	"%s/usr/lib/debug/.build-id/%.2s/%s.debug"

static uint64_t standing_clock(void)
{
	return 1;
}

/* What a function of the stripped program is called; "" when it has no name. */
static const char *name_of(const char *function, struct symbolizer_stats *ret)
{
	struct symbolizer_cfg cfg = SYMBOLIZER_CFG_DEFAULT(standing_clock);
	static char kept[256], host[192], root[192], path[192];
	struct symbol_file file = { .name = "/usr/bin/prog", .root = root, .path = path };
	const uint64_t vaddr = fixture_vaddr(function, NULL);
	const char *name = NULL;
	struct symbolizer *s;
	uint32_t number;
	int r;

	file.build_id = fixture_build_id();
	snprintf(host, sizeof(host), "%s", fixture_path("host"));
	snprintf(root, sizeof(root), "%s", fixture_path("root"));
	snprintf(path, sizeof(path), "%s", fixture_path("root/usr/bin/prog"));
	cfg.host_root = host;
	assert_int_equal(symbolizer_new(&cfg, &s), 0);
	assert_int_equal(symbolizer_add_file(s, &file, &number), 0);
	do {
		symbolizer_start_tick(s, 1000);
		r = symbolizer_resolve(s, number, vaddr + 1, &name);
	} while (r == -EAGAIN);
	assert_int_equal(r, 0);
	snprintf(kept, sizeof(kept), "%s", name ? name : "");
	symbolizer_get_stats(s, ret);
	symbolizer_free(s);
	return kept;
}

static void expect(const char *name, uint64_t files, uint64_t refused, uint64_t mismatched)
{
	struct symbolizer_stats stats;

	assert_string_equal(name_of("outer_function", &stats), name);
	assert_int_equal(stats.debug_files, files);
	assert_int_equal(stats.debug_refused, refused);
	assert_int_equal(stats.debug_mismatched, mismatched);
}

static void put_by_id(const char *where)
{
	const char *id = fixture_build_id();

	fixture_run(BY_ID, where, id, where, id, id + 2);
}

static void a_stripped_program_has_no_names(void **state)
{
	(void)state;
	fixture_build("");
	fixture_run(STRIP);
	expect("", 0, 0, 0);
}

/* Of _init, which has no size, too: it ends with its section. */
static void code_behind_the_end_of_a_function_has_no_name(void **state)
{
	struct symbolizer_stats stats;

	(void)state;
	fixture_build("");
	fixture_run("objcopy --strip-all --keep-symbol=_init whole "
		    "root/usr/bin/prog");
	expect("", 0, 0, 0);
	assert_string_equal(name_of("_start", &stats), "");
	assert_string_equal(name_of("_init", &stats), "_init");
}

static void packed_symbols_name_a_stripped_program(void **state)
{
	struct symbolizer_stats stats;

	(void)state;
	fixture_build("-rdynamic");
	fixture_run("objcopy -S --remove-section .gnu_debuglink whole packed && "
		    "objcopy --only-keep-debug whole p.debug && "
		    "objcopy -S --keep-symbol=outer_function p.debug && xz -k p.debug && "
		    "objcopy --add-section .gnu_debugdata=p.debug.xz packed root/usr/bin/prog");
	expect("outer_function", 1, 0, 0);
	assert_string_equal(name_of("main", &stats), "main"); /* of .dynsym, beside */
}

static void packed_rubbish_is_refused(void **state)
{
	(void)state;
	fixture_build("");
	fixture_run("head -c 10000 /dev/urandom > r.xz && "
		    "objcopy -S --add-section .gnu_debugdata=r.xz whole root/usr/bin/prog");
	expect("", 0, 1, 0);
	fixture_run("printf 'no ELF file' | xz > r.xz && "
		    "objcopy -S --add-section .gnu_debugdata=r.xz whole root/usr/bin/prog");
	expect("", 0, 1, 0);
	fixture_run("xz -k source.c && head -c 100 source.c.xz > r.xz && "
		    "objcopy -S --add-section .gnu_debugdata=r.xz whole root/usr/bin/prog");
	expect("", 0, 1, 0);
}

static void what_unpacks_to_too_much_is_refused(void **state)
{
	char *out = NULL, packed[64 << 10];
	size_t size, n;
	FILE *f;

	(void)state;
	fixture_build("");
	fixture_run("head -c 70000000 /dev/zero | xz -0 > r.xz && "
		    "objcopy -S --add-section .gnu_debugdata=r.xz whole root/usr/bin/prog");
	expect("", 0, 1, 0);
	f = fopen(fixture_path("r.xz"), "r");
	assert_non_null(f);
	n = fread(packed, 1, sizeof(packed), f);
	fclose(f);
	assert_true(n < sizeof(packed));
	assert_int_equal(minidebug_unpack(packed, n, 69999999, &out, &size), -EFBIG);
	assert_null(out);
	assert_int_equal(minidebug_unpack(packed, n, 70000000, &out, &size), 0);
	assert_int_equal(size, 70000000);
	free(out);
}

static void a_debug_file_is_found_by_build_id(void **state)
{
	(void)state;
	fixture_build("-Wl,--build-id");
	fixture_run(STRIP " && " SPLIT);
	put_by_id("root");
	expect("outer_function", 1, 0, 0);
}

static void the_host_has_debug_files_too(void **state)
{
	(void)state;
	fixture_build("-Wl,--build-id");
	fixture_run(STRIP " && " SPLIT);
	put_by_id("host");
	expect("outer_function", 1, 0, 0);
}

static void a_debug_file_is_found_by_its_link(void **state)
{
	static const char *const places[] = { "root/usr/bin", "root/usr/bin/.debug",
					      "root/usr/lib/debug/usr/bin" };

	(void)state;
	fixture_build("-Wl,--build-id=none");
	fixture_run(SPLIT " && " LINK);
	expect("", 0, 0, 0);
	for (size_t i = 0; i < 3; i++) {
		fixture_run("cp prog.debug %s", places[i]);
		expect("outer_function", 1, 0, 0);
		fixture_run("rm %s/prog.debug", places[i]);
	}
}

static void a_wrong_crc_is_refused(void **state)
{
	(void)state;
	fixture_build("-Wl,--build-id=none");
	fixture_run(SPLIT " && " LINK " && cp prog.debug root/usr/bin && "
			  "printf x >> root/usr/bin/prog.debug");
	expect("", 0, 0, 1);
}

static void a_wrong_build_id_is_refused(void **state)
{
	(void)state;
	fixture_build("-Wl,--build-id=0x123456");
	fixture_run(SPLIT);
	fixture_build("-Wl,--build-id=0x123457");
	fixture_run(LINK " && cp prog.debug root/usr/bin"); /* its CRC is right */
	put_by_id("root");
	expect("", 0, 0, 2);
}

static void nothing_but_a_regular_file_of_the_root_is_opened(void **state)
{
	(void)state;
	fixture_build("-Wl,--build-id=none");
	fixture_run(SPLIT " && " LINK " && mkfifo root/usr/bin/prog.debug");
	expect("", 0, 1, 0);
	/* an absolute link means the root of the process, not ours */
	fixture_run("rm root/usr/bin/prog.debug && ln -s %s/prog.debug root/usr/bin/prog.debug",
		    fixture_folder);
	expect("", 0, 0, 0);
	fixture_run("mkdir -p root/%s && cp prog.debug root/%s/", fixture_folder, fixture_folder);
	expect("outer_function", 1, 0, 0);
}

static void a_link_with_a_folder_in_it_is_not_followed(void **state)
{
	(void)state;
	fixture_build("-Wl,--build-id=none");
	fixture_run("mkdir -p x && " SPLIT " && " LINK " && cp prog.debug root/usr/");
	fixture_run("sed -i 's|prog.debug|../%s|' root/usr/bin/prog", "g.debug");
	fixture_run("cp prog.debug root/usr/g.debug");
	expect("", 0, 0, 0);
}

static void a_broken_debug_file_is_refused(void **state)
{
	(void)state;
	fixture_build("-Wl,--build-id");
	fixture_run(STRIP " && head -c 40 whole > prog.debug");
	put_by_id("root");
	expect("", 0, 1, 0);
}

#define TEST(f) cmocka_unit_test_setup(f, fixture_clear)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_stripped_program_has_no_names),
		TEST(code_behind_the_end_of_a_function_has_no_name),
		TEST(packed_symbols_name_a_stripped_program),
		TEST(packed_rubbish_is_refused),
		TEST(what_unpacks_to_too_much_is_refused),
		TEST(a_debug_file_is_found_by_build_id),
		TEST(the_host_has_debug_files_too),
		TEST(a_debug_file_is_found_by_its_link),
		TEST(a_wrong_crc_is_refused),
		TEST(a_wrong_build_id_is_refused),
		TEST(nothing_but_a_regular_file_of_the_root_is_opened),
		TEST(a_link_with_a_folder_in_it_is_not_followed),
		TEST(a_broken_debug_file_is_refused),
	};

	return cmocka_run_group_tests(tests, fixture_begin, fixture_end);
}
