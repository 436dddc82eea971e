/* Kinds and sentences: every combination has an answer, and the important ones fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
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

/* The sentence, until the next call. */
static const char *sentence(const struct recommend_facts *f)
{
	static char *text;

	free(text);
	text = NULL;
	assert_int_equal(recommend_write(f, &text), 0);
	return text;
}

static bool begins(const struct recommend_facts *f, const char *words)
{
	return strncmp(sentence(f), words, strlen(words)) == 0;
}

static struct recommend_facts facts_of(enum resource_class class, enum mt_site_kind kind,
				       enum module_kind module)
{
	return (struct recommend_facts){ .class = class,
					 .module = module,
					 .type = recommend_leak_type(class, kind, module) };
}

static void every_combination_has_a_sentence(void **state)
{
	static const char *const runtimes[] = { NULL, "none", "v8", "jvm", "cpython", "go" };

	(void)state;
	for (int class = CLASS_NONE; class < CLASS_MAX; class ++)
		for (int kind = 0; kind <= MT_SITE_THREAD; kind++)
			for (int i = 0; i < 6 * (MODULE_IMAGE + 1) * 2; i++) {
				struct recommend_facts f = facts_of(class, kind, i / 12);
				const char *text;

				f.runtime = runtimes[i % 6];
				f.subject = i / 6 % 2 ? SUBJECT_CLASS : 0;
				f.pattern = i % PATTERN_MAX;
				f.site = i % 3 ? "open_it" : NULL;
				f.count = i % 5;
				text = sentence(&f);
				assert_true(strlen(text) > 20 && text[strlen(text) - 1] == '.');
				assert_null(strpbrk(text, "{}"));
			}
}

static void a_database_library_is_told_about_prepared_statements(void **state)
{
	struct recommend_facts f = facts_of(CLASS_native_modules, MT_SITE_HEAP, MODULE_DATABASE);

	(void)state;
	assert_non_null(strstr(sentence(&f), "prepared statements"));
	f.owner = "libpq.so.5";
	assert_non_null(strstr(sentence(&f), "Free what libpq.so.5 hands out"));
}

static void connections_are_named_as_far_as_they_are_known(void **state)
{
	struct recommend_facts f =
		facts_of(CLASS_database_connections, MT_SITE_SOCKET, MODULE_OTHER);

	(void)state;
	assert_true(begins(&f, "Release every database connection"));
	f.site = "open_conn at db.c:12";
	assert_non_null(strstr(sentence(&f), "opened from open_conn at db.c:12 and never closed:"));
	f.peer = "PostgreSQL at 10.0.0.5:5432";
	assert_non_null(strstr(sentence(&f), "Connections to PostgreSQL at 10.0.0.5:5432 are"));
	assert_null(strstr(sentence(&f), "are open)"));
	f.count = 1234;
	assert_non_null(strstr(sentence(&f),
			       "to PostgreSQL at 10.0.0.5:5432 are opened from open_conn at "
			       "db.c:12 and never closed (1,234 are open)"));
}

static void the_runtime_chooses_the_sentence(void **state)
{
	struct recommend_facts f = facts_of(CLASS_runtime, 0, MODULE_OTHER);

	(void)state;
	f.runtime = "jvm";
	assert_non_null(strstr(sentence(&f), "VM.native_memory"));
	f.runtime = "go";
	assert_non_null(strstr(sentence(&f), "GOMEMLIMIT"));
	f.runtime = "none";
	assert_non_null(strstr(sentence(&f), "newer release of the runtime"));
}

static void the_shape_adds_a_sentence_and_calm_replaces_it(void **state)
{
	struct recommend_facts f = facts_of(CLASS_application, MT_SITE_HEAP, MODULE_OTHER);

	(void)state;
	assert_null(strstr(sentence(&f), "ever faster"));
	f.pattern = PATTERN_EXPONENTIAL;
	assert_non_null(strstr(sentence(&f), "should be freed"));
	assert_non_null(strstr(sentence(&f), "retries without back-off"));
	f.pattern = PATTERN_OSCILLATING;
	assert_non_null(strstr(sentence(&f), "should be freed")); /* a leak all the same */
	f.subject = SUBJECT_CLASS;
	assert_true(begins(&f, "Nothing to do"));
}

static void the_process_is_sent_to_its_leak_or_its_class(void **state)
{
	struct recommend_facts f = { .subject = SUBJECT_PROCESS, .bytes_per_s = 62e3 };

	(void)state;
	assert_non_null(strstr(sentence(&f), "trace with allocator probes"));
	f.class_name = "mapped_files";
	assert_non_null(strstr(sentence(&f), "grows 62.0 kB/s, most of it mapped_files"));
	f.site = "keep_request";
	assert_non_null(strstr(sentence(&f), "keep_request leaks and is where to begin"));
}

static void what_an_allocator_keeps_is_told_with_its_size(void **state)
{
	struct recommend_facts f = { .size_bytes = NAN };
	char *text = NULL;

	(void)state;
	assert_int_equal(recommend_slack(&f, &text), -ENODATA);
	assert_null(text);
	f.size_bytes = 191e6;
	assert_int_equal(recommend_slack(&f, &text), 0);
	assert_non_null(strstr(text, "keeps 191 MB after a peak: malloc_trim(3)"));
	assert_non_null(strstr(text, "M_ARENA_MAX"));
	free(text);
}

