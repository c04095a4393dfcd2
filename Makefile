# On a fresh Debian 12, `make demo` or `make test` is the first and only command.
.PHONY: all build demo test configure format lint check-format check-tidy clean

sources = $(shell find src tests bench -name '*.cc' -o -name '*.h')

all: configure
	cmake --build build --target seodang-program

# A first look: raises the built-in model, then asks it and its base the same.
demo: all
	build/seodang raise recipes/demo.toml
	build/seodang compare runs/demo/base runs/demo/instruct "대한민국의 수도는?"
	@echo
	@echo "The report of the upbringing: runs/demo/report.html"

build: configure
	cmake --build build

test: build
	ctest --preset release

format:
	@clang-format -i $(sources)

lint: configure
	scripts/install-packages checks
	$(MAKE) check-format check-tidy

check-format:
	@clang-format --dry-run -Werror $(sources)

check-tidy:
	run-clang-tidy -quiet -p build '$(CURDIR)/src/.*'

clean:
	rm -rf build build-asan

# Each time, for a package that a newer version needs; the second time is quick.
configure:
	scripts/install-packages
	cmake --preset release
