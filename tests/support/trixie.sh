#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Builds and tests with the packages of Debian 13, in a root made by debootstrap. Needs root.
#
#   trixie.sh SOURCE BUILD ROOT [SERVER]
#
# SOURCE is mounted read-only, BUILD is where the build folder is outside too. The mounts are in a namespace of their
# own, so they end with this script however it ends. ROOT is kept for the next time. With SERVER, the program of a livekit-server, some
# of the live tests run, too, those without a browser or an SDK.
set -eu

root=$1 build=$2 folder=$3 server=${4:-}
live='loopback-h264 loopback-h264-v0 resume dynacast-src red layers-vp8'
live="$live codec-vp8-opus codec-vp9-pcmu codec-av1-pcma codec-h265-opus-stereo"
. "$root/tests/support/install.sh"

packages="$build_packages $media_packages python3 ca-certificates"

if [ "$(cat "$folder.packages" 2> /dev/null)" != "$packages" ]; then
  say "installing a Debian 13 root in $folder (some minutes the first time)"
  rm -rf "${folder:?}" "$folder.packages"
  mkdir -p "$folder"
  quietly "$folder.log" debootstrap --variant=minbase trixie "$folder"
  cp /etc/resolv.conf "$folder/etc/resolv.conf"
  # shellcheck disable=SC2086 # a list of words
  quietly "$folder.log" unshare --mount sh -ec 'mount -t proc proc "$1/proc"; mount --rbind /dev "$1/dev"
    root=$1; shift; 
    exec chroot "$root" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"' \
    sh "$folder" $packages
  echo "$packages" > "$folder.packages"
fi

mkdir -p "$folder/source" "$folder/build"
: > "$folder/livekit-server"
say 'building and testing in it'
unshare --mount sh -ec '
  mount -t proc proc "$1/proc"
  mount --rbind /dev "$1/dev"
  mount -t tmpfs tmpfs "$1/tmp"
  mount --bind "$2" "$1/source"
  mount -o remount,bind,ro "$1/source"
  mount --bind "$3" "$1/build"
  [ -z "$4" ] || mount --bind "$4" "$1/livekit-server"
  exec chroot "$1" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp LANG=C.UTF-8 sh -ec "
    gst-inspect-1.0 --version | sed -n s/^GStreamer/GStreamer/p
    # Again, for the names of live tests are read then.
    [ ! -f /build/build.ninja ] || again=--reconfigure
    meson setup \${again:-} /build /source --werror > /build/setup.log 2>&1 ||
      { tail -n 30 /build/setup.log; exit 1; }
    ninja -C /build > /build/build.log 2>&1 || { grep -A 5 -E \"error:|FAILED\" /build/build.log | head -n 60; exit 1; }
    GST_REGISTRY=/tmp/registry.bin LK_TEST_SHORT=1 meson test -C /build --no-rebuild --print-errorlogs --suite lk --suite elements || :
    [ -z \"$4\" ] || LIVEKIT_SERVER=/livekit-server meson test -C /build --no-rebuild --print-errorlogs --logbase live $5"
  ' sh "$folder" "$root" "$build" "$server" "$live" 2>&1 | cut -c 1-400
