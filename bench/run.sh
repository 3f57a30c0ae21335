#!/bin/bash
# `make bench`: the performance lab on this machine. Table on the terminal, JSON in build/bench/.
# Arguments go to `tandem-bench dataplane`.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p build/bench
exec build/bench/tandem-bench dataplane --json build/bench/dataplane.json "$@"
