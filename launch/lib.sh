# shellcheck shell=bash
# What tpu.sh, xpk.sh, sky.sh and slurm.sh share. Each defines the functions up, logs and down and calls `main "$@"`:
#
#     launch/WAY.sh up|logs|down [--dry-run]      --dry-run prints the exact commands and runs nothing
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=launch/settings.sh
. launch/settings.sh

STAGED=build/launch
CODE=gs://$BUCKET/launch/$RUN
dry_run=false
exec 3>&1 # where commands are printed, also from within $(...)

die() {
  echo "$0: $*" >&2
  exit 2
}

# Run a command, or print it as the shell would read it.
run() {
  if $dry_run; then
    local line
    line=$(printf ' %q' "$@")
    echo "${line:1}" >&3
  else
    "$@"
  fi
}

# Put into one folder what a host needs: the package, exact versions, the settings, and how to start.
stage() {
  run rm -rf "$STAGED"
  run mkdir -p "$STAGED"
  run uv build --wheel --quiet --out-dir "$STAGED"
  run cp constraints.txt launch/host.sh launch/mount.sh "$STAGED"
  run cp "$CONFIG" "$STAGED/run.toml"
}

# The same in the bucket; marks and logs that an earlier launch left there go.
upload() {
  stage
  run gcloud storage rsync --delete-unmatched-destination-objects "$STAGED" "$CODE"
}

main() {
  [[ $RUN =~ ^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$ ]] || die "RUN is '$RUN'; use a-z, 0-9 and -, at most 40"
  [[ $BUCKET != my-bucket ]] || die "BUCKET is not set; edit launch/settings.sh"
  [[ -f $CONFIG ]] || die "CONFIG: there is no $CONFIG"
  case "${2:-}" in
    "") ;;
    --dry-run) dry_run=true ;;
    *) die "unknown option $2; there is --dry-run" ;;
  esac
  case "${1:-}" in
    up | logs | down) "$1" ;;
    *) die "say what to do: up, logs or down" ;;
  esac
}
