#!/bin/sh
# Starts the collector on a free port, runs the C sensor against it, and shows
# the events that arrived. "make demo" builds first.
set -eu
build=${1:-build}
work=$(mktemp -d)
trap 'kill "$collector" 2>/dev/null || true; rm -rf "$work"' EXIT INT TERM

"$build/bin/broccoli-collector" -listen 127.0.0.1:0 -format summary >"$work/events" 2>"$work/log" &
collector=$!
address=
for _ in $(seq 100); do
    address=$(sed -n 's/.*listening on \([^ ]*\) .*/\1/p' "$work/log")
    [ -n "$address" ] && break
    sleep 0.05
done
[ -n "$address" ] || { echo "the collector did not start:" >&2; cat "$work/log" >&2; exit 1; }

echo "== the C sensor, linked to libbroccoli.so.5, reports to the collector at $address"
LD_LIBRARY_PATH="$build/lib" "$build/examples/sensor_sshd" "$address"

for _ in $(seq 100); do
    [ "$(wc -l <"$work/events")" -ge 16 ] && break
    sleep 0.05
done
kill -TERM "$collector"
wait "$collector" || true
echo "== what arrived"
cat "$work/events"
echo "== the collector's log"
cat "$work/log"
arrived=$(wc -l <"$work/events")
[ "$arrived" -eq 16 ] || { echo "$arrived of 16 events arrived" >&2; exit 1; }
