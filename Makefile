# On a fresh Debian 12, `make demo` or `make test` is the first and only command.
.PHONY: all demo test format clean

all: build/build.ninja
	cmake --build build --target seodang-program

# A first look: raises the built-in model, then asks it and its base the same.
demo: all
	build/seodang raise recipes/demo.toml
	build/seodang compare runs/demo/base runs/demo/instruct "대한민국의 수도는?"
	@echo
	@echo "The report of the upbringing: runs/demo/report.html"

test: build/build.ninja
	cmake --build build
	ctest --preset release

format:
	clang-format -i $$(git ls-files '*.cc' '*.h')

clean:
	rm -rf build build-asan

# Ninja itself configures again when something changes.
build/build.ninja:
	scripts/install-packages
	cmake --preset release
