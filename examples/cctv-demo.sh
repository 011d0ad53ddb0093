#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Starts a LiveKit server, MediaMTX with three test cameras, the camera gateway, and the key server with its viewer; prints the
# viewer's address for each camera. Installs and builds what that needs, on Debian; asks for nothing.
#
#   sh examples/cctv-demo.sh [--seconds N] [FILE]
#
# Ends with Ctrl-C, or after N seconds. FILE: a configuration of cameras of your own, as docs/cctv.md describes it, without
# the keys. The server: LIVEKIT_URL with LIVEKIT_API_KEY and LIVEKIT_API_SECRET, or one of this machine, found or built as
# for demo.sh.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/tests/support/install.sh"

arguments=$*
seconds=
file=
while [ $# -gt 0 ]; do
  case $1 in
    --seconds) seconds=${2:?--seconds needs a number}; shift ;;
    -h | --help) sed -n '3,11s/^# \{0,1\}//p' "$0"; exit 0 ;;
    -*) die "unknown option $1 (see --help)" ;;
    *) file=$1 ;;
  esac
  shift
done
case $seconds in
  *[!0-9]*) die "--seconds needs a number, not: $seconds" ;;
esac
[ -z "$file" ] || [ -r "$file" ] || die "$file cannot be read"
build=$root/build
folder=$build/cctv-demo

build_all () {
  say "building in ${build#"$root"/}"
  [ -f "$build/build.ninja" ] || quietly "$cache/demo-setup.log" meson setup "$build" "$root"
  ninja -C "$build" -t query examples/cctv/livekit-cctv > /dev/null 2>&1 \
    || quietly "$cache/demo-setup.log" meson setup --reconfigure "$build" "$root"
  quietly "$cache/demo-build.log" ninja -C "$build" gst/libgstlivekit.so examples/cctv/livekit-cctv \
    examples/key-server/livekit-key-server
}

# free_ports N: so many free TCP ports.
free_ports () {
  python3 -c 'import socket, sys
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(int(sys.argv[1]))]
print(*[s.getsockname()[1] for s in sockets])' "$1"
}

# camera NAME SIZE BITRATE PATTERN: a path of MediaMTX that plays a test picture.
camera () {
  cat << END
  $1:
    runOnInitRestart: yes
    runOnInit: >-
      ffmpeg -nostdin -loglevel error -re -f lavfi -i $4=size=$2:rate=20 -c:v libx264 -preset ultrafast -tune zerolatency
      -pix_fmt yuv420p -g 20 -b:v $3 -f rtsp -rtsp_transport tcp rtsp://127.0.0.1:$rtsp_port/$1
END
}

write_cameras () {
  {
    printf 'rtspAddress: 127.0.0.1:%s\nrtspTransports: [tcp]\nrtmp: no\nhls: no\nwebrtc: no\nsrt: no\npaths:\n' "$rtsp_port"
    camera yard-main 1280x720 1500k testsrc2
    camera yard-sub 640x360 400k testsrc2
    camera gate 640x360 300k smptehdbars
    camera hall 640x360 300k rgbtestsrc
  } > "$folder/mediamtx.yml"
  cat > "$folder/cctv.yaml" << END
listen: 127.0.0.1:$gateway_port
livekit: {url: '$LIVEKIT_URL', key-file: '$folder/keys.yaml'}
cameras:
  - {id: yard, url: 'rtsp://127.0.0.1:$rtsp_port/yard-main', sub-streams: ['rtsp://127.0.0.1:$rtsp_port/yard-sub']}
  - {id: gate, url: 'rtsp://127.0.0.1:$rtsp_port/gate'}
  - {id: hall, url: 'rtsp://127.0.0.1:$rtsp_port/hall', publish: on-demand}
END
}

