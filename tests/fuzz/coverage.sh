#!/usr/bin/env bash
# How many lines of the importers and of the image code the fuzzers' corpora reach:
#
#   tests/fuzz/coverage.sh [--seeds-only] [--missed]
#
# Builds the fuzzers by clang with coverage into build-check/coverage and gives them the seeds of make_seeds.py and what
# run.sh has kept (--seeds-only: without that). --missed shows the lines that nothing reaches. Exits 1 below 90 percent.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
kept=true
options=()
for argument in "$@"; do
  case $argument in
    --seeds-only) kept=false ;;
    --missed) options+=(--missed) ;;
    *)
      sed -n '2,7s/^# \{0,1\}//p' "$0"
      exit 2
      ;;
  esac
done
least=90
build=build-check/coverage
work=build-check/fuzz
targets=(onnx safetensors pth_zip pth_legacy pickle packed text npy jpeg png webp)
newest_of() { command -v "$1" || command -v "$2"; }
if [ ! -e "$build/build.ninja" ]; then
  CC="$(newest_of clang-14 clang)" CXX="$(newest_of clang++-14 clang++)" meson setup "$build" -Db_sanitize=address,undefined \
    -Db_lundef=false -Db_ndebug=false -Ddebug=false -Doptimization=1 -Dbench=disabled \
    -Dcpp_args='-fno-sanitize-recover=all -fprofile-instr-generate -fcoverage-mapping' \
    -Dcpp_link_args=-fprofile-instr-generate >/dev/null
fi
ninja -C "$build" "${targets[@]/#/tests/fuzz/fuzz_}"
rm -rf "$work/seeds" "$work/profiles"
python3 -B tests/fuzz/make_seeds.py "$work/seeds"
mkdir -p "$work/profiles"
for target in "${targets[@]}"; do
  folders=("$work/seeds/$target")
  if $kept && [ -d "$work/corpus/$target" ]; then folders+=("$work/corpus/$target"); fi
  LLVM_PROFILE_FILE=$work/profiles/$target.profraw ASAN_OPTIONS=allocator_may_return_null=1 \
    "$build/tests/fuzz/fuzz_$target" -runs=0 -max_len=20000 "${folders[@]}" >"$work/logs-coverage" 2>&1 || {
    tail -n 20 "$work/logs-coverage"
    exit 1
  }
done
"$(newest_of llvm-profdata-14 llvm-profdata)" merge -sparse "$work"/profiles/*.profraw -o "$work/profiles/all"
objects=()
for target in "${targets[@]:1}"; do objects+=(-object "$build/tests/fuzz/fuzz_$target"); done
# The same function of another fuzzer's build of one file is left out of the counts, with a warning.
"$(newest_of llvm-cov-14 llvm-cov)" export --format=lcov "$build/tests/fuzz/fuzz_${targets[0]}" "${objects[@]}" \
  -instr-profile "$work/profiles/all" 2>"$work/logs-coverage" | python3 -B tests/fuzz/coverage_report.py . "$least" "${options[@]}"
