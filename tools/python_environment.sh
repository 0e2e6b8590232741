#!/usr/bin/env bash
# A Python environment of its own under .scratch, for what compares Residua with other programs. Quick when all is there.
#
#   tools/python_environment.sh NAME PACKAGE...             .scratch/NAME with these packages from PyPI
#   tools/python_environment.sh --no-deps NAME PACKAGE...   without what the packages ask for
set -euo pipefail
options=()
if [ "${1:-}" = --no-deps ]; then
  options+=(--no-deps)
  shift
fi
[ $# -ge 2 ] || { sed -n '2,5s/^# \{0,1\}//p' "$0" >&2 && exit 2; }
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
name=$1
python=$root/.scratch/$name/bin/python
shift
if [ ! -x "$python" ]; then
  echo "$name: making .scratch/$name"
  python3 -m venv "$root/.scratch/$name" || {
    echo "$name: python3 -m venv does not work here (Debian and Ubuntu: apt-get install python3-venv)" >&2
    exit 1
  }
fi
mapfile -t missing < <("$python" - "$@" <<'PYTHON'
import importlib.metadata, sys
for name in sys.argv[1:]:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        print(name)
PYTHON
)
[ ${#missing[@]} -gt 0 ] || exit 0
echo "$name: installing ${missing[*]}"
# The CPU build of torch is a tenth of the other; where its index is out of reach, any build will do.
torch=()
for package in "${missing[@]}"; do
  case $package in torch | torchvision) torch+=("$package") ;; esac
done
if [ ${#torch[@]} -gt 0 ]; then
  "$python" -m pip install --quiet --retries 1 "${torch[@]}" --index-url https://download.pytorch.org/whl/cpu 2>/dev/null ||
    echo "$name: the CPU build of torch is out of reach; taking PyPI's, with 5 GB of CUDA libraries"
fi
"$python" -m pip install --quiet "${options[@]}" "${missing[@]}"
