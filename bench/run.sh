#!/bin/bash
# `make bench`: the performance lab on this machine. Tables on the terminal and, with the JSON, in
# build/bench/. The fastest of many measurements counts: other work on the machine disturbs single
# ones. Arguments go to `tandem-bench dataplane` behind these.
#   TANDEM_BUILD  build directory (default: build)
set -euo pipefail
cd "$(dirname "$0")/.."
build=${TANDEM_BUILD:-build}
mkdir -p "$build/bench"
"$build/bench/tandem-bench" dataplane --best --rounds 40 \
	--json "$build/bench/dataplane.json" "$@" | tee "$build/bench/dataplane.txt"
echo "written: $build/bench/dataplane.json, $build/bench/dataplane.txt"
# Replication of 10,000 tunnels between two gateways (network namespaces: root); the whole is
# `tandem-bench replication`.
if [ "$(id -u)" = 0 ]; then
	"$build/bench/tandem-bench" replication --tunnels 10000 --seconds 2 --rounds 10 \
		--json "$build/bench/replication.json" | tee "$build/bench/replication.txt"
else
	echo "not root: the replication of SAs was not measured"
fi
