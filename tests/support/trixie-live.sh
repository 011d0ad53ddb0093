#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Live tests with the GStreamer of Debian 13, all of them without names. Needs root, and what trixie.sh has made.
#
#   trixie-live.sh SOURCE BUILD ROOT [NAME...]
#
# All that uses GStreamer runs in ROOT; livekit-server, Chromium and the SDKs run outside, as in the other live tests.
# SOURCE, BUILD and /tmp are in ROOT by the names that they have outside, in a namespace of its own.
set -eu

source=$1 build=$2 folder=$3
shift 3
. "$source/tests/support/install.sh"

# For the examples in Python
packages='python3-gi gir1.2-gst-plugins-base-1.0'

# shellcheck disable=SC2086 # a list of words
if ! chroot "$folder" dpkg -s $packages > /dev/null 2>&1; then
  say "installing in $folder: $packages"
  # shellcheck disable=SC2086 # a list of words
  quietly "$folder-live.log" unshare --mount sh -ec 'mount -t proc proc "$1/proc"; mount --rbind /dev "$1/dev"
    root=$1; shift
    exec chroot "$root" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"' \
    sh "$folder" $packages
fi

exec unshare --mount sh -ec '
  root=$1 source=$2 build=$3
  shift 3
  mount -t proc proc "$root/proc"
  mount --rbind /dev "$root/dev"
  mount --rbind /sys "$root/sys"
  mount --rbind /tmp "$root/tmp"
  for path in "$source" "$build"; do
    mkdir -p "$root$path"
    mount --bind "$path" "$root$path"
  done
  chroot "$root" gst-inspect-1.0 --version | sed -n "s/^GStreamer/GStreamer/p"
  LIVE_ROOT=$root exec python3 "$source/tests/live/run.py" --build "$build" "$@"
  ' sh "$folder" "$source" "$build" "$@"
