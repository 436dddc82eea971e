/*
 * Libraries at work for others: whose memory it is, of which kind, and what they are called. Stacks
 * are those of real programs, shortened.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "analyse/attrib.h"
#include "analyse/rules.h"
#include "analyse/module_name.h"

enum {
	EXE,
	LIBC,
	SSL,
	CRYPTO,
	PYSSL,
	PQ,
	SQLITE,
	ADDON,
	Z,
	ZIP,
	JVM,
	CURL,
	KAFKA,
	LIBPYTHON,
	MODULES
};

static const struct snap_module modules[MODULES] = {
	[EXE] = { .name = "server", .main_exe = true },
	[LIBC] = { .name = "libc.so.6", .allocator = true },
	[SSL] = { .name = "libssl.so.3" },
	[CRYPTO] = { .name = "libcrypto.so.3" },
	[PYSSL] = { .name = "_ssl.cpython-311-x86_64-linux-gnu.so" },
	[PQ] = { .name = "libpq.so.5.15" },
	[SQLITE] = { .name = "libsqlite3.so.0.8.6" },
	[ADDON] = { .name = "ledger.node" },
	[Z] = { .name = "libz.so.1.2.13" },
	[ZIP] = { .name = "libzip.so" },
	[JVM] = { .name = "libjvm.so" },
	[CURL] = { .name = "libcurl.so.4" },
	[KAFKA] = { .name = "librdkafka.so.1" },
	[LIBPYTHON] = { .name = "libpython3.11.so.1.0" },
};

#define FRAME(m, s)                                            \
	{                                                      \
		.module = m, .symbol = s, .kind = FRAME_NATIVE \
	}
#define JAVA(s)                                                                  \
	{                                                                        \
		.module = SNAP_NO_MODULE, .symbol = s, .kind = FRAME_INTERPRETED \
	}

static struct owner find(const struct snap_frame *frames, size_t count, enum mt_stack_end end)
{
	const struct snapshot s = { .modules = modules, .module_count = MODULES };
	const struct snap_site site = { .kind = MT_SITE_HEAP, .stack = { frames, count, end } };

	return attrib_find_owner(&s, &site);
}

#define OWNER(...)                                                                          \
	({                                                                                  \
		const struct snap_frame frames_[] = { FRAME(LIBC, "malloc"), __VA_ARGS__ }; \
		find(frames_, sizeof(frames_) / sizeof(frames_[0]), MT_END_start);          \
	})

static void check_owner(struct owner o, enum resource_class class, uint32_t module, uint32_t frame,
			enum module_kind kind)
{
	assert_int_equal(o.class, class);
	assert_int_equal(o.module, module);
	assert_int_equal(o.frame, frame);
	assert_int_equal(o.kind, kind);
	assert_non_null(o.evidence);
}

static void a_library_that_the_program_uses_owns_it_by_the_function_that_was_called(void **state)
{
	struct owner o = OWNER(FRAME(CRYPTO, "CRYPTO_malloc"), FRAME(CRYPTO, "CRYPTO_zalloc"),
			       FRAME(CRYPTO, "OPENSSL_LH_new"), FRAME(SSL, NULL),
			       FRAME(SSL, "SSL_CTX_new_ex"), FRAME(EXE, "accept_client"),
			       FRAME(EXE, "main"), FRAME(LIBC, "__libc_start_main"));

	(void)state;
	check_owner(o, CLASS_native_modules, SSL, 5, MODULE_CRYPTO);
	assert_int_equal(o.holder, 3);
	o = OWNER(FRAME(SQLITE, NULL), FRAME(SQLITE, "sqlite3Malloc"), FRAME(SQLITE, NULL),
		  FRAME(SQLITE, "sqlite3_step"), FRAME(EXE, "query"));
	check_owner(o, CLASS_native_modules, SQLITE, 4, MODULE_DATABASE);
}

static void an_extension_owns_what_a_library_holds_for_it(void **state)
{
	struct owner o = OWNER(FRAME(CRYPTO, "CRYPTO_zalloc"), FRAME(SSL, "SSL_CTX_new_ex"),
			       FRAME(PYSSL, NULL), FRAME(EXE, "_PyObject_MakeTpCall"));

	(void)state;
	check_owner(o, CLASS_native_modules, PYSSL, 3, MODULE_CRYPTO);
	assert_int_equal(o.holder, 2);
	/* the same where the interpreter is a library, which runs other people's code */
	o = OWNER(FRAME(SSL, "SSL_CTX_new_ex"), FRAME(PYSSL, NULL),
		  FRAME(LIBPYTHON, "_PyObject_MakeTpCall"));
	check_owner(o, CLASS_native_modules, PYSSL, 2, MODULE_CRYPTO);
	o = OWNER(FRAME(Z, "deflateInit2_"), FRAME(LIBPYTHON, "zlib_compressobj"));
	check_owner(o, CLASS_native_modules, Z, 1, MODULE_COMPRESSION);
	/* an add-on of no kind: its memory is of the kind of the library */
	o = OWNER(FRAME(SQLITE, "sqlite3_open"), FRAME(ADDON, "Open(Napi::CallbackInfo&)"),
		  FRAME(ADDON, "Init"), FRAME(EXE, "v8::internal::Builtin_HandleApiCall"));
	check_owner(o, CLASS_native_modules, ADDON, 2, MODULE_DATABASE);
	o = OWNER(FRAME(Z, "deflateInit2_"), FRAME(ZIP, "Java_java_util_zip_Deflater_init"),
		  JAVA("java.util.zip.Deflater.init"));
	check_owner(o, CLASS_native_modules, ZIP, 2, MODULE_COMPRESSION);
}

