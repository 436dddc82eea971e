# What tracing does to the target's time: probes in and out, kills, delays of requests.
STALLS := $(patsubst tests/stalls/%.c,$(O)/stalls/%,$(wildcard tests/stalls/*.c))

$(O)/stalls/%: tests/stalls/%.c $(O)/libmemtrace.a
	@mkdir -p $(@D)
	$(call say,TEST,$@)$(CC) $(ALL_CFLAGS) -O2 -g -MMD -MP -MF $@.d $< $(O)/libmemtrace.a $(LDLIBS) -o $@
check-root test-programs: $(STALLS)
