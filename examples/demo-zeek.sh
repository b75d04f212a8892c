#!/bin/sh
# Starts a Zeek on a free port with the package of zeek/, runs the C sensor against it,
# and shows the lines that Zeek has written. "make demo-zeek" builds first.
set -eu
zeek=$1
build=${2:-build}
here=$(pwd)
work=$(mktemp -d)
trap 'kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT INT TERM
port=$((20000 + $$ % 20000))

cd "$work"
"$zeek" "$here/zeek/scripts" "$here/zeek/scripts/listen.zeek" SSHDSensor::listen_port=$port/tcp >"$work/said" 2>&1 &
server=$!
cd "$here"
echo "== $("$zeek" --version 2>&1), and the C sensor, linked to libbroccoli.so.5"
printf '/broccoli/debug_messages yes\n' >"$work/broccoli.conf"
chmod 600 "$work/broccoli.conf"
export BROCCOLI_CONFIG_FILE="$work/broccoli.conf" LD_LIBRARY_PATH="$build/lib"
sent=
for _ in $(seq 100); do
    "$build/examples/sensor_sshd" "ws://127.0.0.1:$port" 2>"$work/sensor" && sent=yes && break
    kill -0 "$server" 2>/dev/null || break
    sleep 0.3
done
[ -n "$sent" ] || { echo "the sensor did not reach Zeek:" >&2; cat "$work/sensor" "$work/said" >&2; exit 1; }

sleep 1
kill -TERM "$server"
wait "$server" || true
for log in sshd_sensor sshd_session; do
    echo "== $log.log"
    grep -v '^#' "$work/$log.log"
done
lines=$(grep -vc '^#' "$work/sshd_sensor.log")
[ "$lines" -eq 16 ] || { echo "$lines of 16 events arrived" >&2; cat "$work/said" >&2; exit 1; }
