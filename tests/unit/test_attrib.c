/*
 * Owners of call sites: small stacks over one fixed table of modules. Frames are written as
 * {module, symbol}; the rest of a snapshot is zero unless a test needs it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "analyse/attrib.h"

enum {
	EXE,
	LIBC,
	LIBSTDCXX,
	LIBPQ,
	LIBCRYPTO,
	GLIB,
	ADDON,
	LIBZ,
	LIBSQLITE,
	JEMALLOC,
	POSTGRES_LIKE,
	LIBJVM,
	ODD_ALLOCATOR,
	LD_SO,
	MODULES,
};

static const struct snap_module modules[MODULES] = {
	[EXE] = { .name = "server", .main_exe = true, .allocator = true },
	[LIBC] = { .name = "libc.so.6", .allocator = true },
	[LIBSTDCXX] = { .name = "libstdc++.so.6.0.30" },
	[LIBPQ] = { .name = "libpq.so.5.15" },
	[LIBCRYPTO] = { .name = "libcrypto.so.3" },
	[GLIB] = { .name = "libglib-2.0.so.0" },
	[ADDON] = { .name = "image_ops.node", .allocator = true },
	[LIBZ] = { .name = "libz.so.1.2.13" },
	[LIBSQLITE] = { .name = "libsqlite3.so.0" },
	[JEMALLOC] = { .name = "libjemalloc.so.2", .allocator = true },
	[POSTGRES_LIKE] = { .name = "libother.so" },
	[LIBJVM] = { .name = "libjvm.so" },
	[ODD_ALLOCATOR] = { .name = "libpool.so", .allocator = true },
	[LD_SO] = { .name = "ld-linux-x86-64.so.2" },
};

#define FRAME(m, s)                                            \
	{                                                      \
		.module = m, .symbol = s, .kind = FRAME_NATIVE \
	}

static struct owner find_in(const struct snap_module *list, size_t list_count,
			    enum mt_site_kind kind, enum mt_stack_end end,
			    const struct snap_frame *frames, size_t count)
{
	const struct snapshot s = { .modules = list, .module_count = list_count };
	const struct snap_site site = { .kind = kind, .stack = { frames, count, end } };

	return attrib_find_owner(&s, &site);
}

#define OWNER(kind, end, ...)                                          \
	({                                                             \
		const struct snap_frame frames_[] = { __VA_ARGS__ };   \
		find_in(modules, MODULES, kind, MT_END_##end, frames_, \
			sizeof(frames_) / sizeof(frames_[0]));         \
	})
#define HEAP_OWNER(...) OWNER(MT_SITE_HEAP, start, __VA_ARGS__)

static void the_main_executable_is_the_application(void **state)
{
	struct owner o = HEAP_OWNER(FRAME(LIBC, "malloc"), FRAME(EXE, "read_config"),
				    FRAME(EXE, "main"), FRAME(LIBC, "__libc_start_main"));

	(void)state;
	assert_int_equal(o.class, CLASS_application);
	assert_int_equal(o.module, EXE);
	assert_int_equal(o.frame, 1);
	assert_true(o.confidence > 0.9);
	assert_non_null(o.evidence);
}

static void a_library_is_a_native_module_with_its_kind(void **state)
{
	struct owner o = HEAP_OWNER(FRAME(LIBC, "malloc"), FRAME(LIBPQ, "PQmakeEmptyPGresult"),
				    FRAME(EXE, "query"));

	(void)state;
	assert_int_equal(o.class, CLASS_native_modules);
	assert_int_equal(o.module, LIBPQ);
	assert_int_equal(o.kind, MODULE_DATABASE);
}

static void the_c_and_cxx_runtime_own_nothing(void **state)
{
	struct owner o = HEAP_OWNER(FRAME(LIBC, "malloc"), FRAME(LIBSTDCXX, "operator new"),
				    FRAME(LIBC, "fopen"), FRAME(LD_SO, "_dl_init"),
				    FRAME(LIBZ, "deflateInit2_"), FRAME(EXE, "main"));

	(void)state;
	assert_int_equal(o.module, LIBZ);
	assert_int_equal(o.frame, 4);
	assert_int_equal(o.kind, MODULE_COMPRESSION);
}

static void wrappers_pass_the_memory_on(void **state)
{
	static const struct snap_frame wrappers[] = {
		FRAME(EXE, "xmalloc"),
		FRAME(EXE, "xstrdup"),
		FRAME(GLIB, "g_malloc0_n"),
		FRAME(GLIB, "g_slice_alloc"),
		FRAME(LIBSQLITE, "sqlite3MemMalloc"),
		FRAME(LIBSQLITE, "sqlite3_malloc64"),
		FRAME(LIBCRYPTO, "CRYPTO_zalloc"),
		FRAME(EXE, "zmalloc_usable"),
		FRAME(EXE, "ztrymalloc"),
		FRAME(EXE, "PyObject_Malloc"),
		FRAME(EXE, "_PyMem_RawMalloc"),
		FRAME(EXE, "uv__malloc"),
		FRAME(LIBZ, "zcalloc"),
		FRAME(LIBJVM, "os::malloc(unsigned long, MEMFLAGS)"),
		FRAME(EXE, "av_malloc"),
		FRAME(EXE, "apr_palloc"),
		FRAME(EXE, "ngx_alloc"),
		FRAME(EXE, "node::NodeArrayBufferAllocator::AllocateUninitialized(unsigned long)"),
		FRAME(EXE, "alloc::raw_vec::RawVec<T,A>::reserve::do_reserve_and_handle"),
		FRAME(EXE, "<alloc::vec::Vec<T> as core::clone::Clone>::clone"),
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(wrappers) / sizeof(wrappers[0]); i++) {
		struct owner o =
			HEAP_OWNER(FRAME(LIBC, "malloc"), wrappers[i], FRAME(LIBPQ, "pqSendSome"));

		if (o.frame != 2)
			print_error("not a wrapper: %s\n", wrappers[i].symbol);
		assert_int_equal(o.frame, 2);
		assert_int_equal(o.module, LIBPQ);
	}
}

static void a_wrapper_of_one_program_is_none_elsewhere(void **state)
{
	static const struct snap_module postgres[] = {
		{ .name = "postgres", .main_exe = true },
		{ .name = "libother.so" },
	};
	static const struct snap_frame inside[] = { FRAME(0, "palloc0"), FRAME(0, "ExecInitNode") };
	struct owner o = find_in(postgres, 2, MT_SITE_HEAP, MT_END_start, inside, 2);

	(void)state;
	assert_int_equal(o.frame, 1);
	o = HEAP_OWNER(FRAME(LIBC, "malloc"), FRAME(POSTGRES_LIKE, "palloc0"), FRAME(EXE, "main"));
	assert_int_equal(o.module, POSTGRES_LIKE);
}

static void a_static_allocator_is_told_by_its_symbols(void **state)
{
	static const char *const names[] = { "malloc",
					     "je_malloc",
					     "mi_malloc_aligned",
					     "tc_malloc",
					     "operator new(unsigned long)",
					     "operator new[](unsigned long)",
					     "_Znwm",
					     "_int_malloc",
					     "calloc.part.0",
					     "__rust_alloc",
					     "operator new" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct owner o = HEAP_OWNER(FRAME(EXE, names[i]), FRAME(EXE, "load"));

		assert_int_equal(o.frame, 1);
		assert_int_equal(o.class, CLASS_application);
	}
}

static bool through(enum mt_site_kind kind, const struct snap_frame *frames, size_t count)
{
	const struct snapshot s = { .modules = modules, .module_count = MODULES };
	const struct snap_site site = { .kind = kind, .stack = { frames, count, MT_END_start } };

	return attrib_is_through_allocator(&s, &site);
}

static void mappings_of_an_allocator_are_told_from_those_of_the_program(void **state)
{
	const struct snap_frame grown[] = { FRAME(LIBC, "sbrk"), FRAME(LIBC, "__default_morecore"),
					    FRAME(LIBC, "sysmalloc"), FRAME(LIBC, "malloc"),
					    FRAME(EXE, "main") };
	const struct snap_frame own[] = { FRAME(LIBC, "mmap"), FRAME(EXE, "make_ring"),
					  FRAME(EXE, "main") };
	const struct snap_frame unnamed[] = { FRAME(JEMALLOC, NULL), FRAME(EXE, "main") };
	const struct snap_frame unknown[] = { FRAME(LIBC, NULL), FRAME(EXE, NULL) };

	(void)state;
	assert_true(through(MT_SITE_BRK, grown, 5));
	assert_true(through(MT_SITE_MMAP, grown, 5));
	assert_false(through(MT_SITE_HEAP, grown, 5));
	assert_false(through(MT_SITE_FD, grown, 5));
	assert_false(through(MT_SITE_MMAP, own, 3));
	assert_true(through(MT_SITE_MMAP, unnamed, 2));
	assert_false(through(MT_SITE_MMAP, unknown, 2));
}

static void an_add_on_with_an_allocator_inside_still_owns_its_memory(void **state)
{
	struct owner o = HEAP_OWNER(FRAME(LIBC, "malloc"), FRAME(ADDON, "__rust_alloc"),
				    FRAME(ADDON, "image_ops::resize"), FRAME(EXE, "node::Call"));

	(void)state;
	assert_int_equal(o.class, CLASS_native_modules);
	assert_int_equal(o.module, ADDON);
	assert_int_equal(o.frame, 2);
}

static void an_unnamed_function_of_an_allocator_module_owns_nothing(void **state)
{
	struct owner o = HEAP_OWNER(FRAME(ODD_ALLOCATOR, NULL), FRAME(LIBPQ, NULL));

	(void)state;
	assert_int_equal(o.module, LIBPQ);
	assert_true(o.confidence < 0.9);
}

static void an_allocators_own_mappings_are_not_its_own_wish(void **state)
{
	struct owner o = OWNER(MT_SITE_MMAP, start, FRAME(LIBC, "mmap"),
			       FRAME(ODD_ALLOCATOR, "pool_grow"), FRAME(EXE, "main"));

	(void)state;
	assert_int_equal(o.module, EXE);
}

static void library_templates_belong_to_who_uses_them(void **state)
{
	struct owner o = HEAP_OWNER(
		FRAME(LIBSTDCXX, "operator new(unsigned long)"),
		FRAME(EXE, "std::__new_allocator<int>::allocate(unsigned long, void const*)"),
		FRAME(EXE, "void std::vector<int, std::allocator<int> >::_M_realloc_insert<int>"
			   "(__gnu_cxx::__normal_iterator<int*, std::vector<int> >, int&&)"),
		FRAME(EXE, "std::vector<int> collect<int>((anonymous namespace)::Source&)"),
		FRAME(EXE, "main"), FRAME(EXE, "xmalloc"));

	(void)state;
	assert_int_equal(o.frame, 3);
}

static void names_that_only_resemble_plumbing_are_owners(void **state)
{
	static const char *const names[] = { "(anonymous namespace)::malloc_stats()",
					     "Cache::operator()(int)",
					     "operator<<(std::ostream&, Row const&)",
					     "my_std::vector<int>::grow()",
					     "mallocator",
					     "",
					     "(",
					     "<",
					     ">",
					     "operator",
					     "Matrix operator*<int>(Matrix const&)" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct owner o =
			HEAP_OWNER(FRAME(LIBC, "malloc"), FRAME(EXE, names[i]), FRAME(LIBPQ, "x"));

		assert_int_equal(o.frame, 1);
	}
}

static void with_wrappers_only_the_outermost_one_owns_it(void **state)
{
	struct owner o = OWNER(MT_SITE_HEAP, no_frame_pointer, FRAME(LIBC, "malloc"),
			       FRAME(LIBCRYPTO, "CRYPTO_malloc"), FRAME(GLIB, "g_malloc"),
			       FRAME(LIBC, "qsort"));

	(void)state;
	assert_int_equal(o.module, GLIB);
	assert_int_equal(o.frame, 2);
	assert_int_equal(o.class, CLASS_native_modules);
	assert_true(o.confidence <= 0.6);
}

static void a_stack_that_ends_in_the_c_library_is_a_guess(void **state)
{
	struct owner o =
		OWNER(MT_SITE_HEAP, unreadable, FRAME(LIBC, "malloc"), FRAME(LIBC, "getaddrinfo"));
	struct owner whole = HEAP_OWNER(FRAME(LIBC, "malloc"), FRAME(LIBC, "start_thread"));

	(void)state;
	assert_int_equal(o.class, CLASS_application);
	assert_int_equal(o.module, EXE);
	assert_true(o.confidence <= 0.2);
	assert_true(whole.confidence > o.confidence);
	assert_true(whole.confidence < 0.5);
}

static void a_site_without_a_stack_is_not_given_to_the_application(void **state)
{
	struct owner o = find_in(modules, MODULES, MT_SITE_HEAP, MT_END_unknown, NULL, 0);

	(void)state;
	assert_int_equal(o.class, CLASS_unexplained);
	assert_int_equal(o.module, SNAP_NO_MODULE);
	assert_true(o.confidence < 0.2);
	assert_non_null(o.evidence);
}

static void what_system_calls_make_has_the_class_of_the_call(void **state)
{
	struct owner fd = OWNER(MT_SITE_FD, start, FRAME(LIBC, "open64"), FRAME(LIBPQ, "log"));
	struct owner sock = OWNER(MT_SITE_SOCKET, start, FRAME(EXE, "dial"));
	struct owner thread = OWNER(MT_SITE_THREAD, start, FRAME(LIBC, "clone3"), FRAME(EXE, "go"));
	struct owner map = OWNER(MT_SITE_MMAP, start, FRAME(LIBC, "mmap64"), FRAME(LIBPQ, "x"));
	struct owner brk = OWNER(MT_SITE_BRK, start, FRAME(LIBC, "sbrk"), FRAME(EXE, "x"));

	(void)state;
	assert_int_equal(fd.class, CLASS_file_handles);
	assert_int_equal(fd.module, LIBPQ);
	assert_int_equal(sock.class, CLASS_network_connections);
	assert_int_equal(thread.class, CLASS_thread_stacks);
	assert_int_equal(thread.frame, 1);
	assert_int_equal(map.class, CLASS_native_modules);
	assert_int_equal(brk.class, CLASS_application);
}

static void generated_code_counts_as_the_application(void **state)
{
	struct owner o =
		HEAP_OWNER(FRAME(LIBC, "malloc"), { .module = SNAP_NO_MODULE, .kind = FRAME_JIT },
			   FRAME(LIBPQ, "x"));

	(void)state;
	assert_int_equal(o.class, CLASS_application);
	assert_int_equal(o.module, SNAP_NO_MODULE);
	assert_int_equal(o.frame, 1);
}

static void a_stray_address_is_passed_over_for_a_known_module(void **state)
{
	struct owner o = HEAP_OWNER(FRAME(LIBC, "malloc"), FRAME(SNAP_NO_MODULE, NULL),
				    FRAME(4711, NULL), FRAME(LIBPQ, "x"));
	struct owner alone = HEAP_OWNER(FRAME(LIBC, "malloc"), FRAME(4711, NULL));

	(void)state;
	assert_int_equal(o.module, LIBPQ);
	assert_int_equal(alone.module, SNAP_NO_MODULE);
	assert_int_equal(alone.class, CLASS_application);
}

static void kinds_come_from_file_names(void **state)
{
	(void)state;
	assert_int_equal(attrib_find_kind(NULL, "libz.so.1"), MODULE_COMPRESSION);
	assert_int_equal(attrib_find_kind(NULL, "libzmq.so.5"), MODULE_NETWORK);
	assert_int_equal(attrib_find_kind(NULL, "libz3.so.4"), MODULE_OTHER);
	assert_int_equal(attrib_find_kind(NULL, "libssl-d7c2ab.so.1.1"), MODULE_CRYPTO);
	assert_int_equal(attrib_find_kind(NULL, "libpng16.so.16"), MODULE_IMAGE);
	assert_int_equal(attrib_find_kind(NULL, "libMagickCore-6.Q16.so.6"), MODULE_IMAGE);
	assert_int_equal(attrib_find_kind(NULL, "libcurl-gnutls.so.4"), MODULE_NETWORK);
	assert_int_equal(attrib_find_kind(NULL, "better_sqlite3.node"), MODULE_DATABASE);
	assert_int_equal(attrib_find_kind(NULL, "sharp-linux-x64.node"), MODULE_IMAGE);
	assert_int_equal(attrib_find_kind(NULL, "_ssl.cpython-311-x86_64-linux-gnu.so"),
			 MODULE_CRYPTO);
	assert_int_equal(attrib_find_kind(NULL, "libfoo.so"), MODULE_OTHER);
	assert_int_equal(attrib_find_kind(NULL, ""), MODULE_OTHER);
}

static void preloaded_allocators_and_loaders_own_nothing(void **state)
{
	struct owner o = HEAP_OWNER(FRAME(JEMALLOC, "arena_malloc_hard"), FRAME(LD_SO, NULL),
				    FRAME(LIBCRYPTO, "BIO_new"));

	(void)state;
	assert_int_equal(o.module, LIBCRYPTO);
	assert_int_equal(o.kind, MODULE_CRYPTO);
}

/* A site that opened three sockets, `databases` of them to PostgreSQL. */
static struct owner socket_owner(size_t databases)
{
	static const struct snap_frame frames[] = { FRAME(EXE, "dial") };
	const struct snap_site sites[2] = {
		{ .id = 9, .kind = MT_SITE_HEAP, .stack = { frames, 1, MT_END_start } },
		{ .id = 7, .kind = MT_SITE_SOCKET, .stack = { frames, 1, MT_END_start } },
	};
	struct snap_fd fds[4] = { { .fact = { .kind = FD_FILE }, .site_id = 7 } };
	const struct snapshot s = { .modules = modules,
				    .module_count = MODULES,
				    .sites = sites,
				    .site_count = 2,
				    .fds = fds,
				    .fd_count = 4 };
	struct owner owners[2];
	size_t i;

