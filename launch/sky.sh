#!/usr/bin/env bash
# A TPU slice or one GPU node of any cloud through SkyPilot's managed jobs:   launch/sky.sh up|logs|down [--dry-run]
# SkyPilot makes a new machine when one is taken away and runs skypilot.yaml on it again.
# shellcheck source=launch/lib.sh
. "$(dirname "$0")/lib.sh"

up() {
  upload
  run sky jobs launch --yes --detach-run --name "$RUN" --gpus "$SKY_ACCELERATOR" \
    --env "RUN=$RUN" --env "BUCKET=$BUCKET" launch/skypilot.yaml
}

logs() {
  run sky jobs logs --name "$RUN" --follow
}

down() {
  run sky jobs cancel --yes --name "$RUN"
}

main "$@"
