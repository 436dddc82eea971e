/*
 * Tables from what leaks to what to do. Rows are tried in order; a field of value ANY fits all,
 * and the last row fits everything, so there is always a sentence.
 */
#include "analyse/recommend.h"

#define ANY (-1)

struct type_row {
	int class, kind, module;
	enum leak_type type;
};

static const struct type_row type_table[] = {
	{ CLASS_database_connections, ANY, ANY, LEAK_CONNECTION_POOL },
	{ CLASS_websocket_connections, ANY, ANY, LEAK_WEBSOCKET },
	{ ANY, MT_SITE_SOCKET, ANY, LEAK_SOCKET },
	{ ANY, MT_SITE_FD, ANY, LEAK_FILE_HANDLE },
	{ ANY, MT_SITE_THREAD, ANY, LEAK_THREAD },
	{ CLASS_network_connections, ANY, ANY, LEAK_SOCKET },
	{ CLASS_file_handles, ANY, ANY, LEAK_FILE_HANDLE },
	{ CLASS_thread_stacks, ANY, ANY, LEAK_THREAD },
	{ CLASS_buffers, ANY, ANY, LEAK_BUFFER },
	{ CLASS_mapped_files, ANY, ANY, LEAK_MAPPING },
	{ CLASS_shared_memory, ANY, ANY, LEAK_MAPPING },
	{ CLASS_unexplained, ANY, ANY, LEAK_UNKNOWN },
	{ ANY, ANY, MODULE_CRYPTO, LEAK_CRYPTO_CONTEXT },
	{ CLASS_native_modules, ANY, ANY, LEAK_NATIVE_MODULE },
	{ ANY, MT_SITE_MMAP, ANY, LEAK_MAPPING },
	{ ANY, MT_SITE_HEAP, ANY, LEAK_HEAP },
	{ ANY, MT_SITE_BRK, ANY, LEAK_HEAP },
	{ ANY, ANY, ANY, LEAK_UNKNOWN },
};

struct sentence_row {
	int class, type, module;
	const char *text;
};

static const struct sentence_row sentence_table[] = {
	{ ANY, LEAK_CONNECTION_POOL, ANY,
	  "Release every database connection on all paths (also after errors and timeouts), and "
	  "give the pool a maximum and an idle timeout." },
	{ ANY, LEAK_WEBSOCKET, ANY,
	  "Close websockets on error and on missed pings, and remove their listeners and entries "
	  "in maps of clients." },
	{ ANY, LEAK_SOCKET, ANY,
	  "Close sockets on every path, set timeouts on idle peers, and read responses to their "
	  "end "
	  "so that connections can be used again." },
	{ ANY, LEAK_FILE_HANDLE, ANY,
	  "Close the descriptor on every path out of the function that opens it, error paths "
	  "included; in scripts use with, using or finally." },
	{ ANY, LEAK_THREAD, ANY,
	  "Join or detach every thread, and use a pool of fixed size instead of a thread for each "
	  "request." },
	{ ANY, LEAK_CRYPTO_CONTEXT, ANY,
	  "Free every context, key and certificate that was made (EVP_*_CTX_free, SSL_free, "
	  "X509_free), also on error paths, and make shared contexts once." },
	{ CLASS_buffers, ANY, ANY,
	  "Look for buffers that stay referenced: maps without eviction, closures, event "
	  "listeners, "
	  "queues that nobody drains; bound or weaken whatever keeps them." },
	{ CLASS_runtime, ANY, ANY,
	  "The runtime itself keeps this: look for ever new classes, scripts, contexts or handles "
	  "made at run time, and compare with a newer release of the runtime." },
	{ CLASS_mapped_files, ANY, ANY,
	  "Unmap files after use (munmap), and make sure that the length unmapped is the length "
	  "that was mapped." },
	{ CLASS_shared_memory, ANY, ANY,
	  "Detach and remove shared segments after use (munmap and shm_unlink, shmdt and "
	  "IPC_RMID)." },
	{ ANY, LEAK_MAPPING, ANY,
	  "Find the munmap that should follow this mmap; arenas and pools need an upper bound." },
	{ ANY, ANY, MODULE_DATABASE,
	  "Free what the database library hands out: results (PQclear, mysql_free_result), "
	  "prepared "
	  "statements (DEALLOCATE, sqlite3_finalize), cursors; prepare a statement once, not for "
	  "each "
	  "call." },
	{ ANY, ANY, MODULE_NETWORK,
	  "Free requests, responses and handles of the network library when a transfer ends "
	  "(curl_easy_cleanup, header lists, DNS results), also after errors." },
	{ ANY, ANY, MODULE_COMPRESSION,
	  "End every stream that was begun (deflateEnd, inflateEnd, ZSTD_freeCCtx), also when the "
	  "data is broken or the peer goes away." },
	{ ANY, ANY, MODULE_IMAGE,
	  "Free decoded images and decoder objects after use, and bound the number of images held "
	  "in memory." },
	{ ANY, LEAK_NATIVE_MODULE, ANY,
	  "Look at the calls into this library from your code: for each object that it makes there "
	  "is a call that frees it; check for a newer release of the library." },
	{ ANY, LEAK_HEAP, ANY,
	  "Find where the blocks of this call path should be freed; if a table keeps them on "
	  "purpose, give it a limit or an age." },
	{ CLASS_unexplained, ANY, ANY,
	  "Find out who asks for it: with allocator probes (--mode full), with --alloc for an "
	  "allocator of the program's own, or with room for more call paths (--sites-max)." },
	{ ANY, ANY, ANY,
	  "Look at the call path of this finding for things that are made and never released." },
};