	for (i = 0; i < 3; i++)
		fds[i + 1] = (struct snap_fd){
			.fact = { .kind = FD_SOCKET,
				  .family = AF_INET,
				  .peer_port = i < databases ? 5432 : 80 },
			.site_id = 7,
		};
	assert_int_equal(attrib_find_owners(&s, owners), 0);
	assert_int_equal(owners[0].class, CLASS_application);
	return owners[1];
}

static void sockets_that_mostly_lead_to_a_database_are_database_connections(void **state)
{
	(void)state;
	assert_int_equal(socket_owner(2).class, CLASS_database_connections);
	assert_int_equal(socket_owner(1).class, CLASS_network_connections);
	assert_int_equal(socket_owner(0).class, CLASS_network_connections);
}

#define CODE(s, f)                                                                  \
	{                                                                           \
		.module = SNAP_NO_MODULE, .symbol = s, .file = f, .kind = FRAME_JIT \
	}
#define NAMELESS CODE(NULL, NULL)

static const struct snap_module node_modules[] = {
	{ .name = "node", .main_exe = true },
	{ .name = "libc.so.6", .allocator = true },
	{ .name = "libpq.so.5" },
};
enum { NODE, NODE_LIBC, NODE_PQ };

#define IN_NODE(kind, ...)                                            \
	({                                                            \
		const struct snap_frame frames_[] = { __VA_ARGS__ };  \
		find_in(node_modules, 3, kind, MT_END_start, frames_, \
			sizeof(frames_) / sizeof(frames_[0]));        \
	})
