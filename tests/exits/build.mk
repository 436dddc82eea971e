# The proof of points inside functions (tests/exits); included by the Makefile, after its variables.
.PHONY: check-exits check-some-exits
EXITS := $(O)/exits/oracle $(O)/exits/driver $(O)/exits/driver-musl

$(O)/exits/oracle: tests/exits/oracle.c $(O)/libmemtrace.a
	@mkdir -p $(@D)
	$(call say,TEST,$@)$(CC) $(ALL_CFLAGS) -O2 -g -MMD -MP -MF $@.d $< $(O)/libmemtrace.a $(LDLIBS) -o $@
$(O)/exits/driver: tests/exits/driver.c
	@mkdir -p $(@D)
	$(call say,TARGET,$@)$(CC) -O2 -g -Wall -Werror -D_GNU_SOURCE -fno-builtin -MMD -MP -MF $@.d $< -lpthread -o $@
$(O)/exits/driver-musl: tests/exits/driver.c
	@mkdir -p $(@D)
	$(call say,TARGET,$@)musl-gcc -O2 -g -Wall -Werror -D_GNU_SOURCE -fno-builtin -MMD -MP -MF $@.d $< -o $@

check-some-exits: $(EXITS) ## points inside the installed allocators' functions, by running them, no root
	@tests/exits/run.sh some $(O)/exits
check-exits: $(EXITS) ## the same for packages of several Debian suites, which are fetched
	@tests/exits/run.sh all $(O)/exits
