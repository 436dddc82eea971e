# The proof of the stacks (tests/stacks); included by the Makefile, after its variables.
.PHONY: check-stacks
STACKS := $(addprefix $(O)/stacks/,validate cost chain-fp chain-nofp)
# validate.bpf.c includes stack.bpf.c as text, to call what is static there.
STACKS_ENDS := alloc sys proc fdtable
STACKS_SKIP_validate := $(STACKS_ENDS) stack
STACKS_SKIP_cost := $(STACKS_ENDS)

$(O)/stacks/%.one.o: tests/stacks/%.bpf.c
	@mkdir -p $(@D)
	$(call say,BPF,$@)$(CLANG) $(BPF_CFLAGS) -MMD -MP -MF $(@:.o=.d) -c $< -o $@
$(O)/stacks/%.bpf.o: $(BPF_OBJ) $(O)/stacks/%.one.o
	$(call say,BPF-LINK,$@)bpftool gen object $@ \
		$(filter-out $(STACKS_SKIP_$*:%=$(O)/bpf/%.bpf.o),$(BPF_OBJ)) $(O)/stacks/$*.one.o
$(O)/stacks/%.skel.h: $(O)/stacks/%.bpf.o
	$(call say,SKEL,$@)bpftool gen skeleton $< name $*_bpf > $@
$(O)/stacks/%.o: tests/stacks/%.c $(SKEL) $(O)/stacks/validate.skel.h $(O)/stacks/cost.skel.h
	$(call say,CC,$@)$(CC) $(ALL_CFLAGS) -I$(O)/stacks $(CFLAGS) -MMD -MP -c $< -o $@
$(O)/stacks/validate: $(O)/stacks/validate.o $(O)/stacks/share.o $(O)/stacks/oracle.o
	$(call say,LINK,$@)$(CC) $^ $(LDLIBS) -o $@
$(O)/stacks/cost: $(O)/stacks/cost.o $(O)/stacks/share.o
	$(call say,LINK,$@)$(CC) $^ $(LDLIBS) -o $@
$(O)/stacks/chain-fp: tests/stacks/chain.c
	@mkdir -p $(@D)
	$(call say,TARGET,$@)$(CC) -O2 -g -fno-omit-frame-pointer -Wall -Werror $< -o $@
$(O)/stacks/chain-nofp: tests/stacks/chain.c
	@mkdir -p $(@D)
	$(call say,TARGET,$@)$(CC) -O2 -g -fomit-frame-pointer -Wall -Werror $< -o $@

check-stacks: all targets $(STACKS) ## stacks of real programs beside libdwfl, eu-stack, memleak; 10 minutes
	@/usr/bin/python3 tests/stacks/cost.py --json $(O)/stacks/cost.json
	@/usr/bin/python3 tests/stacks/table.py --json $(O)/stacks/table.json
	@/usr/bin/python3 tests/stacks/live.py --json $(O)/stacks/live.json
