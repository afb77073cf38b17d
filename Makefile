# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
#
# Every target can be run on a fresh checkout; what it needs from Debian it installs (as root) or names.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := build

# Debian's python3-swiftclient also has a program called swift.
ifneq ($(wildcard /opt/swift/usr/bin/swift),)
export PATH := /opt/swift/usr/bin:$(PATH)
endif
export PYTHONDONTWRITEBYTECODE := 1

VERSION := $(shell sed -n 's/.*static let text = "\(.*\)"/\1/p' Sources/VireoCore/VireoVersion.swift)
PREFIX ?= /usr/local
DESTDIR ?=
SECONDS ?= 60
SCALE ?= 1
STEPS ?= 10000
POINTS ?= 100
SEED ?= 1

# Nothing looks up symbols of our programs, and relative relocations have a short form: without both, 6 MB less are mapped.
RELEASE := swift build -c release --static-swift-stdlib --scratch-path .build-release -Xswiftc -use-ld=lld \
    -Xlinker --no-export-dynamic -Xlinker -z -Xlinker pack-relative-relocs

.PHONY: help build test unit integration matrix crashes walk troubles imagematrix cycles check format hooks demo bench benchimages fuzz release deb install clean

help: ## shows this list
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

build: ## builds vireod and vireo for development
	@Tools/install-deps.sh build
	swift build --product vireod
	swift build --product vireo

test: ## installs what is missing, builds, and runs all tests
	@Tools/install-deps.sh test
	@Tools/bake-guest.py
	@Tools/run-tests.py unit integration

unit: ## runs the Swift tests only
	@Tools/install-deps.sh test
	@Tools/run-tests.py unit

integration: ## runs the tests with real guests only (ONLY='words' picks some)
	@Tools/install-deps.sh test
	@Tools/bake-guest.py
	@Tools/run-tests.py integration $(if $(ONLY),--only '$(ONLY)')

matrix: ## runs every combination of the snapshot matrix, of which integration runs some
	@Tools/install-deps.sh test
	@Tools/bake-guest.py
	VIREO_SNAPSHOT_MATRIX=all Tools/run-tests.py --hours 4 integration --only 'snapshot/Matrix'

crashes: ## kills vireod, QEMU or both at every place of every operation on chains, and fills the disk during each (an hour)
	@Tools/install-deps.sh test
	@Tools/bake-guest.py
	VIREO_CRASHES=all Tools/run-tests.py --hours 4 integration --only 'crashes/Crashes'
	VIREO_CRASHES=all Tools/run-tests.py --hours 4 --add integration --only 'crashes/Full disk'

walk: ## runs a random walk of STEPS=10000 operations on chains, with crashes; SEED=number repeats one
	@Tools/install-deps.sh test
	@Tools/bake-guest.py
	VIREO_WALK_STEPS=$(STEPS) VIREO_WALK_SEED=$(SEED) Tools/run-tests.py --hours 24 integration --only 'crashes/Walk'

troubles: ## backs a machine up after each of POINTS=100 troubles (QEMU or all killed, hot-plug, snapshots); SEED=number repeats them
	@Tools/install-deps.sh test
	@Tools/bake-guest.py
	VIREO_BACKUP_POINTS=$(POINTS) VIREO_BACKUP_SEED=$(SEED) Tools/run-tests.py --hours 4 integration --only 'many troubles'

cycles: ## 1,000 starts of a network, 10,000 uploads and downloads, of which integration does some; looks for what is left
	@Tools/install-deps.sh test
	@Tools/bake-guest.py
	VIREO_TEST_CYCLES=1000 Tools/run-tests.py integration --only 'Starting and stopping a network'
	VIREO_TEST_CYCLES=1000 Tools/run-tests.py integration --only 'Uploads and downloads leave'

check: ## checks formatting, licence headers and generated code
	@Tools/check.sh

format: ## formats the Swift code
	git ls-files -z '*.swift' | grep -zv /Generated/ | xargs -0 swift format format --in-place --parallel

hooks: ## makes git run `make check` before each commit
	ln -sf ../../Tools/pre-commit "$$(git rev-parse --git-common-dir)/hooks/pre-commit"

demo: ## builds, boots a small guest with `vireo run`, talks to it and cleans up
	@Tools/install-deps.sh demo
	@Tools/bake-guest.py
	swift build --product vireod
	swift build --product vireo
	@Tools/demo.py

bench: release ## measures against libvirtd on this machine (SCALE=10 for the full lengths)
	@Tools/install-deps.sh bench
	@Tools/bake-guest.py
	@Benchmarks/run.py --scale $(SCALE)

benchimages: release ## measures 'vireo image' against qemu-img on this machine
	@Tools/install-deps.sh bench
	VIREO_BENCH=1 $(RELEASE) --product vireo-image-bench
	@Benchmarks/images.py --vireo dist/vireo --calls .build-release/release/vireo-image-bench

imagematrix: ## makes and reads every kind of qcow2 image beside qemu-img: more than 2,000, a quarter of an hour
	@Tools/install-deps.sh test
	VIREO_IMAGE_MATRIX=all swift test --no-parallel --filter MatrixTests

fuzz: ## fuzzes the RPC decoder, XML reader, QMP lines and image headers, SECONDS=60 each
	@Tools/install-deps.sh build
	@Fuzz/run.py --seconds $(SECONDS)

release: ## leaves vireod and vireo, which need no Swift on the host, in dist/
	@Tools/install-deps.sh build
	$(RELEASE) --product vireod
	$(RELEASE) --product vireo
	@mkdir -p dist
	@for program in vireod vireo; do \
	    strip -o dist/$$program .build-release/release/$$program; \
	done
	@ls -l dist/vireod dist/vireo

deb: release ## makes the Debian package in dist/
	@packaging/make-deb.sh $(VERSION)

install: ## puts what `make release` left into DESTDIR and PREFIX
	@packaging/install-files.sh "$(DESTDIR)" "$(PREFIX)"

clean: ## removes everything that was built, baked or downloaded here
	rm -rf .build .build-release .build-fuzz .cache dist
