#!/usr/bin/env bash
# A Cloud TPU slice through queued resources, by gcloud:   launch/tpu.sh up|logs|down [--dry-run]
# `up` stays and watches: a slice that was taken away is deleted and asked for anew, until the run has ended. Started
# again, it watches the slice that is there.
# shellcheck source=launch/lib.sh
. "$(dirname "$0")/lib.sh"

here=(--project "$PROJECT" --zone "$ZONE")

runtime() {
  case "$ACCELERATOR" in
    v5litepod-*) echo v2-alpha-tpuv5-lite ;;
    v5p-*) echo v2-alpha-tpuv5 ;;
    v6e-*) echo v2-alpha-tpuv6e ;;
    *) die "ACCELERATOR is '$ACCELERATOR'; use v5litepod-N, v5p-N or v6e-N" ;;
  esac
}

version=$(runtime)
failures=0

create() {
  run gcloud compute tpus queued-resources create "$RUN" "${here[@]}" --node-id "$RUN" \
    --accelerator-type "$ACCELERATOR" --runtime-version "$version" "$TIER" \
    --metadata "bucket=$BUCKET,run=$RUN" --metadata-from-file startup-script=launch/startup.sh || no_slice
}

no_slice() {
  ((++failures < 5)) || die "$RUN got no slice five times; gcloud has said why"
}

# The state of the queued resource; nothing when there is none.
state() {
  run gcloud compute tpus queued-resources list "${here[@]}" --filter "name~/queuedResources/$RUN\$" \
    --format 'value(state.state)'
}

# The exit code with which the run has ended; fails while it has not.
ended() {
  run gcloud storage cat "$CODE/ended" 2>/dev/null
}

up() {
  local now before='' code
  upload
  while :; do
    now=$(state) || now=UNKNOWN # asking failed: ask again
    [[ $now == "$before" ]] || $dry_run || echo "$(date -u +%FT%TZ) ${now:-none}"
    before=$now
    case "$now" in
      "") create ;;
      ACTIVE) failures=0 ;;
      FAILED | SUSPENDED)
        [[ $now == SUSPENDED ]] || no_slice
        down || true # or the next round finds it gone, or still there
        create
        ;;
    esac
    if code=$(ended); then
      break
    fi
    sleep "${PAUSE:-60}"
  done
  down
  ((${code:-0} == 0)) || die "training ended with exit code $code; the logs are in $CODE"
  $dry_run || echo "done: gs://$BUCKET/runs/$RUN/adapter"
}

logs() {
  run gcloud compute tpus tpu-vm ssh "$RUN" "${here[@]}" --worker=0 --command "tail -n 100 -F /var/log/arabic-r1.log"
}

down() {
  run gcloud compute tpus queued-resources delete "$RUN" "${here[@]}" --force --quiet
}

main "$@"
