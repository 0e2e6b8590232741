#!/usr/bin/env bash
# The Python packages that tests/oracle/ compares with, into .scratch/oracle. Nothing of them is built or shipped.
#
#   tests/oracle/setup.sh            numpy onnx safetensors pillow onnxruntime
#   tests/oracle/setup.sh --torch    and torch (CPU) torchvision timm, for exporters.py
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
environment=$root/.scratch/oracle
packages=(numpy onnx safetensors pillow onnxruntime)
case ${1:-} in
  '') ;;
  --torch) packages+=(torch torchvision timm onnxscript) ;;
  *)
    echo "usage: tests/oracle/setup.sh [--torch]" >&2
    exit 2
    ;;
esac
if [ ! -x "$environment/bin/python" ]; then
  echo "oracle: making .scratch/oracle"
  python3 -m venv "$environment" || {
    echo "oracle: python3 -m venv does not work here (Debian and Ubuntu: apt-get install python3-venv)" >&2
    exit 1
  }
fi
mapfile -t missing < <("$environment/bin/python" - "${packages[@]}" <<'PYTHON'
import importlib.metadata, sys
for name in sys.argv[1:]:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        print(name)
PYTHON
)
if [ ${#missing[@]} -gt 0 ]; then
  echo "oracle: installing ${missing[*]}"
  # The CPU build of torch is a tenth of the other; where its index is out of reach, any build will do.
  case " ${missing[*]} " in *' torch '*)
    "$environment/bin/python" -m pip install --quiet torch torchvision --index-url https://download.pytorch.org/whl/cpu ||
      echo "oracle: the CPU build of torch is out of reach; taking PyPI's"
    ;;
  esac
  "$environment/bin/python" -m pip install --quiet "${missing[@]}"
fi