#define MAKE_BUFFER                                                                          \
	FRAME(NODE_LIBC, "malloc"), FRAME(NODE, "node::NodeArrayBufferAllocator::Allocate"), \
		FRAME(NODE, "v8::internal::BackingStore::Allocate"),                         \
		FRAME(NODE, "node::Buffer::(anonymous namespace)::CreateUnsafeArrayBuffer"), \
		FRAME(NODE, "Builtins_CallApiCallbackGeneric")

static void code_without_a_name_is_told_by_what_it_called(void **state)
{
	struct owner o = IN_NODE(MT_SITE_HEAP, MAKE_BUFFER, NAMELESS, NAMELESS,
				 FRAME(NODE, "Builtins_JSEntry"), FRAME(NODE, "node::Start"));

	(void)state;
	assert_int_equal(o.class, CLASS_buffers);
	assert_int_equal(o.collected, COLLECTED_ANY);
	assert_true(o.module == NODE && o.frame == 3);
}

static void books_of_a_managed_heap_go_with_it(void **state)
{
	struct owner o = IN_NODE(MT_SITE_HEAP, FRAME(NODE_LIBC, "malloc"),
				 FRAME(NODE, "v8::internal::Page::AllocateFreeListCategories"),
				 FRAME(NODE, "v8::internal::MemoryAllocator::AllocatePage"),
				 FRAME(NODE, "v8::internal::Heap::CollectGarbage"),
				 FRAME(NODE, "node::Start"));

	(void)state;
	assert_int_equal(o.collected, COLLECTED_WITH_HEAP);
}

