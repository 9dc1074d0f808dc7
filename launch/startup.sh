#!/usr/bin/env bash
# Runs as root on every host of a TPU slice, at every boot (tpu.sh hands it over as the startup script): mounts the
# bucket and trains. When the run has ended for good, launch/RUN/ended in the bucket holds the exit code.
set -uo pipefail
export HOME="${HOME:-/root}"
work=${WORK:-/opt/arabic-r1} log=${LOG:-/var/log/arabic-r1.log}

attribute() {
  curl -fsS -H 'Metadata-Flavor: Google' "http://metadata.google.internal/computeMetadata/v1/instance/attributes/$1"
}

bucket=$(attribute bucket) run=$(attribute run)
exec >>"$log" 2>&1
mkdir -p "$work"
cd "$work" || exit 1
gcloud storage cp "gs://$bucket/launch/$run/mount.sh" mount.sh
bash mount.sh "$bucket" bucket || exit 1

code=0
# Signals are for this shell too when the machine goes down; it lives until host.sh has passed them on.
trap 'kill -TERM "$child"' TERM
bash "bucket/launch/$run/host.sh" "$run" &
child=$!
wait "$child" || code=$?
while kill -0 "$child" 2>/dev/null; do
  code=0
  wait "$child" || code=$?
done

((code == 143)) && exit 143 # taken away: tpu.sh makes a new slice, which goes on
cp "$log" "bucket/launch/$run/log-$HOSTNAME.txt"
# Hosts without the manifest may be done before the one that writes it.
if ((code != 0)) || [[ -f bucket/runs/$run/manifest.json ]]; then
  echo "$code" >"bucket/launch/$run/ended"
fi
