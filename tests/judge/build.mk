# The judge's corpora: evaluation, and learning of its constants.
JUDGE_LEARN := $(wildcard tests/judge/train*.c)
JUDGE_TEST  := $(patsubst tests/judge/%.c,$(O)/judge/%,$(wildcard tests/judge/test_*.c))
JUDGE_SRC   := $(filter-out tests/judge/evaluate.c tests/judge/test_%.c $(JUDGE_LEARN),$(wildcard tests/judge/*.c))
JUDGE_OBJ   := $(JUDGE_SRC:%.c=$(O)/%.o)

$(O)/tests/judge/%.o: tests/judge/%.c | $(SKEL) $(MADE)
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) $(ALL_CFLAGS) -O2 -g -ffp-contract=off $(JUDGE_FLAGS) -MMD -MP -c $< -o $@
$(O)/judge/%: $(O)/tests/judge/%.o $(JUDGE_OBJ) $(O)/libmemtrace.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(CC) $^ $(LDLIBS) -o $@
# The measure itself, with sanitizers.
$(O)/san/tests/judge/%.o: tests/judge/%.c | $(SKEL) $(MADE)
	@mkdir -p $(@D)
	$(call say,CC-SAN,$@)$(CC) $(ALL_CFLAGS) $(SAN) -MMD -MP -c $< -o $@
$(O)/judge/test_%: $(O)/san/tests/judge/test_%.o $(JUDGE_SRC:%.c=$(O)/san/%.o) $(O)/san/libmemtrace.a
	@mkdir -p $(@D)
	$(call say,TEST,$@)$(CC) $(SAN) $^ $(LDLIBS) -lcmocka -o $@
# without the judge: its network may not fit the statistics any more
TRAIN_SRC := $(wildcard tests/judge/corpus_wide*.c src/growth/window*.c) tests/judge/train_mlp.c \
             $(addprefix tests/judge/corpus_,accept.c noise.c protocol.c shapes.c windows.c) \
             $(addprefix src/growth/,fit.c ar1.c mlp.c)
$(O)/judge/train_pattern: $(O)/tests/judge/train_pattern.o $(TRAIN_SRC:%.c=$(O)/%.o)
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(CC) $^ $(LDLIBS) -o $@
$(O)/judge/train_growth: $(O)/tests/judge/train_mlp.o
# the same network on the same machine, and ten times as soon
$(O)/tests/judge/train_mlp.o: JUDGE_FLAGS := -O3 -march=native -ffast-math

.PHONY: evaluate train
train: $(O)/judge/train_pattern $(O)/judge/train_growth ## learn both networks of the judge anew
	@$(O)/judge/train_pattern --out src/growth/net_pattern.inc
	@$(O)/judge/train_growth --out src/growth/net_growth.inc
evaluate: $(O)/judge/evaluate ## score the judge on labelled series: the tables of the README
	@$< $(EVALUATE)

.PHONY: evaluate-second
evaluate-second: $(O)/memtrace ## score `memtrace analyze --series` on series from a generator of its own
	@BUILD=$(O) /usr/bin/python3 tests/judge/second.py $(EVALUATE)

.PHONY: check-judge
check-judge: $(O)/judge/evaluate $(JUDGE_TEST) ## the measure, and the bars from a fresh seed with 1.5 points of tolerance; no root
	@tools/run-tests.sh judge $(JUDGE_TEST)
	@tests/judge/check.sh $<
check: check-judge
test-programs: $(O)/judge/evaluate $(JUDGE_TEST)
