#!/usr/bin/env bash
# The Python packages that tests/oracle/ compares with, into .scratch/oracle. Nothing of them is built or shipped.
#
#   tests/oracle/setup.sh            numpy onnx safetensors pillow onnxruntime openvino ncnn selenium
#   tests/oracle/setup.sh --torch    and torch (CPU) torchvision timm onnxscript facenet-pytorch, for exporters.py, networks.py
#                                    and views.py
set -euo pipefail
packages=(numpy onnx safetensors pillow onnxruntime openvino ncnn selenium)
install="$(dirname "${BASH_SOURCE[0]}")/../../tools/python_environment.sh"
case ${1:-} in
  '') ;;
  --torch) packages+=(torch torchvision timm onnxscript) ;;
  *)
    echo "usage: tests/oracle/setup.sh [--torch]" >&2
    exit 2
    ;;
esac
"$install" oracle "${packages[@]}"
# It asks for old versions of PyTorch; its networks run on new ones.
if [ "${1:-}" = --torch ]; then "$install" --no-deps oracle facenet-pytorch; fi