/* A process with connections: who opened them, to whom. */
struct scene {
	struct snap_module modules[1];
	struct snap_frame frames[2];
	struct snap_site sites[1];
	struct snap_fd fds[5];
	struct snapshot snap;
	struct owner owner;
};

static void put_fd(struct scene *s, uint64_t site_id, uint8_t host, uint16_t port)
{
	s->fds[s->snap.fd_count++] = (struct snap_fd){
		.fact = { .kind = FD_SOCKET,
			  .family = AF_INET,
			  .local_port = 40000 + s->snap.fd_count,
			  .peer_port = port,
			  .peer_addr = { 10, 0, 0, host } },
		.site_id = site_id,
	};
}

static void make_scene(struct scene *s)
{
	*s = (struct scene){ 0 };
	s->modules[0] = (struct snap_module){ .name = "server" };
	s->frames[0] = (struct snap_frame){ .offset = 0x40, .symbol = "connect" };
	s->frames[1] = (struct snap_frame){ .offset = 0x1234, .symbol = "open_conn" };
	s->sites[0] = (struct snap_site){ .id = 7, .kind = MT_SITE_SOCKET };
	s->sites[0].stack = (struct snap_stack){ s->frames, 2, MT_END_start };
	s->snap = (struct snapshot){ .modules = s->modules,
				     .module_count = 1,
				     .sites = s->sites,
				     .site_count = 1,
				     .fds = s->fds };
	s->owner = (struct owner){ .frame = 1 };
}

static void a_site_is_named_by_its_owners_frame(void **state)
{
	struct recommend_who who;
	struct scene s;

	(void)state;
	make_scene(&s);
	recommend_find_who(&s.snap, 0, &s.owner, &who);
	assert_string_equal(who.site, "open_conn");
	assert_string_equal(who.owner, "server");
	assert_string_equal(who.peer, "");
	s.frames[1].file = "src/net/db.c";
	s.frames[1].line = 12;
	recommend_find_who(&s.snap, 0, &s.owner, &who);
	assert_string_equal(who.site, "open_conn at db.c:12");
	s.frames[1].symbol = NULL;
	recommend_find_who(&s.snap, 0, &s.owner, &who);
	assert_string_equal(who.site, "server+0x1234");
	recommend_find_who(&s.snap, 0, NULL, &who);
	assert_string_equal(who.site, "connect");
	recommend_find_who(&s.snap, SIZE_MAX, NULL, &who);
	assert_string_equal(who.site, "");
	s.frames[1].module = 99;
	s.owner = (struct owner){ .frame = 77, .module = 77 };
	recommend_find_who(&s.snap, 0, &s.owner, &who);
	assert_string_equal(who.owner, "");
}

static void the_peer_is_that_of_most_sockets_of_the_site(void **state)
{
	struct recommend_who who;
	struct scene s;

	(void)state;
	make_scene(&s);
	put_fd(&s, 7, 9, 80);
	put_fd(&s, 7, 5, 5432);
	put_fd(&s, 8, 9, 80);
	put_fd(&s, 7, 5, 5432);
	recommend_find_who(&s.snap, 0, &s.owner, &who);
	assert_string_equal(who.peer, "PostgreSQL at 10.0.0.5:5432");
	s.fds[1].fact.peer_addr[3] = 6; /* three peers: none of them is the one */
	recommend_find_who(&s.snap, 0, &s.owner, &who);
	assert_string_equal(who.peer, "");
}

static void clients_that_were_accepted_are_no_peers(void **state)
{
	struct recommend_who who;
	struct scene s;

	(void)state;
	make_scene(&s);
	put_fd(&s, 7, 5, 51000);
	recommend_find_who(&s.snap, 0, &s.owner, &who);
	assert_string_equal(who.peer, "10.0.0.5:51000");
	put_fd(&s, 0, 0, 0);
	s.fds[1].fact.listening = true;
	s.fds[1].fact.local_port = s.fds[0].fact.local_port;
	recommend_find_who(&s.snap, 0, &s.owner, &who);
	assert_string_equal(who.peer, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_class_of_a_socket_names_the_leak),
		cmocka_unit_test(the_kind_of_a_site_names_the_leak),
		cmocka_unit_test(the_owner_of_native_memory_names_the_leak),
		cmocka_unit_test(every_combination_has_a_sentence),
		cmocka_unit_test(a_database_library_is_told_about_prepared_statements),
		cmocka_unit_test(connections_are_named_as_far_as_they_are_known),
		cmocka_unit_test(the_runtime_chooses_the_sentence),
		cmocka_unit_test(the_shape_adds_a_sentence_and_calm_replaces_it),
		cmocka_unit_test(the_process_is_sent_to_its_leak_or_its_class),
		cmocka_unit_test(what_an_allocator_keeps_is_told_with_its_size),
		cmocka_unit_test(a_site_is_named_by_its_owners_frame),
		cmocka_unit_test(the_peer_is_that_of_most_sockets_of_the_site),
		cmocka_unit_test(clients_that_were_accepted_are_no_peers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
