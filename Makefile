# SPDX-License-Identifier: Apache-2.0
# The help page: what there is to do here. The work is in scripts/ and meson.build.
.DEFAULT_GOAL := help
.PHONY: help build run test soak conformance bench check docs receiver calculator producer install clean

help: ## this page
	@echo 'motorcade: cars stream packets in; durable, checked, stored, live.'
	@echo
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{printf "%-18s %s\n", $$1, $$2}'
	@echo
	@echo 'What is missing on Debian is installed from its packages, and named.'

build: ## build the program: build/src/motorcade
	@scripts/build

run: ## build and run everything with a simulated fleet of 500 cabs; Ctrl-C stops it; PROFILE=monitoring
	@scripts/run-demo $(if $(PROFILE),--profile $(PROFILE))

test: ## build and run every test
	@scripts/test

soak: ## the tests of crashes and power cuts with full counts (an hour or more)
	@scripts/soak

conformance: ## the Autobahn suite against the WebSocket server (needs its runner, wstest)
	@scripts/conformance

bench: ## the table of performance figures
	@scripts/bench

check: ## the gate: format, layers, lint
	@scripts/check

docs: ## make docs/reference from the program's own tables, dashboards and alerts from theirs
	@scripts/docs
	@scripts/dashboards

receiver: ## terminal 1: a gateway on :30000 with its embedded journal
	@scripts/build
	@build/src/motorcade gateway --listen 127.0.0.1:30000

calculator: ## terminal 2: prints what arrives in gpscoords
	@scripts/build
	@build/src/motorcade tail gpscoords --follow

producer: ## terminal 3: one car that sends {"obuid","lat","lon"} each second
	@scripts/build
	@build/src/motorcade simulate --obu --vehicles 1 --rate 1

install: ## install to /usr/local (DESTDIR and meson's options apply)
	@scripts/build
	meson install -C build

clean: ## remove what was built
	rm -rf build build-*
