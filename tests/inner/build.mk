# An add-on of node from npm, where tools/setup --test could fetch its sources.
$(O)/npm/%/build/Release/better_sqlite3.node:
	$(call say,NPM,$@)tests/inner/build-addon.sh
# What the readers of src/runtime tell of a process, as JSON (tests/inner); included by the Makefile.
$(O)/inner/inner: tests/inner/inner.c $(O)/libmemtrace.a
	@mkdir -p $(@D)
	$(call say,TEST,$@)$(CC) $(ALL_CFLAGS) -O2 -g -MMD -MP -MF $@.d $< $(O)/libmemtrace.a $(LDLIBS) -o $@
$(O)/targets/heap_shapes-static: tests/targets/heap_shapes.c
	@mkdir -p $(@D)
	$(call say,TARGET,$@)$(CC) -O2 -g -Wall -Werror -D_GNU_SOURCE -fno-builtin-malloc -static -s -MMD -MP -MF $@.d $< \
		-lpthread -o $@
