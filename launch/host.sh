#!/usr/bin/env bash
# What every host does, in a folder that holds `bucket`: install the staged package into `env`, then train, going on
# from the last checkpoint if there is one.
#
#     host.sh RUN [install|train]      both unless one is named
#
# Exit code: 0 the run is whole, 143 the host was told to stop, another one the training's own: the command was wrong
# (2), or it failed five times in a row within half an hour each. A host whose peer is lost fails, and meets it again.
set -uo pipefail
run=$1
staged=bucket/launch/$run
export PATH="$HOME/.local/bin:$PATH"
child='' stopped=false

install() {
  command -v uv >/dev/null || curl -LsSf https://astral.sh/uv/install.sh | sh || return
  local part=tpu wheels=("$staged"/*.whl)
  [[ -e /dev/nvidiactl ]] && part=gpu
  [[ -x env/bin/python ]] || uv venv --quiet --python 3.11 env || return
  uv pip install --quiet --python env/bin/python --constraint "$staged/constraints.txt" \
    "arabic_r1_jax[${EXTRA:-$part}] @ file://$PWD/${wheels[0]}"
}

stop() {
  stopped=true
  [[ -z $child ]] || kill -TERM "$child" 2>/dev/null
}

# Wait for a background process, also when a signal comes in between.
await() {
  local code
  child=$1
  ! $stopped || stop # it came before the process had a name
  wait "$child"
  code=$?
  while kill -0 "$child" 2>/dev/null; do
    wait "$child"
    code=$?
  done
  child=''
  return "$code"
}

train() {
  local attempt=0 began code
  trap stop TERM INT
  until $stopped; do
    began=$SECONDS
    env/bin/arabic-r1 train --config "$staged/run.toml" --out "bucket/runs/$run" --resume &
    await $!
    code=$?
    $stopped && break
    ((code == 0 || code == 2)) && return "$code"
    ((code == 75 || SECONDS - began > 1800)) && attempt=0 # 75: another host was told to stop, and all have saved
    ((++attempt == 5)) && return "$code"
    echo "training ended with exit code $code; going on from the last checkpoint (short attempts: $attempt of 5)"
    sleep "${PAUSE:-30}" &
    await $!
  done
  return 143
}

case "${2:-both}" in
  install) install ;;
  train) train ;;
  *) install && train ;;
esac
