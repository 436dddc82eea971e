/* Kinds, severities and sentences: every combination has an answer, and the important ones fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <string.h>
#include <cmocka.h>

#include "analyse/recommend.h"

static void the_class_of_a_socket_names_the_leak(void **state)
{
	(void)state;
	assert_int_equal(
		recommend_leak_type(CLASS_database_connections, MT_SITE_SOCKET, MODULE_OTHER),
		LEAK_CONNECTION_POOL);
	assert_int_equal(
		recommend_leak_type(CLASS_websocket_connections, MT_SITE_SOCKET, MODULE_OTHER),
		LEAK_WEBSOCKET);
	assert_int_equal(
		recommend_leak_type(CLASS_network_connections, MT_SITE_SOCKET, MODULE_OTHER),
		LEAK_SOCKET);
}

static void the_kind_of_a_site_names_the_leak(void **state)
{
	(void)state;
	assert_int_equal(recommend_leak_type(CLASS_file_handles, MT_SITE_FD, MODULE_OTHER),
			 LEAK_FILE_HANDLE);
	assert_int_equal(recommend_leak_type(CLASS_thread_stacks, MT_SITE_THREAD, MODULE_OTHER),
			 LEAK_THREAD);
	assert_int_equal(recommend_leak_type(CLASS_application, MT_SITE_MMAP, MODULE_OTHER),
			 LEAK_MAPPING);
	assert_int_equal(recommend_leak_type(CLASS_application, MT_SITE_HEAP, MODULE_OTHER),
			 LEAK_HEAP);
	assert_int_equal(recommend_leak_type(CLASS_buffers, MT_SITE_HEAP, MODULE_OTHER),
			 LEAK_BUFFER);
}

static void the_owner_of_native_memory_names_the_leak(void **state)
{
	(void)state;
	assert_int_equal(recommend_leak_type(CLASS_native_modules, MT_SITE_HEAP, MODULE_CRYPTO),
			 LEAK_CRYPTO_CONTEXT);
	assert_int_equal(recommend_leak_type(CLASS_native_modules, MT_SITE_HEAP, MODULE_DATABASE),
			 LEAK_NATIVE_MODULE);
	assert_int_equal(recommend_leak_type(CLASS_unexplained, MT_SITE_MMAP, MODULE_OTHER),
			 LEAK_UNKNOWN);
}

static void every_combination_has_a_sentence(void **state)
{
	(void)state;
	for (int class = CLASS_NONE; class < CLASS_MAX; class ++)
		for (int kind = 0; kind <= MT_SITE_THREAD; kind++)
			for (int module = MODULE_OTHER; module <= MODULE_IMAGE; module++) {
				enum leak_type type = recommend_leak_type(class, kind, module);
				const char *text = recommend_sentence(class, type, module);

				assert_non_null(text);
				assert_true(strlen(text) > 20 && text[strlen(text) - 1] == '.');
			}
}

static void a_database_library_is_told_about_prepared_statements(void **state)
{
	(void)state;
	assert_non_null(strstr(
		recommend_sentence(CLASS_native_modules, LEAK_NATIVE_MODULE, MODULE_DATABASE),
		"prepared statements"));
}

static enum severity severity_of(double bytes, double bytes_per_s)
{
	struct recommend_cfg cfg = recommend_defaults();

	return recommend_severity(&cfg, MT_SITE_HEAP, bytes, bytes_per_s, 1e9, 1e9);
}

static void severity_follows_size_or_rate(void **state)
{
	(void)state;
	assert_int_equal(severity_of(20e6, 100e3), SEVERITY_LOW);
	assert_int_equal(severity_of(20.1e6, 0), SEVERITY_MEDIUM);
	assert_int_equal(severity_of(0, 100.1e3), SEVERITY_MEDIUM);
	assert_int_equal(severity_of(50.1e6, 0), SEVERITY_HIGH);
	assert_int_equal(severity_of(0, 500.1e3), SEVERITY_HIGH);
	assert_int_equal(severity_of(100.1e6, 0), SEVERITY_CRITICAL);
	assert_int_equal(severity_of(0, 1.1e6), SEVERITY_CRITICAL);
}

static void what_is_not_known_does_not_raise_severity(void **state)
{
	(void)state;
	assert_int_equal(severity_of(NAN, NAN), SEVERITY_LOW);
}

static void descriptors_are_graded_by_count(void **state)
{
	struct recommend_cfg cfg = recommend_defaults();

	(void)state;
	assert_int_equal(recommend_severity(&cfg, MT_SITE_FD, 0, 0, 20, 0.1), SEVERITY_LOW);
	assert_int_equal(recommend_severity(&cfg, MT_SITE_FD, 0, 0, 600, 0.1), SEVERITY_HIGH);
	assert_int_equal(recommend_severity(&cfg, MT_SITE_SOCKET, 0, 0, 20, 101),
			 SEVERITY_CRITICAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_class_of_a_socket_names_the_leak),
		cmocka_unit_test(the_kind_of_a_site_names_the_leak),
		cmocka_unit_test(the_owner_of_native_memory_names_the_leak),
		cmocka_unit_test(every_combination_has_a_sentence),
		cmocka_unit_test(a_database_library_is_told_about_prepared_statements),
		cmocka_unit_test(severity_follows_size_or_rate),
		cmocka_unit_test(what_is_not_known_does_not_raise_severity),
		cmocka_unit_test(descriptors_are_graded_by_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