static void the_programs_own_code_owns_what_the_runtimes_asks_for(void **state)
{
	struct owner o = IN_NODE(MT_SITE_HEAP, MAKE_BUFFER, CODE("alloc", "node:buffer"),
				 CODE("readRow", "/srv/node_modules/pg/lib/client.js"),
				 CODE("onRequest", "/srv/app.js"));

	(void)state;
	assert_true(o.module == SNAP_NO_MODULE && o.frame == 6 && o.holder == 3);
	assert_int_equal(o.class, CLASS_buffers);
	/* a package keeps memory itself, but opens connections for others */
#define CONNECT                                                                     \
	FRAME(NODE_LIBC, "socket"), FRAME(NODE, "uv__socket"),                      \
		FRAME(NODE, "node::TCPWrap::Connect"), CODE("connect", "node:net"), \
		CODE("connect", "/srv/node_modules/pg/lib/client.js")
	o = IN_NODE(MT_SITE_SOCKET, CONNECT, CODE("onRequest", "/srv/app.js"));
	assert_true(o.module == SNAP_NO_MODULE && o.frame == 5 && o.holder == 2);
	o = IN_NODE(MT_SITE_SOCKET, CONNECT, FRAME(NODE, "Builtins_JSEntry"),
		    FRAME(NODE, "node::Start"));
	assert_int_equal(o.frame, 4); /* the loop called it */
}

