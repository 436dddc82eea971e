# The benchmark (tests/bench): what tracing costs, beside peers.
.PHONY: bench bench-programs check-bench
BENCH_TOOLS := $(addprefix $(O)/bench/,load client floor)

$(O)/bench/%.bpf.o: tests/bench/%.bpf.c
	@mkdir -p $(@D)
	$(call say,BPF,$@)$(CLANG) $(BPF_CFLAGS) -MMD -MP -MF $(@:.o=.d) -c $< -o $@
$(O)/bench/%.skel.h: $(O)/bench/%.bpf.o
	$(call say,SKEL,$@)bpftool gen skeleton $< name $*_bpf > $@
$(O)/bench/floor: tests/bench/floor.c $(O)/bench/floor.skel.h
	$(call say,CC,$@)$(CC) $(ALL_CFLAGS) -I$(O)/bench $(CFLAGS) -MMD -MP -MF $@.d $< $(LDLIBS) -o $@
# As distributions build: optimised, without frame pointers.
$(O)/bench/%: tests/bench/%.c
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) -std=gnu11 $(WARN) -D_GNU_SOURCE -O2 -g -fomit-frame-pointer -fno-builtin-malloc \
		-MMD -MP -MF $@.d $< -lpthread -ldl -o $@

bench-programs: all $(BENCH_TOOLS)
bench: ## what tracing costs, beside peers, as one table; BENCH="micro paced" runs parts; 25 minutes
	@tools/setup --bench
	@$(MAKE) --no-print-directory bench-programs
	@BUILD=$(O) /usr/bin/python3 tests/bench/bench.py $(BENCH)
check-bench: ## the benchmark's arithmetic, no root
	@/usr/bin/python3 tests/bench/test_figures.py
check: check-bench
