#!/usr/bin/env bash
# Mount a bucket on a Google Cloud VM as a folder:   sudo bash mount.sh BUCKET FOLDER
# Nothing is cached of what exists: the hosts of a run must see each other's files at once.
set -euo pipefail
bucket=$1 folder=$2
release=3.4.4

if ! command -v gcsfuse >/dev/null; then
  package=gcsfuse_${release}_amd64.deb
  curl -fsSL -o "/tmp/$package" "https://github.com/GoogleCloudPlatform/gcsfuse/releases/download/v$release/$package"
  apt-get -o DPkg::Lock::Timeout=600 install -y "/tmp/$package"
fi
mkdir -p "$folder"
if ! mountpoint -q "$folder"; then
  gcsfuse --implicit-dirs --metadata-cache-ttl-secs=0 --metadata-cache-negative-ttl-secs=0 -o allow_other \
    --uid "${SUDO_UID:-0}" --gid "${SUDO_GID:-0}" "$bucket" "$folder"
fi