static void who_opens_through_a_library_has_to_close(void **state)
{
	struct owner o =
		OWNER(MT_SITE_SOCKET, start, FRAME(LIBC, "socket"), FRAME(LIBPQ, "PQconnectPoll"),
		      FRAME(LIBPQ, "PQconnectdb"), FRAME(EXE, "open_database"), FRAME(EXE, "main"));

	(void)state;
	assert_true(o.module == EXE && o.frame == 3);
	assert_int_equal(o.class, CLASS_network_connections);
	/* memory is the library's */
	o = HEAP_OWNER(FRAME(LIBC, "malloc"), FRAME(LIBPQ, "PQconnectdb"),
		       FRAME(EXE, "open_database"));
	assert_int_equal(o.module, LIBPQ);
	/* an interpreter does as it is told */
	o = IN_NODE(MT_SITE_SOCKET, FRAME(NODE_LIBC, "socket"), FRAME(NODE_PQ, "PQconnectdb"),
		    FRAME(NODE, "v8::internal::Something"), NAMELESS);
	assert_true(o.module == NODE_PQ && o.frame == 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_main_executable_is_the_application),
		cmocka_unit_test(a_library_is_a_native_module_with_its_kind),
		cmocka_unit_test(the_c_and_cxx_runtime_own_nothing),
		cmocka_unit_test(wrappers_pass_the_memory_on),
		cmocka_unit_test(a_wrapper_of_one_program_is_none_elsewhere),
		cmocka_unit_test(a_static_allocator_is_told_by_its_symbols),
		cmocka_unit_test(an_add_on_with_an_allocator_inside_still_owns_its_memory),
		cmocka_unit_test(mappings_of_an_allocator_are_told_from_those_of_the_program),
		cmocka_unit_test(an_unnamed_function_of_an_allocator_module_owns_nothing),
		cmocka_unit_test(an_allocators_own_mappings_are_not_its_own_wish),
		cmocka_unit_test(library_templates_belong_to_who_uses_them),
		cmocka_unit_test(names_that_only_resemble_plumbing_are_owners),
		cmocka_unit_test(with_wrappers_only_the_outermost_one_owns_it),
		cmocka_unit_test(a_stack_that_ends_in_the_c_library_is_a_guess),
		cmocka_unit_test(a_site_without_a_stack_is_not_given_to_the_application),
		cmocka_unit_test(what_system_calls_make_has_the_class_of_the_call),
		cmocka_unit_test(generated_code_counts_as_the_application),
		cmocka_unit_test(a_stray_address_is_passed_over_for_a_known_module),
		cmocka_unit_test(kinds_come_from_file_names),
		cmocka_unit_test(preloaded_allocators_and_loaders_own_nothing),
		cmocka_unit_test(sockets_that_mostly_lead_to_a_database_are_database_connections),
		cmocka_unit_test(code_without_a_name_is_told_by_what_it_called),
		cmocka_unit_test(books_of_a_managed_heap_go_with_it),
		cmocka_unit_test(the_programs_own_code_owns_what_the_runtimes_asks_for),
		cmocka_unit_test(who_opens_through_a_library_has_to_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
