/* Arguments of USDT notes: operands as the GNU assembler writes them for x86-64. */
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "sys/usdt.h"

/* As x86-64 encodes them; by their size in bytes: 8, 4, 2, 1. */
static const char *const registers[16][4] = {
	{ "rax", "eax", "ax", "al" },	   { "rcx", "ecx", "cx", "cl" },
	{ "rdx", "edx", "dx", "dl" },	   { "rbx", "ebx", "bx", "bl" },
	{ "rsp", "esp", "sp", "spl" },	   { "rbp", "ebp", "bp", "bpl" },
	{ "rsi", "esi", "si", "sil" },	   { "rdi", "edi", "di", "dil" },
	{ "r8", "r8d", "r8w", "r8b" },	   { "r9", "r9d", "r9w", "r9b" },
	{ "r10", "r10d", "r10w", "r10b" }, { "r11", "r11d", "r11w", "r11b" },
	{ "r12", "r12d", "r12w", "r12b" }, { "r13", "r13d", "r13w", "r13b" },
	{ "r14", "r14d", "r14w", "r14b" }, { "r15", "r15d", "r15w", "r15b" },
};

/* "%rdi"; whole: only names of 64 bits, as addresses have them. */
static int take_register(const char **at, bool whole, uint8_t *ret)
{
	size_t len = 0;

	if (**at != '%')
		return -EINVAL;
	while (isalnum((unsigned char)(*at)[1 + len]))
		len++;
	for (uint8_t i = 0; i < 16; i++)
		for (int k = 0; k < (whole ? 1 : 4); k++) {
			const char *name = registers[i][k];

			if (strlen(name) != len || memcmp(*at + 1, name, len) != 0)
				continue;
			*at += 1 + len;
			*ret = i;
			return 0;
		}
	return len ? -ENOTSUP : -EINVAL; /* rip, xmm0, ah, ... */
}

/* A number with its sign, decimal or 0x; 0 when there is none, for displacements. */
static int take_number(const char **at, __s64 *ret)
{
	char *end;

	if (**at != '-' && **at != '+' && !isdigit((unsigned char)**at))
		return -EINVAL;
	errno = 0;
	/* large unsigned constants are their own bit pattern */
	*ret = **at == '-' ? strtoll(*at, &end, 0) : (__s64)strtoull(*at, &end, 0);
	if (errno || end == *at)
		return -EINVAL;
	*at = end;
	return 0;
}

/* What stands between the brackets of "disp(base,index,scale)". */
static int take_address(const char **at, struct mt_usdt_arg *a)
{
	__s64 scale = 1;
	int r = take_register(at, true, &a->reg);

	if (!r && **at == ',') {
		++*at;
		r = take_register(at, true, &a->index);
		if (!r && **at == ',') {
			++*at;
			r = take_number(at, &scale);
		}
	}
	if (r)
		return r;
	if (**at != ')' || scale < 1 || scale > 8 || scale & (scale - 1))
		return -EINVAL;
	a->scale_log2 = __builtin_ctz((unsigned int)scale);
	++*at;
	return 0;
}

static int take_operand(const char **at, struct mt_usdt_arg *a)
{
	int r = 0;

	switch (**at) {
	case '%': a->from = MT_USDT_REGISTER; return take_register(at, false, &a->reg);
	case '$':
		a->from = MT_USDT_CONSTANT;
		++*at;
		return take_number(at, &a->value);
	}
	a->from = MT_USDT_MEMORY;
	if (**at != '(')
		r = take_number(at, &a->value);
	if (r) /* the name of a variable */
		return isalpha((unsigned char)**at) || **at == '_' || **at == '.' ? -ENOTSUP : r;
	if (**at != '(')
		return -ENOTSUP;
	++*at;
	return take_address(at, a);
}

/* "-4@": the size in bytes, negative for signed ones. */
static int take_size(const char **at, struct mt_usdt_arg *a)
{
	if (**at == '-') {
		a->is_signed = 1;
		++*at;
	}
	if (**at != '1' && **at != '2' && **at != '4' && **at != '8')
		return -EINVAL;
	a->bytes = **at - '0';
	++*at;
	if (**at == 'f')
		return -ENOTSUP;
	if (**at != '@')
		return -EINVAL;
	++*at;
	return 0;
}

int usdt_parse_args(const char *text, size_t count, struct mt_usdt_spec *ret)
{
	struct mt_usdt_spec spec = {};
	int r;

	if (count > MT_USDT_ARGS)
		return -EINVAL;
	for (size_t i = 0; i < count; i++) {
		spec.arg[i].index = MT_USDT_NO_INDEX;
		text += strspn(text, " ");
		r = take_size(&text, &spec.arg[i]);
		if (!r)
			r = take_operand(&text, &spec.arg[i]);
		if (r)
			return r;
		if (*text != ' ' && *text != '\0')
			return -EINVAL;
	}
	*ret = spec;
	return 0;
}
