#!/usr/bin/env bash
# The long forms of the tests in this folder, an hour or two in all, and those that need root or a quiet machine:
#
#   tests/soak/run.sh [BUILD FOLDER=build]
#
#   shared_models_test     16 threads x 1000 runs on shared models, with loading and unloading beside
#   memory_test            10,000 times load, run and unload; 1,000,000 runs; malicious files; many shapes
#   fork_test              1000 forks of a process that runs, loads and plans
#   host_test              idle for 10 seconds
#   unload_test            2000 times dlopen, use, dlclose
#   allocation_failures    every N
#   callers                four callers against one, in turns, through residua_run and with contexts
#   quota.sh               half a CPU, one, one and a half
#   race.sh                a ThreadSanitizer build
#   python_speed.py        the Python package beside the tool, where tests/python/wheel_test.sh build-wheel has built it
#
# Goes on after a failure; ends with the number of failures, and exits 1 where there are any.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=$(cd "${1:-$root/build}" && pwd)
export RESIDUA_SOAK=1 RESIDUA_SOURCE_ROOT=$root
model=$root/models/resnet20-cifar10.safetensors
onednn=$(ldd "$build/engine/libresidua.so" | awk '/libdnnl/ {print $3}')

failures=0
run() {
  echo "soak: $*"
  "$@"
  local status=$?
  if [ $status -eq 77 ]; then
    echo "soak: left out"
  elif [ $status -ne 0 ]; then
    echo "soak: FAILED with status $status"
    failures=$((failures + 1))
  fi
}
run "$build/tests/soak/shared_models_test"
run "$build/tests/soak/memory_test"
run "$build/tests/soak/fork_test"
run "$build/tests/soak/host_test"
run "$build/tests/soak/unload_test" "$build/engine/libresidua.so" "$model" "$onednn"
run "$build/tests/soak/allocation_failures"
run "$build/tests/soak/callers" "$model"
run "$build/tests/soak/callers" resnet18
run "$root/tests/soak/quota.sh" "$build/tools/residua"
run "$root/tests/soak/race.sh"
python=$root/build-wheel/python-environment/bin/python
if [ -x "$python" ]; then
  run "$python" "$root/tests/soak/python_speed.py" "$build/tools/residua" "$model"
  run "$python" "$root/tests/soak/python_speed.py" "$build/tools/residua" resnet18
fi
echo "soak: $failures failures"
[ $failures -eq 0 ]
