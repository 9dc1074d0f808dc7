#!/usr/bin/env bash
# GPU nodes of a SLURM cluster, from its login node:   launch/slurm.sh up|logs|down [--dry-run]
# There is no bucket to mount: SHARED/bucket is a plain folder on the cluster's file system with the same inside, and
# train.sbatch copies the outputs to the bucket.
# shellcheck source=launch/lib.sh
. "$(dirname "$0")/lib.sh"

staged=$SHARED/bucket/launch/$RUN

up() {
  stage
  run mkdir -p "$staged"
  run cp -r "$STAGED/." "$staged"
  run env -C "$SHARED" EXTRA=gpu bash "$staged/host.sh" "$RUN" install
  run sbatch --job-name "$RUN" --chdir "$SHARED" --output "$staged/log.txt" --open-mode append \
    --export "ALL,RUN=$RUN,BUCKET=$BUCKET" launch/train.sbatch
}

logs() {
  run tail -n 100 -F "$staged/log.txt"
}

down() {
  run scancel --name "$RUN"
}

main "$@"
