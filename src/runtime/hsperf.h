/*
 * The counters that a Java virtual machine keeps for jstat (hsperfdata): a header, then entries of
 * a name, a type and a value. The machine writes them at collections, so they are as of the last
 * one. The bytes are the process's to shape: nothing is read beyond them, and a picture that was
 * taken while an entry was being added ends before it.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define HSPERF_BYTES_MAX (1u << 20) /* the machine's default is 32 KiB; -XX:PerfDataMemorySize */
#define HSPERF_ENTRIES_MAX 4096	    /* OpenJDK 17 has 130 to 220 */

struct hsperf {
	uint64_t used_bytes; /* of all generations' spaces; FACT_UNKNOWN when not told */
	/* Collections so far, of the young generation and of more; FACT_UNKNOWN. */
	uint64_t young_collections, other_collections;
	char version[32];	   /* of the virtual machine; "" when not told */
	uint32_t entries, refused; /* read; that made no sense (the rest is not read then) */
};

/* -EBADMSG: no such counters, or of another version or byte order. */
int hsperf_parse(const uint8_t *bytes, size_t len, struct hsperf *ret);
