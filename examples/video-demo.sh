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
folder=$root/build/video-demo
. "$root/tests/support/install.sh"
. "$root/examples/demo-parts.sh"

seconds=
case ${1:-} in
  '') ;;
  --seconds) seconds=${2:?--seconds needs a number} ;;
  -h | --help) sed -n '3,10s/^# \{0,1\}//p' "$0"; exit 0 ;;
  *) die "unknown option $1 (see --help)" ;;
esac
check_seconds "$seconds"

write_settings () {
  cat > "$folder/video-server.yaml" << END
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

if [ -z "${DEMO_IS_SET_UP:-}" ]; then
  need_build
  build_with examples/video-server/livekit-video-server
  run_with_server "$@"
fi
prepare
port=$(free_ports 1)
write_settings
start_key_server "$port" video-server
start video-server "$build/examples/video-server/livekit-video-server" --config "$folder/video-server.yaml"
for track in 0 1 2; do
  wait_said "video-server-$track of video-server published"
done
say "three tracks are in the room; logs: ${folder#"$root"/}"
say "the viewer: http://127.0.0.1:$port/?room=demo"
stay "$seconds" "$pid"
