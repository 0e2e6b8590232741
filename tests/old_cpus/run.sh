#!/usr/bin/env bash
# The tool and the tests' core on CPUs that this machine is not, as qemu-user plays them: one without AVX, and one with AVX2
# and no more.
#
#   tests/old_cpus/run.sh [BUILD]     BUILD: build
#
# Each must choose the kernels of its own instruction set, give the answers of this machine's CPU, and pass a test of every kind
# of layer. An instruction that the CPU does not know ends a process with SIGILL.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
build=${1:-build}
qemu=$(command -v qemu-x86_64 || command -v qemu-x86_64-static) || {
  echo "old CPUs: there is no qemu-x86_64: tools/setup.sh --with-checks installs it" >&2
  exit 2
}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=0

# check NAME COMMAND...: one line, and what the command said where it failed.
check() {
  local name=$1 start=$SECONDS
  shift
  if "$@" >"$scratch/log" 2>&1; then
    printf 'old CPUs: %-44s ok      %3d s\n' "$name" $((SECONDS - start))
  else
    failed=1
    tail -n 30 "$scratch/log"
    printf 'old CPUs: %-44s FAILED  %3d s\n' "$name" $((SECONDS - start))
  fi
}

# Whether qemu is as strict as the CPU it plays.
knows_no() {
  local status=0
  echo 'int main(void) { __asm__("'"$2"'"); return 0; }' | ${CC:-cc} -x c - -o "$scratch/instruction"
  "$qemu" -cpu "$1" "$scratch/instruction" || status=$?
  [ $status -eq $((128 + 4)) ]
}

chooses() { grep -qx "instruction set in use: $2" <<<"$("$qemu" -cpu "$1" "$build/tools/residua" --version)"; }

photo=tests/golden/image/files/rgb.jpg
classify() { "$@" "$build/tools/residua" classify --json --threads 2 "$photo"; }

# Floating-point sums of another order end in other last digits: the classes and three digits are compared.
answers() {
  python3 - <(classify env) <(classify "$qemu" -cpu "$1") <<'PYTHON'
import json, sys
here, there = ([(each["label"], each["probability"]) for each in json.load(open(path))["top"]] for path in sys.argv[1:])
same = len(here) == len(there) and all(a[0] == b[0] and abs(a[1] - b[1]) < 1e-3 for a, b in zip(here, there))
sys.exit(0 if same else f"{here}\n{there}")
PYTHON
}

# Heavy cases are left to the CPU itself: an emulated one is a hundred times slower. (oneDNN asks for SSE4.1: nothing
# older can be played.)
tests_of() { "$qemu" -cpu "$1" "$build/tests/$2" --test-case="$3"; }

check "Nehalem: knows no AVX" knows_no Nehalem 'vxorps %ymm0, %ymm0, %ymm0'
check "Haswell: knows no AVX-512" knows_no Haswell 'vpxord %zmm0, %zmm0, %zmm0'
for cpu in Nehalem:sse2 Haswell:avx2; do
  name=${cpu%:*}
  check "$name: chooses ${cpu#*:}" chooses "$name" "${cpu#*:}"
  check "$name: classifies a photo alike" answers "$name"
  check "$name: every kind of layer" tests_of "$name" engine/test_engine "numbers: denormal*"
done
exit $failed
