#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Sends a test picture and a tone through a LiveKit room with livekitsink and livekitsrc, records and measures it, and
# shows the room on a web page. Installs and builds what that needs, on Debian; asks for nothing.
#
#   sh examples/demo.sh [--keep] [--room NAME]
#
# --keep leaves it running until Ctrl-C. The server: LIVEKIT_URL with LIVEKIT_API_KEY and LIVEKIT_API_SECRET, or with
# LIVEKIT_TOKEN_URL; else livekit-server from PATH; else one built with Go 1.26; else docker.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/tests/support/install.sh"

room=demo
keep=
arguments=$*
while [ $# -gt 0 ]; do
  case $1 in
    --keep) keep=--keep ;;
    --room) room=${2:?--room needs a name}; shift ;;
    -h | --help) sed -n '3,10s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) die "unknown option $1 (see --help)" ;;
  esac
  shift
done
case $room in
  *[!A-Za-z0-9_-]*) die "a room name of letters, digits, - and _ is needed, not: $room" ;;
esac
build=$root/build

build_all () {
  say "building in ${build#"$root"/}"
  [ -f "$build/build.ninja" ] || quietly "$cache/demo-setup.log" meson setup "$build" "$root"
  quietly "$cache/demo-build.log" ninja -C "$build" gst/libgstlivekit.so examples/livekit-demo
}

# Starts this script again with a server around it, whose address and keys are then in the environment.
run_with_server () {
  export DEMO_IS_SET_UP=1
  if (need_server); then
    need_server
    say "server: $LIVEKIT_SERVER, on free loopback ports"
    set -- --server "$LIVEKIT_SERVER"
  elif have docker && docker info > /dev/null 2>&1; then
    say 'server: by docker'
    set -- --docker
  else
    die 'no livekit-server: put it into PATH, or set LIVEKIT_URL with LIVEKIT_API_KEY and LIVEKIT_API_SECRET'
  fi
  # shellcheck disable=SC2086 # options without spaces, checked above
  exec python3 "$root/tests/support/lkserver.py" "$@" -- sh "$0" $arguments
}

check_credentials () {
  [ -z "${LIVEKIT_API_KEY:-}" ] || [ -z "${LIVEKIT_API_SECRET:-}" ] || return 0
  [ -z "${LIVEKIT_TOKEN_URL:-}" ] || return 0
  die 'LIVEKIT_URL is set: set LIVEKIT_API_KEY and LIVEKIT_API_SECRET too, or LIVEKIT_TOKEN_URL. One ready token is not
enough, as three participants join: the publisher, the receiver and the web page.'
}

stop_page () {
  [ -z "${page:-}" ] || kill "$page" 2> /dev/null || true
  rm -f "${address:-}"
}

serve_page () {
  address=$(mktemp)
  python3 "$root/examples/page/serve.py" --modules "$cache/node-page/node_modules" --room "$room" > "$address" &
  page=$!
  trap stop_page EXIT
  trap 'exit 130' INT TERM
  while [ ! -s "$address" ]; do
    kill -0 "$page" 2> /dev/null || die 'the web page is not served'
    sleep 0.1
  done
  say "the room in a browser: $(cat "$address")"
}

if [ -z "${DEMO_IS_SET_UP:-}" ]; then
  need_build
  build_all
  need_modules "$root/examples/page/package.json" node-page
  [ -n "${LIVEKIT_URL:-}" ] || run_with_server
fi
check_credentials
serve_page
GST_PLUGIN_PATH=$build/gst${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}
GST_REGISTRY=$build/demo-registry.bin
export GST_PLUGIN_PATH GST_REGISTRY
status=0
"$build/examples/livekit-demo" --room "$room" --output "$build/demo" --page "$(cat "$address")" $keep || status=$?
[ -n "$keep" ] || say 'done; --keep leaves it running, to watch it on the page'
exit $status
