# The commands of docs: each is one line here and a script in tools/ or tests/. Meson does the work.
BUILD := build
FUZZ_SECONDS ?= 60
export FUZZ_SECONDS

all: $(BUILD)/build.ninja
	ninja -C $(BUILD)

$(BUILD)/build.ninja:
	tools/install-packages.sh build
	meson setup $(BUILD)

# A user's `make` starts here: packages are checked each time (fast when they are there).
packages:
	@tools/install-packages.sh build
all: packages
$(BUILD)/build.ninja: | packages

test:
	@tests/run.sh

demo:
	@tools/install-packages.sh test
	@$(MAKE) --no-print-directory all
	@demo/run.sh

bench: all
	@bench/run.sh

image:
	@echo "the appliance image is not there yet: make builds the programs, make demo shows them" >&2
	@exit 1

lint:
	@tools/lint.sh

format:
	@tools/install-packages.sh lint
	git ls-files '*.c' '*.h' | xargs clang-format -i

coverage:
	@tools/coverage.sh

fuzz:
	@tools/fuzz.sh

clean:
	rm -rf build build-asan build-clang build-tsan build-fuzz build-coverage

.PHONY: all packages demo test bench image lint format coverage fuzz clean