static void tls_below_a_database_is_the_databases(void **state)
{
	struct owner o = OWNER(FRAME(CRYPTO, "CRYPTO_malloc"), FRAME(SSL, "SSL_new"),
			       FRAME(PQ, "pgtls_open_client"), FRAME(PQ, "PQconnectPoll"),
			       FRAME(PQ, "PQconnectdb"), FRAME(EXE, "main"));

	(void)state;
	check_owner(o, CLASS_native_modules, PQ, 5, MODULE_DATABASE);
	/* libraries with loops of their own: the function that used the other */
	o = OWNER(FRAME(SSL, "SSL_new"), FRAME(CURL, "ossl_connect"),
		  FRAME(CURL, "curl_multi_perform"), FRAME(EXE, "main"));
	check_owner(o, CLASS_native_modules, CURL, 2, MODULE_NETWORK);
	o = OWNER(FRAME(KAFKA, "rd_kafka_msg_new"), FRAME(KAFKA, "rd_kafka_broker_thread_main"),
		  FRAME(LIBC, "start_thread"));
	check_owner(o, CLASS_native_modules, KAFKA, 1, MODULE_NETWORK);
}

static void libraries_linked_into_a_program_are_known_by_their_functions(void **state)
{
	struct owner o = OWNER(
		FRAME(EXE,
		      "node::(anonymous namespace)::CompressionStream<node::(anonymous "
		      "namespace)::ZlibContext>::AllocForZlib(void*, unsigned int, unsigned int)"),
		FRAME(EXE, "deflateInit2_"),
		FRAME(EXE, "node::(anonymous namespace)::ZlibContext::InitZlib()"),
		FRAME(EXE, "worker"));

	(void)state;
	check_owner(o, CLASS_native_modules, EXE, 3, MODULE_COMPRESSION);
	o = OWNER(FRAME(EXE, "add_provider_groups"), FRAME(EXE, "discover_provider_groups"),
		  FRAME(EXE, "SSL_CTX_new_ex.part.0"),
		  FRAME(EXE, "node::crypto::SecureContext::Init"),
		  FRAME(EXE, "v8::internal::FunctionCallbackArguments::Call"));
	check_owner(o, CLASS_native_modules, EXE, 4, MODULE_CRYPTO);
	assert_true(o.confidence <= 0.7);
	o = OWNER(FRAME(EXE, "CRYPTO_zalloc"), FRAME(EXE, "some_table_new"), FRAME(EXE, "main"));
	check_owner(o, CLASS_native_modules, EXE, 2, MODULE_CRYPTO);
	/* what the program does itself, or asks of a shared library's allocator, is its own */
	o = OWNER(FRAME(CRYPTO, "CRYPTO_zalloc"), FRAME(EXE, "make_session"), FRAME(EXE, "main"));
	check_owner(o, CLASS_application, EXE, 2, MODULE_OTHER);
	o = OWNER(FRAME(EXE, "on_row"), FRAME(EXE, "sqlite3_exec"), FRAME(EXE, "main"));
	check_owner(o, CLASS_application, EXE, 1, MODULE_OTHER);
}

