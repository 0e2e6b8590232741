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
missed=false
for argument in "$@"; do
  case $argument in
    --seeds-only) kept=false ;;
    --missed) missed=true ;;
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
mapfile -t sources < <(git -c safe.directory='*' ls-files -- 'graph/import/*.cpp' 'graph/import/*.h' 'tools/image/*.cpp' \
  'tools/image/*.h' 'tools/npy.cpp' 'kernels/image/*.cpp' 'kernels/image/*.h' | grep -v packed_file_write)
objects=()
for target in "${targets[@]:1}"; do objects+=(-object "$build/tests/fuzz/fuzz_$target"); done
cover=("$(newest_of llvm-cov-14 llvm-cov)")
common=("$build/tests/fuzz/fuzz_${targets[0]}" "${objects[@]}" -instr-profile "$work/profiles/all")
if $missed; then
  "${cover[@]}" show "${common[@]}" "${sources[@]}" | grep -E '^(/.*:$| +[0-9]+\| +0\|)' || true
fi
"${cover[@]}" export -summary-only "${common[@]}" "${sources[@]}" | python3 -c '
import json, os, sys
report = json.load(sys.stdin)["data"][0]
for each in report["files"]:
    lines = each["summary"]["lines"]
    print("coverage: %5.1f %% of %4d lines  %s" % (lines["percent"], lines["count"], os.path.relpath(each["filename"])))
total = report["totals"]["lines"]
print("coverage: %.1f %% of %d lines of importers and image code" % (total["percent"], total["count"]))
sys.exit(total["percent"] < int(sys.argv[1]))' "$least"
