# The front door. `make` builds build/theta; `make check` is all that must pass; `make help` says the rest.
# SPDX-License-Identifier: Apache-2.0

# clang 19 is preferred (guaranteed tail calls, sanitizers); gcc from 12 on works. `make CC=...` chooses another.
ifeq ($(origin CC),default)
CC := $(shell for c in clang-19 clang gcc cc; do if command -v $$c >/dev/null 2>&1; then echo $$c; break; fi; done)
endif
BUILD ?= build
PREFIX ?= /usr/local
CMAKE ?= cmake
FUZZ_SECONDS ?= 60
JOBS := $(shell nproc 2>/dev/null || echo 2)
GENERATOR := $(if $(shell command -v ninja 2>/dev/null),Ninja,Unix Makefiles)
CONFIGURE_MORE ?=

.PHONY: all build demo check bench fuzz install uninstall deps clean help

all: build

# The compiler is given to CMake once: to change it in a build folder that exists would throw its settings away.
build:
	@tools/deps --look build
	@mkdir -p $(BUILD)
	@if [ -f $(BUILD)/compiler ] && [ "$$(cat $(BUILD)/compiler)" != '$(CC)' ]; then rm -rf $(BUILD)/CMakeCache.txt $(BUILD)/CMakeFiles; fi
	@echo '$(CC)' > $(BUILD)/compiler
	@$(CMAKE) -S . -B $(BUILD) -G '$(GENERATOR)' -DCMAKE_C_COMPILER='$(CC)' -DCMAKE_BUILD_TYPE=Release \
	    -DCMAKE_INSTALL_PREFIX='$(PREFIX)' $(CONFIGURE_MORE) > $(BUILD)/configure.log || { cat $(BUILD)/configure.log; exit 1; }
	@grep 'is not installed' $(BUILD)/configure.log || true
	@$(CMAKE) --build $(BUILD) --parallel $(JOBS)

# These install what is missing first, and so start make again: the compiler may be new.
demo:
	@tools/deps build
	@$(MAKE) --no-print-directory build
	@tools/demo

check:
	@tools/check

bench:
	@tools/deps bench
	@$(MAKE) --no-print-directory build
	@bench/run

# Runs each fuzz target for FUZZ_SECONDS, starting from its corpus; what it finds new stays below build-fuzz/corpus.
fuzz:
	@tools/deps check
	@$(MAKE) --no-print-directory build BUILD=build-fuzz CC=clang-19 \
	    CONFIGURE_MORE='-DTHETA_FUZZ=ON -DTHETA_SANITIZE=ON'
	@set -e; for target in $(if $(TARGET),$(TARGET:%=fuzz/%.c),$(filter-out fuzz/replay.c,$(wildcard fuzz/*.c))); do \
	    name=$$(basename $$target .c); echo "== fuzz $$name, $(FUZZ_SECONDS) s"; \
	    mkdir -p build-fuzz/corpus/$$name build-fuzz/crashes; \
	    build-fuzz/fuzz_$$name -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
	        -artifact_prefix=build-fuzz/crashes/$$name- build-fuzz/corpus/$$name fuzz/corpus/$$name; \
	done

install: build
	$(CMAKE) --install $(BUILD)
	@if [ -z "$(DESTDIR)" ] && [ "$$(id -u)" = 0 ]; then ldconfig; fi

uninstall:
	@xargs -r rm -f < $(BUILD)/install_manifest.txt

deps:
	@tools/deps check bench

clean:
	rm -rf build build-gcc build-asan build-fuzz

help:
	@echo 'make             build/theta, build/libtheta.so, build/libtheta.a'
	@echo 'make demo        build, then show what it does (installs Debian packages that are missing, as root)'
	@echo 'make check       every build and every test (installs likewise)'
	@echo 'make bench       measure against Lua 5.4 and LuaJIT'
	@echo 'make fuzz        run the fuzzers, FUZZ_SECONDS=60 each; TARGET=name for one'
	@echo 'make install     PREFIX=/usr/local, DESTDIR='
	@echo 'make deps        install what is missing'
	@echo 'make CC=gcc-12   with another compiler; BUILD=folder elsewhere'
