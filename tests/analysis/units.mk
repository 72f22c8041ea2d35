# The unit tests as one program in the present directory, with flags of the caller's: SRC, CC, FLAGS (compiler and
# linker), LIBS, MORE (a source to add). A build of its own, so that it needs no configure run with other options.
sources := $(filter-out $(SRC)/src/httpd/%,$(wildcard $(SRC)/src/*/*.c)) $(wildcard $(SRC)/tests/unit/*.c) $(MORE)
objects := $(patsubst $(SRC)/%.c,o/%.o,$(sources))

unit: $(objects)
	$(CC) $(FLAGS) -o $@ $^ $(LIBS)

o/%.o: $(SRC)/%.c flags
	@mkdir -p $(@D)
	$(CC) -c $(FLAGS) -MMD -MP -o $@ $<

-include $(objects:.o=.d)
