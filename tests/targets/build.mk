# Programs that tests trace; included by the Makefile.
TARGETS  := $(patsubst tests/targets/%.c,$(O)/targets/%,$(wildcard tests/targets/*.c)) \
            $(patsubst tests/targets/%.cc,$(O)/targets/%,$(wildcard tests/targets/*.cc)) \
            $(patsubst %,$(O)/targets/%,libpool.so libplugin.so libplugin-other.so \
            rules-static rules-musl stacks-static-pie heap_shapes-static brood-static)

# Targets are optimised and have no frame pointers, as distributions build.
$(O)/targets/%: tests/targets/%.c
	@mkdir -p $(@D)
	$(call say,TARGET,$@)$(CC) -O2 -g -fomit-frame-pointer -Wall -Werror -D_GNU_SOURCE -fno-builtin-malloc \
		-MMD -MP -MF $@.d $< -lpthread -ldl -lm -o $@
$(O)/targets/%: tests/targets/%.cc
	@mkdir -p $(@D)
	$(call say,TARGET,$@)$(CXX) -O2 -g -fomit-frame-pointer -Wall -Werror -MMD -MP -MF $@.d $< -lpthread -o $@
$(O)/targets/lib%.so: tests/targets/shared/lib%.c
	@mkdir -p $(@D)
	$(call say,TARGET,$@)$(CC) -O2 -g -fPIC -shared -Wall -Werror -MMD -MP -MF $@.d $< -o $@
$(O)/targets/libplugin-other.so: tests/targets/shared/libplugin.c
	@mkdir -p $(@D)
	$(call say,TARGET,$@)$(CC) -O2 -g -fPIC -shared -DPAD -Wall -Werror -MMD -MP -MF $@.d $< -o $@
$(O)/targets/stacks-static-pie: tests/targets/stacks.c
	@mkdir -p $(@D)
	$(call say,TARGET,$@)$(CC) -O2 -g -fomit-frame-pointer -Wall -Werror -D_GNU_SOURCE -fno-builtin-malloc \
		-static-pie -Wl,--no-warnings -MMD -MP -MF $@.d $< -lpthread -o $@
$(O)/targets/rules-static: tests/targets/rules.c
	@mkdir -p $(@D)
	$(call say,TARGET,$@)$(CC) -O2 -g -fomit-frame-pointer -Wall -Werror -D_GNU_SOURCE -DSTATIC \
		-fno-builtin-malloc -static -MMD -MP -MF $@.d $< -lpthread -o $@
$(O)/targets/brood-static: tests/targets/brood.c
	@mkdir -p $(@D)
	$(call say,TARGET,$@)$(CC) -O2 -g -fomit-frame-pointer -Wall -Werror -D_GNU_SOURCE -fno-builtin-malloc \
		-static -MMD -MP -MF $@.d $< -o $@
$(O)/targets/rules-musl: tests/targets/rules.c
	@mkdir -p $(@D)
	$(call say,TARGET,$@)musl-gcc -O2 -g -fomit-frame-pointer -Wall -Werror -D_GNU_SOURCE -DSTATIC \
		-fno-builtin-malloc -static -MMD -MP -MF $@.d $< -o $@
targets: $(TARGETS)
