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
folder=$root/build/cctv-demo
. "$root/tests/support/install.sh"
. "$root/examples/demo-parts.sh"

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
check_seconds "$seconds"
[ -z "$file" ] || [ -r "$file" ] || die "$file cannot be read"

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

if [ -z "${DEMO_IS_SET_UP:-}" ]; then
  need_build
  need_packages libhiredis-dev ffmpeg
  [ -n "$file" ] || need_mediamtx
  build_with examples/cctv/livekit-cctv
  run_with_server ${seconds:+--seconds "$seconds"} ${file:+"$file"}
fi
prepare
# shellcheck disable=SC2046 # words
set -- $(free_ports 3)
rtsp_port=$1 gateway_port=$2 key_port=$3
# cameras on demand join no room before somebody comes
said='cameras, port'
if [ -z "$file" ]; then
  said=' connected'
  write_cameras
  file=$folder/cctv.yaml
  start mediamtx "$LIVE_MEDIAMTX" "$folder/mediamtx.yml"
  for path in yard-main yard-sub gate hall; do
    wait_said "path $path.*online\|publishing to path '$path'"
  done
fi
start gateway "$build/examples/cctv/livekit-cctv" "$file"
gateway=$pid
wait_said "$said"
start_key_server "$key_port" nobody
say "the gateway runs; logs: ${folder#"$root"/}"
sed -n 's/.*\<id: *\([A-Za-z0-9_.-]*\).*/\1/p' "$file" | while read -r id; do
  say "the viewer: http://127.0.0.1:$key_port/?room=camera_$id"
done
stay "$seconds" "$gateway"
