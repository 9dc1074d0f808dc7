#!/usr/bin/env bash
# A TPU slice of a GKE cluster through XPK:   launch/xpk.sh up|logs|down [--dry-run]
# The JobSet that XPK makes is started again, up to 50 times, when a host is lost; exit codes 1 and 2 end it. The
# cluster must have the bucket attached as storage `arabic-r1` (launch/README.md).
# shellcheck source=launch/lib.sh
. "$(dirname "$0")/lib.sh"

here=(--project "$PROJECT" --zone "$ZONE" --cluster "$CLUSTER")

up() {
  upload
  run xpk workload create "${here[@]}" --workload "$RUN" --tpu-type "$ACCELERATOR" --num-slices 1 --max-restarts 50 \
    --docker-image ghcr.io/astral-sh/uv:python3.11-bookworm-slim --storage arabic-r1 \
    --command "cd /run/arabic-r1 && bash bucket/launch/$RUN/host.sh $RUN"
}

logs() {
  run kubectl logs --follow --tail 100 \
    --selector "jobset.sigs.k8s.io/jobset-name=$RUN,batch.kubernetes.io/job-completion-index=0"
}

down() {
  run xpk workload delete "${here[@]}" --workload "$RUN"
}

main "$@"
