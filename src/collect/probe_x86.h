/*
 * x86-64 instructions by their bytes: what a probe on one costs and where a branch leads. Pure; an
 * instruction is b[0..n) and n is at least 1.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collect/probe_site.h"

/* How the kernel treats a probe on the instruction; see branch_setup_xol_ops() there. */
enum probe_cost probe_x86_cost(const uint8_t *b, size_t n, enum probe_nops nops);

/* A nop as compilers pad with: any length, prefixes 66 and 2e. */
bool probe_x86_is_padding(const uint8_t *b, size_t n);

/*
 * At most one of fs: and gs:, then at most one REX, then the opcode. Everything else is legal in
 * places, and decoders differ about it.
 */
bool probe_x86_is_plain(const uint8_t *b, size_t n);

/* BRANCH_UNCLEAR: an indirect jump, or a branch whose length decoders disagree about. */
enum probe_branch { BRANCH_NONE, BRANCH_JUMP, BRANCH_CALL, BRANCH_UNCLEAR };

/* *ret_rel counts from the end of the instruction; set for BRANCH_JUMP and BRANCH_CALL. */
enum probe_branch probe_x86_branch(const uint8_t *b, size_t n, int32_t *ret_rel);

/* Four bytes, little endian, signed. */
int32_t probe_x86_rel32(const uint8_t *b);
