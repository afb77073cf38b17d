#!/bin/bash
# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
#
# Formatting, licence headers, generated code, and the texts' own links. Prints what is wrong and fails.
set -uo pipefail
cd "$(dirname "$0")/.."
if [ -x /opt/swift/usr/bin/swift ]; then PATH=/opt/swift/usr/bin:$PATH; fi
failures=0

part() {
    local name=$1 output
    shift
    if output=$("$@" 2>&1); then
        echo "ok      $name"
    else
        echo "$output" | head -60
        echo "FAILED  $name"
        failures=$((failures + 1))
    fi
}

format() {
    git ls-files -z --cached --others --exclude-standard '*.swift' | grep -zv /Generated/ |
        xargs -0 swift format lint --strict --parallel
}

headers() {
    local file status=0
    while IFS= read -r file; do
        [ -f "$file" ] || continue
        case $file in
        *.swift | *.c | *.h | *.py | *.sh | Makefile | .ci/run | Tools/* | packaging/*.sh | Fuzz/*.py)
            case $file in *.json | *.md | *.txt | *.xml | *.service | *.socket) continue ;; esac
            if ! head -5 "$file" | grep -q "Copyright 2026 The Vireo Authors" ||
                ! head -5 "$file" | grep -q "SPDX-License-Identifier: Apache-2.0"; then
                echo "$file: the two lines of the licence header are missing"
                status=1
            fi
            ;;
        esac
    done < <(git ls-files --cached --others --exclude-standard)
    return $status
}

generated() {
    [ -x Tools/generate-rpc.py ] || [ -f Tools/generate-rpc.py ] || return 0
    /usr/bin/python3 Tools/generate-rpc.py --check
}

python() {
    git ls-files -z --cached --others --exclude-standard '*.py' | xargs -0 -r /usr/bin/python3 -c '
import ast, sys
for path in sys.argv[1:]:
    ast.parse(open(path, encoding="utf-8").read(), path)
'
}

shell() {
    local file status=0
    while IFS= read -r file; do bash -n "$file" || status=1; done \
        < <(git ls-files --cached --others --exclude-standard '*.sh' .ci/run Tools/pre-commit)
    return $status
}

documents() {
    /usr/bin/python3 - <<'P'
import os, re, subprocess, sys
status = 0
for path in subprocess.run(["git", "ls-files", "*.md"], capture_output=True, text=True).stdout.split():
    text = re.sub(r"```.*?```", "", open(path, encoding="utf-8").read(), flags=re.S)
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if "://" not in target and not os.path.exists(os.path.join(os.path.dirname(path), target)):
            print("%s: the link to %s leads nowhere" % (path, target))
            status = 1
sys.exit(status)
P
}

part "formatting (make format repairs most of it)" format
part "licence headers" headers
part "generated code is up to date" generated
part "scripts parse" python
part "shell scripts parse" shell
part "links in the documents" documents
exit $((failures > 0))
