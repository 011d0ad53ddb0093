# SPDX-License-Identifier: LGPL-2.1-or-later
# What video-demo.sh and cctv-demo.sh share: read with "." after tests/support/install.sh, when `folder` is set, too.
# shellcheck shell=sh
# shellcheck disable=SC2154 # root, cache, folder

build=$root/build
pids=

check_seconds () {
  case $1 in
    *[!0-9]*) die "--seconds needs a number, not: $1" ;;
  esac
}

# build_with PROGRAM: that, the plugin and the key server.
build_with () {
  say "building in ${build#"$root"/}"
  [ -f "$build/build.ninja" ] || quietly "$cache/demo-setup.log" meson setup "$build" "$root"
  ninja -C "$build" -t query "$1" > /dev/null 2>&1 \
    || quietly "$cache/demo-setup.log" meson setup --reconfigure "$build" "$root"
  quietly "$cache/demo-build.log" ninja -C "$build" gst/libgstlivekit.so examples/key-server/livekit-key-server "$1"
  need_modules "$root/examples/viewer/package.json" node-viewer
}

# run_with_server ARGUMENT...: unless the environment names a server, starts the script again with one around it.
run_with_server () {
  [ -z "${LIVEKIT_URL:-}" ] || return 0
  need_server
  say "server: $LIVEKIT_SERVER, on free loopback ports"
  export DEMO_IS_SET_UP=1
  exec python3 "$root/tests/support/lkserver.py" --server "$LIVEKIT_SERVER" -- sh "$0" "$@"
}

# free_ports N: so many free TCP ports.
free_ports () {
  python3 -c 'import socket, sys
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(int(sys.argv[1]))]
print(*[s.getsockname()[1] for s in sockets])' "$1"
}

stop_all () {
  for pid in $pids; do
    kill "$pid" 2> /dev/null || true
  done
  wait
  rm -f "$folder/keys.yaml"
}

# The plugin and the server's keys, for the programs to come, which end with the script.
prepare () {
  [ -n "${LIVEKIT_API_KEY:-}" ] || die 'LIVEKIT_URL is set: set LIVEKIT_API_KEY and LIVEKIT_API_SECRET too'
  [ -n "${LIVEKIT_API_SECRET:-}" ] || die 'LIVEKIT_API_KEY is set: set LIVEKIT_API_SECRET too'
  GST_PLUGIN_PATH=$build/gst${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}
  GST_REGISTRY=$build/demo-registry.bin
  export GST_PLUGIN_PATH GST_REGISTRY
  mkdir -p "$folder"
  trap stop_all EXIT
  trap 'exit 130' INT TERM
  (umask 077 && printf '%s: %s\n' "$LIVEKIT_API_KEY" "$LIVEKIT_API_SECRET" > "$folder/keys.yaml")
}

# start NAME COMMAND...: in the background as $pid, with a log of that name.
start () {
  log=$folder/$1.log
  shift
  "$@" > "$log" 2>&1 &
  pid=$!
  pids="$pids $pid"
}

# wait_said TEXT: until the program that was started last has said so.
wait_said () {
  until grep -q "$1" "$log"; do
    kill -0 "$pid" 2> /dev/null || { cat "$log" >&2; die 'it has ended'; }
    sleep 0.1
  done
}

# start_key_server PORT PUBLISHERS. From here on the environment has no keys: settings are read from there first, and
# LIVEKIT_SERVER is a command in this one.
start_key_server () {
  cat > "$folder/key-server.yaml" << END
LISTEN: 127.0.0.1:$1
KEY_FILE: $folder/keys.yaml
LIVEKIT_SERVER: $LIVEKIT_URL
PUBLISHER_PATTERN: $2
VIEWER_FOLDER: $root/examples/viewer
VIEWER_MODULES: $cache/node-viewer/node_modules
END
  unset LIVEKIT_API_KEY LIVEKIT_API_SECRET LIVEKIT_URL LIVEKIT_SERVER
  start key-server "$build/examples/key-server/livekit-key-server" --config "$folder/key-server.yaml"
  wait_said 'and the viewer at /'
}

# stay SECONDS PID: until Ctrl-C, or so long; fails when a program has ended by then.
stay () {
  if [ -n "$1" ]; then
    sleep "$1"
    for pid in $pids; do
      kill -0 "$pid" || die "a program has ended; logs: $folder"
    done
  else
    say 'Ctrl-C ends it'
    wait "$2"
  fi
}
