# The names that everybody needs; the build itself is described in meson.build.
# `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := build

JOBS ?= $(shell nproc)
FUZZ_SECONDS ?= 30
PREFIX ?= /usr/local
DESTDIR ?=
MESON ?= meson

export JOBS FUZZ_SECONDS

.PHONY: help setup developer deps build demo test asan tsan torture fuzz bench bench-servers \
    bench-history bench-features scenarios soak lint fmt docs install clean

help: ## list the targets
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/  make \1\t\2/p' Makefile | expand -t 22

setup: ## install the Debian packages that are missing
	@tools/setup

developer: ## and the ones that only those need who change the code
	@tools/setup --developer

deps: setup ## fetch and unpack what deps.lock names for building
	@tools/fetch-deps --group product

build: deps ## build/auspex, the release
	@tools/build release

demo: build ## train, serve and predict on real flights
	@tools/demo

test: build ## unit, contract, regression, e2e, clients' and docs tests
	@tools/fetch-deps --group test --group clients
	@tools/fetch-deps --group feast || true
	@tools/run-tests unit contract regress e2e clients docs tools

asan: deps ## the tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@tools/fetch-deps --group test --group clients
	@tools/fetch-deps --group feast || true
	@tools/build asan
	@tools/run-tests --build build/asan "--pytest=-m not plain" unit contract regress e2e clients

tsan: deps ## threads, pools and reload under ThreadSanitizer
	@tools/fetch-deps --group test
	@tools/build tsan
	@tools/run-tests --build build/tsan "--pytest=-m threads" threads e2e

torture: deps ## the tests again, where one allocation after the other fails
	@tools/build asan
	@tools/torture

soak: build ## what `make test` does in short, for hours: kill -9, random expressions as SQL
	@tools/build release
	@AX_KILLS=$${AX_KILLS:-50} tools/run-tests --pytest=-k --pytest=test_online_kill e2e
	@AX_EXPR_TREES=$${AX_EXPR_TREES:-10000000} AX_EXPR_SEED=$${AX_EXPR_SEED:-$$RANDOM} \
	    build/release/tests/unit_data_expr_test_expr_sql

fuzz: developer deps ## FUZZ_SECONDS=30 for each fuzz target, after its corpus
	@tools/build fuzz
	@tools/fuzz --each $(FUZZ_SECONDS)

bench: build ## what it costs: instructions and seconds
	@tools/bench

bench-servers: build ## the server beside an empty one and those of others; wants a quiet machine
	@tools/fetch-deps --group test
	@tools/fetch-deps --group servers || true
	@bench/servers/run

bench-history: build ## histories beside bare joins of DuckDB and beside Feast
	@tools/fetch-deps --group feast || true
	@bench/history/run

bench-features: build ## features over HTTP beside Feast, predictions by entity beside ready-made values
	@tools/fetch-deps --group test
	@tools/fetch-deps --group feast || true
	@bench/features/run

scenarios: build ## a fleet under reloads, churn, overload, …: counts must hold; wants a quiet machine
	@tools/fetch-deps --group test
	@tools/fetch-deps --group servers || true
	@bench/scenario/run

lint: developer deps ## format, style, shellcheck, clang-tidy, cppcheck
	@tools/build clang
	@tools/lint

fmt: developer ## format the C sources
	@git ls-files -co --exclude-standard -- 'src/*.[ch]' 'src/*.cc' 'tests/*.[ch]' 'fuzz/*.[ch]' \
	    'bench/*.[ch]' | xargs -r clang-format-19 -i

docs: build ## write the generated documents anew
	@tools/docs

install: build ## to PREFIX (/usr/local), below DESTDIR if given
	@$(MESON) configure build/release -Dprefix="$(PREFIX)" && tools/build release
	@DESTDIR="$(DESTDIR)" $(MESON) install -C build/release --no-rebuild --quiet

clean: ## remove what was built; build/deps and the cache stay
	@find build -mindepth 1 -maxdepth 1 ! -name deps -exec rm -rf {} +
