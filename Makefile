# A front for CMake and scripts/: nothing is installed or built twice.
PREFIX ?= /usr/local
BUILD := build/release
ATTUNE := $(BUILD)/src/attune

.PHONY: all program setup model test sanitize compare demo bench results lint install clean

all: $(BUILD)/build.ninja
	@cmake --build $(BUILD)

# Only the program: what a person who wants to use it waits for.
program: $(BUILD)/build.ninja
	@cmake --build $(BUILD) --target attune

# The first build looks for what is missing; later ones know that it is there.
$(BUILD)/build.ninja: CMakeLists.txt CMakePresets.json
	@scripts/setup.sh
	@cmake --preset release

setup:
	@scripts/setup.sh

model: program
	@scripts/model.sh

test: all
	@scripts/test.sh

# Another build of everything, with the tests that look for mistakes of memory; SANITIZE=threads: for races.
sanitize: $(BUILD)/build.ninja
	@scripts/sanitize.sh $(SANITIZE)

compare: all
	@scripts/compare.sh

demo: program
	@scripts/demo.sh

bench: all
	@scripts/bench.sh $(BENCH)

results: all
	@bench/study/run.sh

lint: all
	@scripts/setup.sh lint
	@scripts/lint.sh

install: all
	@cmake --install $(BUILD) --prefix $(PREFIX)
	@[ -n "$(DESTDIR)" ] || [ "$$(id -u)" -ne 0 ] || ! [ -x /sbin/ldconfig ] || /sbin/ldconfig # programs find the library at once

clean:
	@rm -rf build