static void buffers_of_a_runtime_belong_to_who_asked_for_them(void **state)
{
	struct owner o =
		OWNER(FRAME(EXE, "node::NodeArrayBufferAllocator::Allocate(unsigned long)"),
		      FRAME(EXE, "v8::internal::Heap::AllocateExternalBackingStore"));

	(void)state;
	check_owner(o, CLASS_buffers, EXE, 2, MODULE_OTHER);
	o = OWNER(FRAME(JVM, "os::malloc(unsigned long, MEMFLAGS)"),
		  FRAME(JVM, "Unsafe_AllocateMemory0"), JAVA("java.nio.DirectByteBuffer.<init>"));
	/* code in no file is no place to tell again: all direct buffers are one */
	check_owner(o, CLASS_buffers, JVM, 2, MODULE_OTHER);
}

static struct module_name name_of(const char *path)
{
	const char *base = strrchr(path, '/');
	const struct snap_module m = { .name = base ? base + 1 : path, .path = path };
	struct module_name n;

	module_name_of(&m, &n);
	return n;
}

static void modules_are_called_what_their_users_call_them(void **state)
{
	static const char *const names[][3] = {
		{ "/usr/lib/python3.11/lib-dynload/_sqlite3.cpython-311-x86_64-linux-gnu.so",
		  "_sqlite3", "" },
		{ "/v/lib/python3.11/site-packages/numpy/core/_multiarray_umath.cpython-311-x86_64-"
		  "linux-gnu.so",
		  "_multiarray_umath", "numpy.core" },
		{ "/v/lib/python3.11/site-packages/cryptography/hazmat/bindings/_rust.abi3.so",
		  "_rust", "cryptography.hazmat.bindings" },
		{ "/usr/lib/python3/dist-packages/apt_pkg.so", "apt_pkg", "" },
		{ "/a/node_modules/better-sqlite3/build/Release/better_sqlite3.node",
		  "better_sqlite3.node", "better-sqlite3" },
		{ "/a/node_modules/x/node_modules/@img/sharp-linux-x64/lib/sharp-linux-x64.node",
		  "sharp-linux-x64.node", "@img/sharp-linux-x64" },
		{ "/a/build/own.node", "own.node", "" },
		{ "/v/site-packages/numpy.libs/libopenblas.so", "libopenblas.so", "" },
		{ "/usr/lib/jvm/lib/libzip.so", "libzip.so", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct module_name n = name_of(names[i][0]);

		assert_string_equal(n.name, names[i][1]);
		assert_string_equal(n.package, names[i][2]);
	}
	assert_string_equal(name_of("").name, "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_library_that_the_program_uses_owns_it_by_the_function_that_was_called),
		cmocka_unit_test(an_extension_owns_what_a_library_holds_for_it),
		cmocka_unit_test(tls_below_a_database_is_the_databases),
		cmocka_unit_test(libraries_linked_into_a_program_are_known_by_their_functions),
		cmocka_unit_test(buffers_of_a_runtime_belong_to_who_asked_for_them),
		cmocka_unit_test(modules_are_called_what_their_users_call_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
