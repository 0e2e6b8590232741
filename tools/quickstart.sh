#!/usr/bin/env bash
# From a fresh checkout to "what is in this photo", on a bare Debian 12, Debian 13 or Ubuntu 24.04:
#
#   tools/quickstart.sh                a photo of a cat, with the bundled demonstration model
#   tools/quickstart.sh IMAGE...       your own: files, or folders of them
#
# Installs what is missing (tools/setup.sh), builds into build/, classifies. Quick when all of that is done already.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$root/build

case ${1:-} in -h | --help)
  sed -n '2,7s/^# \{0,1\}//p' "$0"
  exit 0
  ;;
esac

# Notes go to stderr: stdout is the result alone.
say() { echo "quickstart: $*" >&2; }
quietly() {
  if ! "$@" >"$build/quickstart.log" 2>&1; then
    tail -n 40 "$build/quickstart.log" >&2
    say "'$*' failed; all of its output: build/quickstart.log"
    exit 1
  fi
}

"$root/tools/setup.sh" >&2

mkdir -p "$build"
if [ ! -e "$build/build.ninja" ]; then
  say "configuring build/"
  quietly meson setup "$build" "$root"
fi
if [ ! -x "$build/tools/residua" ]; then say "building build/tools/residua (some ten minutes on two cores)"; fi
quietly ninja -C "$build" tools/residua

if [ $# -eq 0 ]; then
  set -- "$root/.deps/photos/chelsea.png"
  if [ ! -e "$1" ]; then
    say "built. There is no photo of ours here: run tools/quickstart.sh YOUR_PHOTO.jpg"
    exit 0
  fi
  say "a photo of a cat, and a small model that knows ten kinds of things:"
else
  say "with the bundled small model, which knows ten kinds of things (airplane, automobile, bird, cat, deer, dog, frog, horse, ship, truck):"
fi
status=0
"$build/tools/residua" classify "$@" || status=$?

cat >&2 <<NEXT

For the 1000 ImageNet classes fetch published weights, or bring a .pth, .safetensors or .onnx file. For instance
  $build/tools/residua pull resnet50
  $build/tools/residua classify --model resnet50 photo.jpg
How fast it is here:  $build/tools/residua bench --model resnet50
NEXT
exit $status
