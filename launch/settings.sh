# shellcheck shell=bash disable=SC2034
# What all ways of launching share. Edit it here, or set a name in the environment for one command.
: "${RUN:=r1}"                                # a-z, 0-9 and -; outputs go to gs://BUCKET/runs/RUN
: "${CONFIG:=configs/run/r1-v5p-16.toml}"     # the settings of `arabic-r1 train`, the same in every way
: "${BUCKET:=my-bucket}"                      # made as launch/README.md says: with folders that can be renamed

# Google Cloud: tpu.sh, xpk.sh
: "${PROJECT:=my-project}"
: "${ZONE:=us-east5-a}"
: "${ACCELERATOR:=v5p-16}"                    # v5p counts two cores a chip, v5litepod and v6e count chips
: "${TIER:=--spot}"                           # or --reserved, --guaranteed
: "${CLUSTER:=my-cluster}"                    # xpk.sh: made by `xpk cluster create`

# SkyPilot: sky.sh
: "${SKY_ACCELERATOR:=tpu-v5p-16}"            # or H200:8

# SLURM: slurm.sh; nodes, GPUs and time stand in train.sbatch
: "${SHARED:=$HOME/arabic-r1}"                # a folder that every node sees
