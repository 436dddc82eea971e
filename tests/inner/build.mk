# What the readers of src/runtime tell of a process, as JSON (tests/inner); included by the Makefile.
$(O)/inner/inner: tests/inner/inner.c $(O)/libmemtrace.a
	@mkdir -p $(@D)
	$(call say,TEST,$@)$(CC) $(ALL_CFLAGS) -O2 -g -MMD -MP -MF $@.d $< $(O)/libmemtrace.a $(LDLIBS) -o $@
