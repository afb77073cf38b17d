#!/bin/bash
# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
#
# Puts the programs in dist/ and what belongs to them below DESTDIR. usage: packaging/install-files.sh DESTDIR PREFIX
set -euo pipefail
cd "$(dirname "$0")/.."
destination=${1:-}
prefix=${2:-/usr/local}
root=$destination$prefix
units=$destination/lib/systemd/system
users=$destination/usr/lib/sysusers.d
[ -x dist/vireod ] && [ -x dist/vireo ] || { echo "dist/ is empty: run make release first" >&2; exit 66; }

install -D -m 755 dist/vireod "$root/sbin/vireod"
install -D -m 755 dist/vireo "$root/bin/vireo"
mkdir -p "$units" "$users"
for unit in vireod.service vireod.socket vireod-ro.socket vireod-http.socket; do
    sed "s|/usr/sbin/vireod|$prefix/sbin/vireod|" "packaging/systemd/$unit" >"$units/$unit"
    chmod 644 "$units/$unit"
done
install -m 644 packaging/systemd/vireo.sysusers "$users/vireo.conf"
for page in vireo.1 vireod.8; do
    directory=$root/share/man/man${page##*.}
    mkdir -p "$directory"
    gzip -9n <"packaging/man/$page" >"$directory/$page.gz"
    chmod 644 "$directory/$page.gz"
done
mkdir -p "$root/share/bash-completion/completions" "$root/share/zsh/vendor-completions" "$root/share/fish/vendor_completions.d"
dist/vireo completions bash >"$root/share/bash-completion/completions/vireo"
dist/vireo completions zsh >"$root/share/zsh/vendor-completions/_vireo"
dist/vireo completions fish >"$root/share/fish/vendor_completions.d/vireo.fish"