write_settings () {
  mkdir -p "$folder"
  printf '%s: %s\n' "$LIVEKIT_API_KEY" "$LIVEKIT_API_SECRET" > "$folder/keys.yaml"
  chmod 600 "$folder/keys.yaml"
  cat > "$folder/key-server.yaml" << END
LISTEN: 127.0.0.1:$key_port
KEY_FILE: $folder/keys.yaml
LIVEKIT_SERVER: $LIVEKIT_URL
PUBLISHER_PATTERN: nobody
VIEWER_FOLDER: $root/examples/viewer
VIEWER_MODULES: $cache/node-viewer/node_modules
END
}

stop_all () {
  for pid in ${gateway:-} ${key_server:-} ${cameras:-}; do
    kill "$pid" 2> /dev/null || true
  done
  wait
  rm -f "$folder/keys.yaml"
}

# wait_said FILE TEXT PID: until the program has said so in its log.
wait_said () {
  until grep -q "$2" "$1"; do
    kill -0 "$3" 2> /dev/null || { cat "$1" >&2; die 'it has ended'; }
    sleep 0.1
  done
}

if [ -z "${DEMO_IS_SET_UP:-}" ]; then
  need_build
  need_packages libhiredis-dev ffmpeg
  [ -n "$file" ] || need_mediamtx
  build_all
  need_modules "$root/examples/viewer/package.json" node-viewer
  if [ -z "${LIVEKIT_URL:-}" ]; then
    need_server
    say "server: $LIVEKIT_SERVER, on free loopback ports"
    export DEMO_IS_SET_UP=1
    # shellcheck disable=SC2086 # options without spaces
    exec python3 "$root/tests/support/lkserver.py" --server "$LIVEKIT_SERVER" -- sh "$0" $arguments
  fi
fi
[ -n "${LIVEKIT_API_KEY:-}" ] || die 'LIVEKIT_URL is set: set LIVEKIT_API_KEY and LIVEKIT_API_SECRET too'
[ -n "${LIVEKIT_API_SECRET:-}" ] || die 'LIVEKIT_API_KEY is set: set LIVEKIT_API_SECRET too'
GST_PLUGIN_PATH=$build/gst${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}
GST_REGISTRY=$build/demo-registry.bin
export GST_PLUGIN_PATH GST_REGISTRY
# shellcheck disable=SC2046 # words
set -- $(free_ports 3)
rtsp_port=$1 gateway_port=$2 key_port=$3
write_settings
trap stop_all EXIT
trap 'exit 130' INT TERM
if [ -z "$file" ]; then
  write_cameras
  file=$folder/cctv.yaml
  "$LIVE_MEDIAMTX" "$folder/mediamtx.yml" > "$folder/mediamtx.log" 2>&1 &
  cameras=$!
  for path in yard-main yard-sub gate hall; do
    wait_said "$folder/mediamtx.log" "path $path.*online\|publishing to path '$path'" "$cameras"
  done
fi
"$build/examples/cctv/livekit-cctv" "$file" 2> "$folder/gateway.log" &
gateway=$!
wait_said "$folder/gateway.log" 'cameras, port' "$gateway"
# settings are read from the environment first, and LIVEKIT_SERVER is a command in this one
unset LIVEKIT_API_KEY LIVEKIT_API_SECRET LIVEKIT_URL LIVEKIT_SERVER
"$build/examples/key-server/livekit-key-server" --config "$folder/key-server.yaml" 2> "$folder/key-server.log" &
key_server=$!
wait_said "$folder/key-server.log" 'and the viewer at /' "$key_server"
wait_said "$folder/gateway.log" 'connected' "$gateway"
say "cameras are in their rooms; logs: ${folder#"$root"/}"
sed -n 's/.*\<id: *\([A-Za-z0-9_.-]*\).*/\1/p' "$file" | while read -r id; do
  say "the viewer: http://127.0.0.1:$key_port/?room=camera_$id"
done
if [ -n "$seconds" ]; then
  sleep "$seconds"
  kill -0 "$gateway" && kill -0 "$key_server"
else
  say 'Ctrl-C ends it'
  wait "$gateway"
fi
