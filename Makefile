# memtrace. `make help` lists the targets; all output goes to build/.
SHELL  := /bin/bash
O      := build
CC     ?= gcc
CLANG  ?= clang
ARCH   := $(shell uname -m | sed 's/x86_64/x86/; s/aarch64/arm64/')
prefix ?= /usr/local
DESTDIR ?=

# --- tools and libraries ------------------------------------------------------------------------
PKGS    := libbpf libelf libdw liblzma zlib capstone jansson libprotobuf-c
PKG_CFLAGS = $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS   = $(shell pkg-config --libs $(PKGS) 2>/dev/null) -liberty
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)

WARN   := -Wall -Wextra -Werror -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wvla \
          -Wno-missing-field-initializers -Wno-sign-compare
HARDEN := -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE
CFLAGS ?= -O2 -g
ALL_CFLAGS = -std=gnu11 $(WARN) -D_GNU_SOURCE -Iinclude -iquote src -I$(O) $(PKG_CFLAGS)
LDLIBS     = -Wl,--as-needed $(PKG_LIBS) -lm -lpthread
SAN    := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
BPF_CFLAGS := -g -O2 -mcpu=v3 --target=bpf -D__TARGET_ARCH_$(ARCH) -Wall -Werror \
              -Iinclude -Ivmlinux/$(ARCH) -Ibpf

