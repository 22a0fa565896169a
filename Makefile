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

.PHONY: help setup deps build demo test asan tsan fuzz bench lint fmt docs install clean

help: ## list the targets
	@sed -nE 's/^([a-z]+):[^#]*## (.*)/  make \1\t\2/p' Makefile | expand -t 18

setup: ## install the Debian packages that are missing
	@tools/setup

deps: setup ## fetch and unpack what deps.lock names
	@tools/fetch-deps --group product --group test

build: deps ## build/auspex, the release
	@tools/build release

demo: build ## train, serve and predict on real flights
	@tools/demo

test: build ## unit, contract, regression, e2e and docs tests
	@tools/run-tests --build build/release unit contract regress e2e docs tools

clean: ## remove what was built; keeps build/deps and the cache
	@find build -mindepth 1 -maxdepth 1 ! -name deps -exec rm -rf {} +