#define MB 1e6
#define KB 1e3

struct recommend_cfg recommend_defaults(void)
{
	/* Things are measured against the usual limit of 1024 descriptors. */
	return (struct recommend_cfg){
		.medium = { 20 * MB, 100 * KB, 100, 1 },
		.high = { 50 * MB, 500 * KB, 500, 10 },
		.critical = { 100 * MB, 1 * MB, 5000, 100 },
	};
}

static bool fits(int wanted, int value)
{
	return wanted == ANY || wanted == value;
}

enum leak_type recommend_leak_type(enum resource_class class, enum mt_site_kind kind,
				   enum module_kind module)
{
	const struct type_row *row = type_table;

	while (!fits(row->class, class) || !fits(row->kind, kind) || !fits(row->module, module))
		row++;
	return row->type;
}

static bool exceeds(const struct recommend_limit *l, bool things, double bytes, double bytes_per_s,
		    double count, double count_per_s)
{
	return bytes > l->bytes || bytes_per_s > l->bytes_per_s ||
	       (things && (count > l->things || count_per_s > l->things_per_s));
}

enum severity recommend_severity(const struct recommend_cfg *cfg, enum mt_site_kind kind,
				 double bytes, double bytes_per_s, double count, double count_per_s)
{
	bool things = kind == MT_SITE_FD || kind == MT_SITE_SOCKET || kind == MT_SITE_THREAD;

	if (exceeds(&cfg->critical, things, bytes, bytes_per_s, count, count_per_s))
		return SEVERITY_CRITICAL;
	if (exceeds(&cfg->high, things, bytes, bytes_per_s, count, count_per_s))
		return SEVERITY_HIGH;
	if (exceeds(&cfg->medium, things, bytes, bytes_per_s, count, count_per_s))
		return SEVERITY_MEDIUM;
	return SEVERITY_LOW;
}

const char *recommend_sentence(enum resource_class class, enum leak_type type,
			       enum module_kind module)
{
	const struct sentence_row *row = sentence_table;

	while (!fits(row->class, class) || !fits(row->type, type) || !fits(row->module, module))
		row++;
	return row->text;
}
