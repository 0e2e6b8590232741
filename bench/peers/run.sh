#!/usr/bin/env bash
# Residua beside other engines, in turns, in one run; installs them into .scratch/peers first. Hours are not needed, but
# a quiet machine is.
#
#   bench/peers/run.sh [OPTION...]          the comparison; --quick for a short look, --help for every option
#   bench/peers/run.sh photos [OPTION...]   `residua classify` beside Pillow and OpenVINO, from photo files on
#
# Results: docs/benchmarks/MACHINE.{json,md,svg}. An engine that can't be installed is named and left out.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$here/../..
install() { "$root/tools/python_environment.sh" "$@" >&2; }

program=compare
if [ "${1:-}" = photos ]; then
  program=photos
  shift
fi
install peers numpy onnx safetensors pillow
for engine in onnxruntime openvino ncnn torch; do
  install peers $engine || echo "peers: $engine could not be installed; it is left out" >&2
done
# pnnx asks for PyTorch, which its program does without.
install --no-deps peers pnnx || echo "peers: pnnx could not be installed; ncnn is left out" >&2
exec "$root/.scratch/peers/bin/python" -B "$here/$program.py" "$@"
