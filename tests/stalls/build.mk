# What tracing does to the target's time: probes in and out, kills, delays of requests.
STALLS := $(patsubst tests/stalls/%.c,$(O)/stalls/%,$(wildcard tests/stalls/*.c))

$(O)/stalls/%: tests/stalls/%.c $(O)/libmemtrace.a
	@mkdir -p $(@D)
	$(call say,TEST,$@)$(CC) $(ALL_CFLAGS) -O2 -g -MMD -MP -MF $@.d $< $(O)/libmemtrace.a $(LDLIBS) -o $@
check-root test-programs: $(STALLS)

.PHONY: check-kills
check-kills: $(O)/memtrace $(STALLS) targets ## kill memtrace 100 times at random moments: 5 minutes
	@KILLS=$(or $(KILLS),100) /usr/bin/python3 tests/e2e/88-attach.py \
		test_kills_in_traces_leave_the_target_undisturbed \
		test_kills_while_probes_go_in_and_out_leave_the_target_undisturbed
.PHONY: check-stalls
check-stalls: $(O)/memtrace $(STALLS) ## delays of a server's requests while memtrace comes and goes: 5 minutes
	@APART=1 /usr/bin/python3 tests/stalls/stalls.py
