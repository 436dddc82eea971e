/* Names as they read in a stack, and names made to hang or flood whoever demangles them. */
#include "symbol/demangle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static void expect(const char *mangled, const char *readable)
{
	char name[DEMANGLE_NAME_BYTES];

	assert_true(demangle_name(mangled, name, sizeof(name)));
	assert_string_equal(name, readable);
}

static void expect_same(const char *text)
{
	char name[DEMANGLE_NAME_BYTES];

	assert_false(demangle_name(text, name, sizeof(name)));
	assert_string_equal(name, text);
}

static void names_of_c_stay_as_they_are(void **state)
{
	(void)state;
	expect_same("malloc");
	expect_same("");
	expect_same("_Z");
	expect_same("_Zebra_crossing");
	expect_same("_R");
	expect_same("ReadFile.part.0");
	expect_same("_ZN");
}

static void functions_of_cxx_lose_their_parameters(void **state)
{
	(void)state;
	expect("_ZN4node6Buffer3NewEPN2v87IsolateEmPFvPcPvES4_", "node::Buffer::New");
	expect("_ZN1AC2Ev", "A::A");
	expect("_ZN12_GLOBAL__N_13fooEv", "(anonymous namespace)::foo");
	expect("_ZTv0_n24_N1A1fEv", "virtual thunk to A::f()");
}

static void suffixes_of_compilers_are_dropped(void **state)
{
	(void)state;
	expect("_ZN12_GLOBAL__N_13fooEv.cold", "(anonymous namespace)::foo");
	expect("_ZN3foo3barEv.isra.0.constprop.0", "foo::bar");
	expect("_ZN3foo3barEv.llvm.1234567", "foo::bar");
}

static void default_template_arguments_are_left_out(void **state)
{
	(void)state;
	expect("_ZNSt6vectorIiSaIiEE9push_backERKi", "std::vector<int>::push_back");
	expect("_ZNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEE7reserveEm",
	       "std::string::reserve");
	expect("_ZNSt10unique_ptrI1ASt14default_deleteIS0_EED2Ev",
	       "std::unique_ptr<A>::~unique_ptr");
}

static void operators_are_not_taken_for_brackets(void **state)
{
	(void)state;
	expect("_ZlsRSoRK1A", "operator<<");
	expect("_ZNK1AptEv", "A::operator->");
	expect("_ZNKSt8functionIFvvEEclEv", "std::function<void ()>::operator()");
}

static void long_arguments_give_way_to_the_name(void **state)
{
	char name[DEMANGLE_NAME_BYTES];

	(void)state;
	assert_true(demangle_name(
		"_ZNSt3mapISt6vectorIN9longspace9longspace9longspace9longspace8longnameE"
		"SaIS2_EES0_IN9longspace9longspace9longspace9longspace9othernameESaIS6_EE"
		"St4lessIS4_ESaISt4pairIKS4_S8_EEEixERSB_",
		name, sizeof(name)));
	assert_true(strlen(name) <= 120);
	assert_int_equal(strncmp(name, "std::map<", 9), 0);
	assert_non_null(strstr(name, "<...>>::operator[]"));
}

static void rust_names_lose_their_hash(void **state)
{
	(void)state;
	expect("_ZN4core3fmt9Formatter3pad17h0123456789abcdefE", "core::fmt::Formatter::pad");
	expect("_ZN4core3fmt9Formatter3pad17h0123456789abcdefE.llvm.99",
	       "core::fmt::Formatter::pad");
	expect("_RNvCs1234_7mycrate4main", "mycrate::main");
	expect("_RNvCs1234_7mycrate4main.cold", "mycrate::main");
	expect("_RINvNtC3std3mem8align_ofNtNtC3foo3bar3BazEC3foo",
	       "std::mem::align_of::<foo::bar::Baz>");
}

static void long_rust_names_keep_the_type_and_the_trait(void **state)
{
	char mangled[1024] = "_RNvXC1aINtB2_4TypeT", name[DEMANGLE_NAME_BYTES];

	(void)state;
	for (size_t i = 0; i < 20; i++)
		strcat(mangled, "NtC9longcrate9longtypes");
	strcat(mangled, "EENtB2_5Trait8function");
	assert_true(demangle_name(mangled, name, sizeof(name)));
	assert_string_equal(name, "<a::Type<(...)> as a::Trait>::function");
}

static void the_type_of_a_rust_method_stays_even_when_long(void **state)
{
	char mangled[1024] = "_RNvMC1a", name[DEMANGLE_NAME_BYTES];

	(void)state;
	for (size_t i = 0; i < 14; i++)
		strcat(mangled, "Nt");
	strcat(mangled, "C9longcrate");
	for (size_t i = 0; i < 14; i++)
		strcat(mangled, "9longtypes");
	strcat(mangled, "8function");
	assert_true(demangle_name(mangled, name, sizeof(name)));
	assert_int_equal(strncmp(name, "<longcrate::longtypes::", 23), 0);
}

static void arrows_are_not_taken_for_brackets(void **state)
{
	char mangled[1024] = "_RNvXC1aINtB2_4Type", name[DEMANGLE_NAME_BYTES];

	(void)state;
	for (size_t i = 0; i < 20; i++)
		strcat(mangled, "FhEt"); /* fn(u8) -> u16 */
	strcat(mangled, "ENtB2_5Trait8function");
	assert_true(demangle_name(mangled, name, sizeof(name)));
	assert_string_equal(name, "<a::Type<...> as a::Trait>::function");
}

