#!/usr/bin/env bash
# Runs the fuzzers of clang's build with sanitizers, each for some seconds, two at a time:
#
#   tests/fuzz/run.sh SECONDS [TARGET...]     TARGET: onnx, pth_zip, jpeg, graph...; all of them where none is named
#
# The build is build-check/clang (RESIDUA_FUZZ_BUILD: another one), as tools/check.sh makes it. What a fuzzer has found
# interesting stays in build-check/fuzz/corpus, an input that broke something in build-check/fuzz/broken; the log says so,
# and the fuzzer with that file as its argument repeats it. Ends with how many inputs were tried; exits 1 where one failed.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
[[ ${1:-} =~ ^[0-9]+$ ]] || {
  sed -n '2,9s/^# \{0,1\}//p' "$0"
  exit 2
}
seconds=$1
shift
build=${RESIDUA_FUZZ_BUILD:-build-check/clang}
work=build-check/fuzz
mkdir -p "$work/corpus" "$work/broken" "$work/logs"
python3 -B tests/fuzz/make_seeds.py "$work/seeds"
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
  for folder in "$work"/seeds/*; do targets+=("$(basename "$folder")"); done
fi

# A process may be stopped for a while (other work on the machine), so a slow input is one of two minutes here;
# slow_units are reported from 1 s on. A fuzzer's own limit on memory counts the sanitizers' as well.
fuzz() {
  mkdir -p "$work/corpus/$1"
  ASAN_OPTIONS=quarantine_size_mb=16:allocator_may_return_null=1 UBSAN_OPTIONS=halt_on_error=1:abort_on_error=1 \
    "$build/tests/fuzz/fuzz_$1" -max_total_time="$seconds" -max_len=20000 -timeout=120 -rss_limit_mb=768 -print_final_stats=1 \
    -report_slow_units=1 -artifact_prefix="$work/broken/$1-" "$work/corpus/$1" "$work/seeds/$1" >"$work/logs/$1" 2>&1
}
export -f fuzz
export work build seconds
failed=0
printf '%s\n' "${targets[@]}" | xargs -P 2 -I{} bash -c 'fuzz {} || { echo "fuzz: {} FAILED:"; tail -n 60 "$work/logs/{}"; exit 1; }' || failed=1
for target in "${targets[@]}"; do
  awk -v name="$target" '/number_of_executed_units/ { units = $2 } /peak_rss_mb/ { memory = $2 } /slowest_unit_time_sec/ { slow = $2 }
    END { printf "fuzz: %-12s %10d inputs, slowest %d s, %d MB\n", name, units, slow, memory }' "$work/logs/$target"
done
awk '/number_of_executed_units/ { sum += $2 } END { printf "fuzz: %d inputs in all\n", sum }' $(printf "$work/logs/%s " "${targets[@]}")
exit $failed
