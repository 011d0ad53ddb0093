#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Starts a LiveKit server, the key server with its viewer, and the video server with test pictures (three layers
# of one, a single one, and a tone), and prints the viewer's address. Installs and builds what that needs, on Debian;
# asks for nothing.
#
#   sh examples/video-demo.sh [--seconds N]
#
# Ends with Ctrl-C, or after N seconds. The server: LIVEKIT_URL with LIVEKIT_API_KEY and LIVEKIT_API_SECRET, or one of
# this machine, found or built as for demo.sh.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/tests/support/install.sh"

seconds=
case ${1:-} in
  '') ;;
  --seconds) seconds=${2:?--seconds needs a number} ;;
  -h | --help) sed -n '3,10s/^# \{0,1\}//p' "$0"; exit 0 ;;
  *) die "unknown option $1 (see --help)" ;;
esac
case $seconds in
  *[!0-9]*) die "--seconds needs a number, not: $seconds" ;;
esac
build=$root/build
folder=$build/video-demo

build_all () {
  say "building in ${build#"$root"/}"
  [ -f "$build/build.ninja" ] || quietly "$cache/demo-setup.log" meson setup "$build" "$root"
  quietly "$cache/demo-build.log" ninja -C "$build" gst/libgstlivekit.so examples/video-server/livekit-video-server \
    examples/key-server/livekit-key-server
}

write_settings () {
  mkdir -p "$folder"
  printf '%s: %s\n' "$LIVEKIT_API_KEY" "$LIVEKIT_API_SECRET" > "$folder/keys.yaml"
  chmod 600 "$folder/keys.yaml"
  cat > "$folder/key-server.yaml" <<END
LISTEN: 127.0.0.1:$port
KEY_FILE: $folder/keys.yaml
LIVEKIT_SERVER: $LIVEKIT_URL
PUBLISHER_PATTERN: video-server
VIEWER_FOLDER: $root/examples/viewer
VIEWER_MODULES: $cache/node-viewer/node_modules
END
  cat > "$folder/video-server.yaml" <<END
TOKEN_SERVER: 127.0.0.1:$port
LIVEKIT_SERVER: $LIVEKIT_URL
ROOM_ID: demo
CLIENT_ID: video-server
PIPELINES: 3
PIPELINE_0: >
  videotestsrc is-live=true pattern=ball ! video/x-raw,width=1280,height=720,framerate=25/1 ! timeoverlay ! tee name=t
  t. ! queue ! vp8enc deadline=1 cpu-used=16 keyframe-max-dist=100 target-bitrate=1500000 ! appsink name=sink_h
  t. ! queue ! videoscale ! video/x-raw,width=640,height=360
  ! vp8enc deadline=1 cpu-used=16 keyframe-max-dist=100 target-bitrate=500000 ! appsink name=sink_m
  t. ! queue ! videoscale ! video/x-raw,width=320,height=180
  ! vp8enc deadline=1 cpu-used=16 keyframe-max-dist=100 target-bitrate=150000 ! appsink name=sink_l
PIPELINE_1: >
  videotestsrc is-live=true ! video/x-raw,width=640,height=480,framerate=25/1 ! clockoverlay ! videoconvert
  ! x264enc tune=zerolatency speed-preset=ultrafast bitrate=800 key-int-max=100
PIPELINE_2: audiotestsrc is-live=true wave=ticks ! audioconvert ! audioresample ! opusenc
END
}

stop_all () {
  [ -z "${video_server:-}" ] || kill "$video_server" 2> /dev/null || true
  [ -z "${key_server:-}" ] || kill "$key_server" 2> /dev/null || true
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
  build_all
  need_modules "$root/examples/viewer/package.json" node-viewer
  if [ -z "${LIVEKIT_URL:-}" ]; then
    need_server
    say "server: $LIVEKIT_SERVER, on free loopback ports"
    export DEMO_IS_SET_UP=1
    exec python3 "$root/tests/support/lkserver.py" --server "$LIVEKIT_SERVER" -- sh "$0" "$@"
  fi
fi
[ -n "${LIVEKIT_API_KEY:-}" ] || die 'LIVEKIT_URL is set: set LIVEKIT_API_KEY and LIVEKIT_API_SECRET too'
[ -n "${LIVEKIT_API_SECRET:-}" ] || die 'LIVEKIT_API_KEY is set: set LIVEKIT_API_SECRET too'
GST_PLUGIN_PATH=$build/gst${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}
GST_REGISTRY=$build/demo-registry.bin
export GST_PLUGIN_PATH GST_REGISTRY
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
write_settings
# settings are read from the environment first, and LIVEKIT_SERVER is a command in this one
unset LIVEKIT_API_KEY LIVEKIT_API_SECRET LIVEKIT_URL LIVEKIT_SERVER
trap stop_all EXIT
trap 'exit 130' INT TERM
"$build/examples/key-server/livekit-key-server" --config "$folder/key-server.yaml" 2> "$folder/key-server.log" &
key_server=$!
wait_said "$folder/key-server.log" 'and the viewer at /' "$key_server"
"$build/examples/video-server/livekit-video-server" --config "$folder/video-server.yaml" 2> "$folder/video-server.log" &
video_server=$!
for track in 0 1 2; do
  wait_said "$folder/video-server.log" "video-server-$track of video-server published" "$video_server"
done
say "three tracks are in the room; logs: ${folder#"$root"/}"
say "the viewer: http://127.0.0.1:$port/?room=demo"
if [ -n "$seconds" ]; then
  sleep "$seconds"
  kill -0 "$video_server" && kill -0 "$key_server"
else
  say 'Ctrl-C ends it'
  wait "$video_server"
fi
