#!/bin/sh
# The client against a real socket: client_test.sh CLI_BED TANDEM EXAMPLE.in CLIENT.exp
# Scripts, exit status, JSON, files, a missing daemon; then the terminal side with expect.
bed=$1 tandem=$2 example=$3 exp=$4
dir=$(mktemp -d) || exit 1
"$bed" "$dir" "$dir/startup.conf" 2>"$dir/bed.log" &
pid=$!
trap 'kill $pid 2>/dev/null; rm -rf "$dir"' EXIT
i=0
while [ ! -S "$dir/cli.sock" ]; do
	i=$((i + 1))
	[ $i -lt 100 ] || { echo "FAIL no socket"; exit 1; }
	sleep 0.1
done
fail() { echo "FAIL $*"; exit 1; }
t() { "$tandem" -r "$dir" "$@"; }

(echo configure terminal; cat "$example") | t >"$dir/out" 2>"$dir/err" || fail "the example is refused: $(cat "$dir/err")"
[ -s "$dir/err" ] && fail "the example writes errors: $(cat "$dir/err")"
t -c 'show running-config' >"$dir/one" || fail "show running-config"
t -c 'configure terminal' -c 'hostname two words' >"$dir/out" 2>"$dir/err" && fail "a bad line is accepted"
grep -q "Invalid input detected" "$dir/err" || fail "no sentence about the bad line"
[ -s "$dir/out" ] && fail "errors belong on standard error"
printf 'show history\nnonsense\nshow history\n' | t >/dev/null 2>&1 && fail "a bad line in a script counts"
t -c 'write memory' | grep -q '\[OK\]' || fail "write memory"
t -c 'show startup-config' >"$dir/two" || fail "show startup-config"
cmp -s "$dir/one" "$dir/two" || fail "startup and running configuration differ"
t -c 'configure replace startup.conf' | grep -q '^No difference' || fail "replace by itself"
sed 's/^hostname.*/hostname other/' "$dir/startup.conf" >"$dir/other.conf"
t -c 'configure replace other.conf' | grep -q '^+ hostname other' || fail "replace shows the difference"
echo 'nonsense here' >>"$dir/other.conf"
t -c 'configure replace other.conf' >/dev/null 2>&1 && fail "a file with errors replaces"
t -c 'copy other.conf running-config' >"$dir/out" 2>&1 && fail "copy hides refused lines"
grep -q "1 lines were refused" "$dir/out" || fail "copy counts refused lines"
t -j -c 'show json' | jq -e '.rows | length == 20000' >/dev/null || fail "JSON"
t -c 'show json' | grep -qx plain || fail "no JSON unless asked"
timeout 20 sh -c "'$tandem' -r '$dir' -c 'show flood' | head -1000 >/dev/null" || fail "a closed pipe hangs"
"$tandem" -r "$dir/nowhere" -c 'show history' 2>"$dir/err" && fail "no daemon, no error"
grep -q "is tandemd running" "$dir/err" || fail "no hint about the daemon"
"$bed" "$dir" 2>"$dir/err" && fail "a second daemon starts"
grep -q "another tandemd is running" "$dir/err" || fail "no sentence about the second daemon"
command -v expect >/dev/null || { echo "expect is not installed"; exit 77; }
# libedit keeps the names of bound keys at its end.
ASAN_OPTIONS=detect_leaks=0 expect -f "$exp" "$tandem" "$dir" >"$dir/expect.log" 2>&1 || { cat "$dir/expect.log"; fail "terminal"; }
kill -9 $pid
wait $pid 2>/dev/null
"$bed" "$dir" 2>"$dir/bed.log" &
pid=$!
i=0
until t -c 'show history' 2>/dev/null; do
	i=$((i + 1))
	[ $i -lt 50 ] || fail "a left-over socket file is not replaced"
	sleep 0.1
done
echo passed
