# Builds every target_*.c with the core, in the present directory. From the caller: SRC, CC, FLAGS (compiler and
# linker), LIBS, DRIVER (replay, or nothing where libFuzzer has a main() of its own).
core := $(wildcard $(SRC)/src/base/*.c $(SRC)/src/intake/*.c $(SRC)/src/policy/*.c $(SRC)/src/store/*.c \
    $(SRC)/src/cloudflare/*.c $(SRC)/src/engine/*.c $(SRC)/src/notify/*.c)
targets := $(patsubst $(SRC)/tests/fuzz/target_%.c,%,$(wildcard $(SRC)/tests/fuzz/target_*.c))
objects := $(patsubst $(SRC)/src/%.c,core/%.o,$(core))
shared := fuzz.o $(addsuffix .o,$(DRIVER))

all: $(targets)

$(targets): %: target_%.o $(shared) $(objects)
	$(CC) $(FLAGS) -o $@ $^ $(LIBS)

core/%.o: $(SRC)/src/%.c flags
	@mkdir -p $(@D)
	$(CC) -c $(FLAGS) -MMD -MP -o $@ $<

%.o: $(SRC)/tests/fuzz/%.c flags
	$(CC) -c $(FLAGS) -MMD -MP -o $@ $<

-include $(objects:.o=.d) $(shared:.o=.d) $(targets:%=target_%.d)

.PHONY: all
.SECONDARY:
