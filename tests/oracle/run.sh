#!/usr/bin/env bash
# Compares the built tool with PyTorch, Pillow, onnxruntime, OpenVINO and ncnn on real weights, photos and hostile files, and sums up.
#
#   tests/oracle/run.sh [SCRIPT...] [-- OPTION...]   all scripts, or the ones named (logits, classify, ...); options: --tool etc.
#
# Needs tests/oracle/setup.sh (with --torch for exporters, networks and views), Debian's chromium and chromium-driver for page,
# and the evaluation data in ../shared/data. Not part of tools/check.sh: it takes minutes, a gigabyte of packages and a gigabyte
# of made models.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python=${ORACLE_PYTHON:-$here/../../.scratch/oracle/bin/python}
[ -x "$python" ] || { echo "oracle: no $python; run tests/oracle/setup.sh" >&2 && exit 2; }

scripts=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
  scripts+=("$1")
  shift
done
[ $# -eq 0 ] || shift
if [ ${#scripts[@]} -eq 0 ]; then
  scripts=(logits classify cifar family heat_maps hostile)
  if command -v chromium >/dev/null && command -v chromedriver >/dev/null && "$python" -c 'import selenium' 2>/dev/null; then
    scripts+=(page)
  else
    echo "oracle: page left out; it needs Debian's chromium and chromium-driver, and selenium from tests/oracle/setup.sh"
  fi
  if "$python" -c 'import torch, torchvision, timm' 2>/dev/null; then
    scripts+=(exporters networks views)
  else
    echo "oracle: exporters, networks and views left out; they need tests/oracle/setup.sh --torch"
  fi
fi

summary=()
status=0
for script in "${scripts[@]}"; do
  echo "== $script"
  if "$python" -B "$here/$script.py" "$@"; then summary+=("$script: good"); else
    summary+=("$script: FAILED")
    status=1
  fi
done
printf '%s\n' "${summary[@]}"
exit $status