# --- sources -------------------------------------------------------------------------------------
SRC      := $(filter-out src/preload/%,$(wildcard src/*.c src/*/*.c))
LIB_SRC  := $(filter-out src/main.c,$(SRC))
PROTO    := $(O)/proto/pprof.pb-c
OBJ      := $(SRC:%.c=$(O)/%.o)
LIB_OBJ  := $(LIB_SRC:%.c=$(O)/%.o) $(PROTO).o
SAN_OBJ  := $(LIB_SRC:%.c=$(O)/san/%.o) $(PROTO).san.o
MADE     := $(O)/version.h $(O)/schema.h $(O)/flame.h $(O)/rules_table.h $(PROTO).h # headers that are made, before any object
PROBE    := probe
# core first: the BPF linker gives wrong offsets to maps that it meets as extern before their definition
BPF_SRC  := bpf/core.bpf.c $(filter-out bpf/core.bpf.c bpf/$(PROBE).bpf.c,$(wildcard bpf/*.bpf.c))
BPF_OBJ  := $(BPF_SRC:%.c=$(O)/%.o)
SKEL     := $(O)/memtrace.skel.h $(if $(wildcard bpf/$(PROBE).bpf.c),$(O)/$(PROBE).skel.h)
UNIT     := $(patsubst tests/unit/%.c,$(O)/unit/%,$(wildcard tests/unit/test_*.c))
# Long ones are left out: they repeat what test_judge does, allocate nothing, or run a compiler.
OOM      := $(filter-out %/test_judge_corpus %/test_judge_patterns %/test_probe_site %/test_debug_files %/test_lines,$(patsubst %.c,$(O)/oom/%, \
            $(notdir $(wildcard tests/oom/test_oom_*.c tests/unit/test_*.c))))
OOM_LIB  := $(O)/oom/fail_alloc.o $(O)/oom/libmemtrace.a
HOST     := $(patsubst tests/bpf_host/%.c,$(O)/bpf_host/%,$(wildcard tests/bpf_host/test_*.c))
TABLES   := $(wildcard tests/tables/*.c)
BPF_LOAD := $(O)/bpf_load/check_stack
ADDON    := $(patsubst %,%/build/Release/better_sqlite3.node,$(wildcard $(O)/npm/node_modules/better-sqlite3))
FUZZ     := $(patsubst tests/fuzz/%.c,$(O)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_OBJ := $(patsubst %.c,$(O)/fuzz/%.o,$(wildcard $(addsuffix /*.c,$(addprefix src/,analyse base decode growth model profile report runtime symbol sys unwind))))
FUZZ_OBJ += $(patsubst %,$(O)/fuzz/src/app/%.o,analyze_input analyze_points analyze_records analyze_series analyzed \
            curve replay replay_site)
FUZZ_SAN := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

V ?= 0
ifeq ($(V),0)
say = @printf '  %-9s %s\n' '$(1)' '$(patsubst $(O)/%,%,$(2))';
endif

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all demo test test-programs check check-unit check-host check-some-tables check-tables check-oom check-root \
        check-vm check-ci fuzz fuzz-smoke lint format targets install clean help setup setup-test man bpf-arm64 \
        test-kernels FORCE
.DEFAULT_GOAL := all
include src/preload/build.mk
include tests/targets/build.mk
all: $(O)/memtrace $(PRELOAD) ## build build/memtrace and the library of --preload

# --- BPF: objects compiled apart, linked into one, one skeleton ---------------------------------------
$(O)/bpf/%.bpf.o: bpf/%.bpf.c
	@mkdir -p $(@D)
	$(call say,BPF,$@)$(CLANG) $(BPF_CFLAGS) -MMD -MP -MF $(@:.o=.d) -c $< -o $@
$(O)/memtrace.bpf.o: $(BPF_OBJ)
	$(call say,BPF-LINK,$@)bpftool gen object $@ $^
$(O)/memtrace.skel.h: $(O)/memtrace.bpf.o
	$(call say,SKEL,$@)bpftool gen skeleton $< name memtrace_bpf > $@
$(O)/$(PROBE).skel.h: $(O)/bpf/$(PROBE).bpf.o
	$(call say,SKEL,$@)bpftool gen skeleton $< name probe_bpf > $@
bpf-arm64: ## compile the BPF programs for arm64; untested there
	@$(MAKE) --no-print-directory ARCH=arm64 O=$(O)/arm64 $(SKEL:$(O)/%=$(O)/arm64/%)

# --- the program ------------------------------------------------------------------------------------
$(O)/version.h: FORCE
	@mkdir -p $(@D)
	@echo '#define MEMTRACE_VERSION "$(VERSION)"' | cmp -s - $@ || echo '#define MEMTRACE_VERSION "$(VERSION)"' > $@
FORCE:
$(O)/schema.h: src/report/schema.json
$(O)/flame.h: src/profile/flame.js
$(O)/schema.h $(O)/flame.h:
	@mkdir -p $(@D)
	$(call say,EMBED,$@)(echo 'static const char $(basename $(@F))_text[] ='; \
		sed 's/\\/\\\\/g; s/"/\\"/g; s/^/"/; s/$$/\\n"/' $<; echo ';') > $@
$(O)/rules_table.h: src/analyse/memtrace.rules tools/rules.awk
	$(call say,RULES,$@)mkdir -p $(@D) && awk -f tools/rules.awk $< > $@
$(O)/src/%.o: src/%.c | $(SKEL) $(MADE)
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) $(ALL_CFLAGS) $(CFLAGS) $(HARDEN) -MMD -MP -c $< -o $@
$(O)/san/src/%.o: src/%.c | $(SKEL) $(MADE)
	@mkdir -p $(@D)
	$(call say,CC-SAN,$@)$(CC) $(ALL_CFLAGS) $(SAN) -MMD -MP -c $< -o $@
$(PROTO).h: src/profile/pprof.proto
	@mkdir -p $(@D)
	$(call say,PROTO,$@)protoc-c --proto_path=$(<D) --c_out=$(@D) $(<F)
$(PROTO).c: $(PROTO).h ;
$(PROTO).o: $(PROTO).c
	$(call say,CC,$@)$(CC) -std=gnu11 $(CFLAGS) $(HARDEN) $(PKG_CFLAGS) -c $< -o $@
$(PROTO).san.o: $(PROTO).c
	$(call say,CC-SAN,$@)$(CC) -std=gnu11 $(SAN) $(PKG_CFLAGS) -c $< -o $@
$(O)/libmemtrace.a: $(LIB_OBJ)
	$(call say,AR,$@)rm -f $@ && ar rcs $@ $^
$(O)/san/libmemtrace.a: $(SAN_OBJ)
	$(call say,AR,$@)rm -f $@ && ar rcs $@ $^
$(O)/memtrace: $(O)/src/main.o $(O)/libmemtrace.a
	$(call say,LINK,$@)$(CC) -pie -Wl,-z,relro,-z,now $^ $(LDLIBS) -o $@
$(O)/san/memtrace: $(O)/san/src/main.o $(O)/san/libmemtrace.a
	$(call say,LINK,$@)$(CC) $(SAN) $^ $(LDLIBS) -o $@

# --- tests ------------------------------------------------------------------------------------------
$(O)/unit/%.o: tests/unit/%.c | $(SKEL) $(O)/version.h $(O)/schema.h
	@mkdir -p $(@D)
	$(call say,CC-SAN,$@)$(CC) $(ALL_CFLAGS) -Itests/unit $(SAN) -MMD -MP -c $< -o $@
$(O)/unit/%: $(O)/unit/%.o $(O)/san/libmemtrace.a
	$(call say,TEST,$@)$(CC) $(SAN) $< $(O)/san/libmemtrace.a $(LDLIBS) -lcmocka -o $@
# Out of memory: memtrace's own calls of malloc() and its like go to tests/oom/fail_alloc.c.
$(O)/oom/libmemtrace.a: $(O)/san/libmemtrace.a tests/oom/redefine.txt
	@mkdir -p $(@D)
	$(call say,OBJCOPY,$@)objcopy --redefine-syms=tests/oom/redefine.txt $< $@
$(O)/oom/fail_alloc.o: tests/oom/fail_alloc.c
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) -std=gnu11 $(WARN) -D_GNU_SOURCE -O1 -g -MMD -MP -c $< -o $@
$(O)/oom/test_oom_%: tests/oom/test_oom_%.c $(OOM_LIB)
	$(call say,TEST,$@)$(CC) $(ALL_CFLAGS) -Itests/oom -Itests/unit $(SAN) -MMD -MP -MF $@.d $< $(OOM_LIB) \
		$(LDLIBS) -Wl,--wrap=_cmocka_run_group_tests -lcmocka -o $@
$(O)/oom/test_%: $(O)/unit/test_%.o $(OOM_LIB)
	$(call say,TEST,$@)$(CC) $(SAN) $< $(OOM_LIB) $(LDLIBS) -Wl,--wrap=_cmocka_run_group_tests -lcmocka -o $@
$(O)/bpf_host/%: tests/bpf_host/%.c
	@mkdir -p $(@D)
	$(call say,TEST,$@)$(CC) -std=gnu11 -Wall -Werror -Itests/bpf_host/fake -Itests/bpf_host -Iinclude -Ibpf -iquote src \
		$(SAN) -MMD -MP -MF $@.d $< -lcmocka -lm -o $@
$(O)/bpf_load/%: tests/bpf_load/%.c $(SKEL)
	@mkdir -p $(@D)
	$(call say,TEST,$@)$(CC) -std=gnu11 -Wall -Werror -Iinclude -I$(O) -g $< $(PKG_CFLAGS) $(LDLIBS) -o $@
# Both link the program's own library; with sanitizers for a few files, without for all.
$(O)/tables/tables: $(TABLES) tests/tables/theirs.h $(O)/libmemtrace.a
	@mkdir -p $(@D)
	$(call say,TEST,$@)$(CC) $(ALL_CFLAGS) -O2 -g $(TABLES) $(O)/libmemtrace.a $(LDLIBS) -o $@
$(O)/tables/san-tables: $(TABLES) tests/tables/theirs.h $(O)/san/libmemtrace.a
	@mkdir -p $(@D)
	$(call say,TEST,$@)$(CC) $(ALL_CFLAGS) $(SAN) $(TABLES) $(O)/san/libmemtrace.a $(LDLIBS) -o $@
$(O)/fuzz/src/%.o: src/%.c | $(SKEL) $(MADE)
	@mkdir -p $(@D)
	$(call say,CC-FUZZ,$@)$(CLANG) $(ALL_CFLAGS) $(FUZZ_SAN) -MMD -MP -c $< -o $@
$(O)/fuzz/libmemtrace.a: $(FUZZ_OBJ) $(PROTO).o Makefile # which says what is in it
	$(call say,AR,$@)rm -f $@ && ar rcs $@ $(filter %.o,$^)
$(O)/fuzz/fuzz_%: tests/fuzz/fuzz_%.c $(O)/fuzz/libmemtrace.a
	$(call say,FUZZ,$@)$(CLANG) $(ALL_CFLAGS) $(FUZZ_SAN) -fsanitize=fuzzer -MMD -MP -MF $@.d $< \
		$(O)/fuzz/libmemtrace.a $(LDLIBS) -o $@

test-programs: $(ADDON) $(UNIT) $(HOST) $(OOM) $(FUZZ) $(O)/san/memtrace $(O)/tables/san-tables targets $(BPF_LOAD)

check-unit: $(UNIT) ## unit tests, sanitizers on, no root
	@tools/run-tests.sh unit $(UNIT)
check-host: $(HOST) ## BPF programs on the host, no root
	@tools/run-tests.sh bpf_host $(HOST)
check-some-tables: $(O)/tables/san-tables ## unwind tables of a few programs against libdw, no root
	@tests/tables/run.sh some $<
check-tables: $(O)/tables/tables ## the same for every program and library of this machine, and sizes
	@tests/tables/run.sh all $<
check-oom: $(OOM) ## the same with allocations failing one by one, no root
	@tests/oom/run.sh $(OOM)
check: check-unit check-host check-some-tables check-some-exits check-oom fuzz-smoke ## every ring that needs no root
check-root: $(O)/memtrace $(O)/san/memtrace targets $(O)/inner/inner $(BPF_LOAD) $(O)/stacks/validate ## end to end: root and BPF
	@/usr/bin/python3 tests/e2e/run.py
fuzz-smoke: $(FUZZ) ## the fuzz targets on their seeds and a little farther, no root
	@tests/fuzz/run.sh smoke $(FUZZ)
fuzz: $(FUZZ) ## each fuzz target for FUZZ_SECONDS
	@tests/fuzz/run.sh $(or $(FUZZ_SECONDS),600) $(FUZZ)
check-vm: $(O)/memtrace targets $(BPF_LOAD) ## boot the oldest kernel under an emulator
	@tests/vm/run.sh 6.1 || [ $$? -eq 77 ]
check-ci: lint check check-root check-vm
test-kernels: $(O)/memtrace targets $(BPF_LOAD) ## boot older and newer kernels under an emulator
	@tests/vm/run.sh

setup:
	@tools/setup
setup-test:
	@tools/setup --test
demo: ## set up, build, trace a leaking example, show the verdict
	@$(MAKE) --no-print-directory setup
	@$(MAKE) --no-print-directory all $(O)/targets/demo_server
	@tools/demo.sh
test: ## set up, build, run every test
	@$(MAKE) --no-print-directory setup-test
	@$(MAKE) --no-print-directory -j$$(nproc) all test-programs
	@$(MAKE) --no-print-directory check-ci

include tests/stacks/build.mk
include tests/judge/build.mk
include tests/stalls/build.mk
include tests/bench/build.mk
include tests/exits/build.mk
include tests/inner/build.mk

# --- lint, install ------------------------------------------------------------------------------------
lint: $(O)/memtrace.bpf.o $(LIB_OBJ) ## layers, headers alone, sizes, formatting, data symbols
	@tools/lint.sh $(O)
format:
	@clang-format -i $$(git ls-files 'src/*.[ch]' 'bpf/*.[ch]' 'tests/*.[ch]' 'include/*.h')
man: $(O)/memtrace.8
$(O)/memtrace.8: $(O)/memtrace
	$(call say,MAN,$@)$(O)/memtrace help --man > $@
install: $(O)/memtrace $(PRELOAD) $(O)/memtrace.8 ## install into DESTDIR$(prefix)
	install -Dm755 $(O)/memtrace $(DESTDIR)$(prefix)/sbin/memtrace
	install -Dm644 $(PRELOAD) $(DESTDIR)$(prefix)/lib/memtrace/$(notdir $(PRELOAD))
	install -Dm644 $(O)/memtrace.8 $(DESTDIR)$(prefix)/share/man/man8/memtrace.8
	install -Dm644 src/analyse/memtrace.rules $(DESTDIR)$(prefix)/share/memtrace/rules
clean:
	rm -rf $(O)
help: ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## (.*)/  \1\t\2/' | expand -t 14

-include $(shell find $(O) -name '*.d' -type f 2>/dev/null)