static void names_are_cut_to_the_room_there_is(void **state)
{
	char name[16];

	(void)state;
	memset(name, 'x', sizeof(name));
	assert_false(demangle_name("a_rather_long_name_of_c", name, 12));
	assert_string_equal(name, "a_rather...");
	assert_int_equal(name[12], 'x');
	assert_true(demangle_name("_ZN10namespaced8functionEv", name, 12));
	assert_string_equal(name, "namespac...");
}

static void names_longer_than_the_limit_stay_mangled(void **state)
{
	char mangled[DEMANGLE_INPUT_BYTES + 16], name[DEMANGLE_NAME_BYTES];

	(void)state;
	strcpy(mangled, "_ZN");
	while (strlen(mangled) < DEMANGLE_INPUT_BYTES)
		strcat(mangled, "4abcd");
	strcat(mangled, "Ev");
	assert_false(demangle_name(mangled, name, sizeof(name)));
	assert_int_equal(strncmp(name, "_ZN4abcd", 8), 0);
}

static double cpu_s(void)
{
	return (double)clock() / CLOCKS_PER_SEC;
}

/* Each part repeats the one before twice: 2^33 arguments if printed to the end. */
static void a_name_that_doubles_itself_is_stopped(void **state)
{
	const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	char mangled[1024] = "_Z1fI1AIiiE" /* f is S_, A is S0_, A<int, int> is S1_ */, part[32],
	     name[DEMANGLE_NAME_BYTES];
	const double began_s = cpu_s();

	(void)state;
	for (size_t i = 0; i < 33; i++) {
		snprintf(part, sizeof(part), "S0_IS%c_S%c_E", digits[i + 1], digits[i + 1]);
		strcat(mangled, part);
	}
	strcat(mangled, "Evv");
	demangle_name(mangled, name, sizeof(name));
	assert_true(strlen(name) < sizeof(name));
	assert_true(cpu_s() - began_s < 2.0);
}

/* A parser that tries every split of the argument lists takes 2^32 steps. */
static void a_name_that_forces_backtracking_is_refused(void **state)
{
	char mangled[1024] = "_ZcvT_", name[DEMANGLE_NAME_BYTES];
	const double began_s = cpu_s();

	(void)state;
	for (size_t i = 0; i < 32; i++)
		strcat(mangled, "IT_");
	strcat(mangled, "v");
	assert_false(demangle_name(mangled, name, sizeof(name)));
	assert_true(cpu_s() - began_s < 2.0);
}

static void deep_nesting_is_survived(void **state)
{
	char mangled[DEMANGLE_INPUT_BYTES], name[DEMANGLE_NAME_BYTES];

	(void)state;
	memset(mangled, 'P', sizeof(mangled));
	memcpy(mangled, "_Z1fI", 5);
	mangled[sizeof(mangled) - 1] = '\0';
	demangle_name(mangled, name, sizeof(name));
	memset(mangled, 'R', sizeof(mangled) - 1);
	memcpy(mangled, "_RIC1a", 6);
	demangle_name(mangled, name, sizeof(name));
	assert_true(strlen(name) < sizeof(name));
}

static void garbled_names_are_survived(void **state)
{
	static const char *const seeds[] = {
		"_ZNSt3mapINSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEES5_St4lessIS5_"
		"EEixERS9_",
		"_ZZN4node6Buffer3NewEPN2v87IsolateEmPFvPcPvES4_ENKUlvE_clEv",
		"_RINvNtC3std3mem8align_ofNtNtC3foo3bar3BazEC3foo",
		"_ZN4core3fmt9Formatter3pad17h0123456789abcdefE",
		"_ZNSt10enable_ifIXsr7is_sameIiT_EE5valueEiE4typeEv",
	};
	static const char letters[] = "IEJTSNX_0123456789cvLZKPDpFvistonsrAB";
	char mangled[256], name[DEMANGLE_NAME_BYTES];

	(void)state;
	srandom(7);
	for (size_t i = 0; i < 20000; i++) {
		strcpy(mangled, seeds[random() % 5]);
		for (size_t k = 0; k < 1 + i % 6; k++)
			mangled[2 + (size_t)random() % (strlen(mangled) - 2)] =
				letters[(size_t)random() % (sizeof(letters) - 1)];
		demangle_name(mangled, name, 4 + i % (sizeof(name) - 4));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_c_stay_as_they_are),
		cmocka_unit_test(functions_of_cxx_lose_their_parameters),
		cmocka_unit_test(suffixes_of_compilers_are_dropped),
		cmocka_unit_test(default_template_arguments_are_left_out),
		cmocka_unit_test(operators_are_not_taken_for_brackets),
		cmocka_unit_test(long_arguments_give_way_to_the_name),
		cmocka_unit_test(rust_names_lose_their_hash),
		cmocka_unit_test(long_rust_names_keep_the_type_and_the_trait),
		cmocka_unit_test(the_type_of_a_rust_method_stays_even_when_long),
		cmocka_unit_test(arrows_are_not_taken_for_brackets),
		cmocka_unit_test(names_are_cut_to_the_room_there_is),
		cmocka_unit_test(names_longer_than_the_limit_stay_mangled),
		cmocka_unit_test(a_name_that_doubles_itself_is_stopped),
		cmocka_unit_test(a_name_that_forces_backtracking_is_refused),
		cmocka_unit_test(deep_nesting_is_survived),
		cmocka_unit_test(garbled_names_are_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
