#!/usr/bin/env bash
# Under CPU quotas of a cgroup and under an affinity mask: as many threads as promised, and what the default reaches
# beside the best explicit --threads. Needs root and a cgroup (version 1 or 2) that may be written to.
#
#   tests/soak/quota.sh [TOOL=build/tools/residua [MODEL=resnet18 [SECONDS=3]]]
#
# One line a limit; exits 1 when the threads are other than promised or a ratio is below 0.9, 77 where no group can be
# made.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
tool=${1:-$root/build/tools/residua} model=${2:-resnet18} seconds=${3:-3}

if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  group=/sys/fs/cgroup/residua-quota-$$
elif [ -d /sys/fs/cgroup/cpu ]; then
  group=/sys/fs/cgroup/cpu/residua-quota-$$
else
  echo "quota: no cgroups here" >&2
  exit 77
fi
if ! mkdir "$group" 2>/dev/null; then
  echo "quota: $group cannot be made" >&2
  exit 77
fi
trap 'rmdir "$group"' EXIT

# bench THREADS: "threads images_per_second", as a process of the group. 0 leaves the threads to the library.
bench() {
  local options=(--model "$model" --seconds "$seconds" --json)
  [ "$1" -eq 0 ] || options+=(--threads "$1")
  (
    echo "$BASHPID" >"$group/cgroup.procs"
    exec "$tool" bench "${options[@]}"
  ) | python3 -c 'import json, sys; r = json.load(sys.stdin); print(r["threads"], r["images_per_second"])'
}

failed=0
cpus=$(nproc)
for quota in 0.5 1 1.5; do
  promised=$(python3 -c "import math; print(min($cpus, math.ceil($quota)))")
  microseconds=$(python3 -c "print(int($quota * 100000))")
  if [ -e "$group/cpu.max" ]; then
    echo "$microseconds 100000" >"$group/cpu.max"
  else
    echo 100000 >"$group/cpu.cfs_period_us"
    echo "$microseconds" >"$group/cpu.cfs_quota_us"
  fi
  defaults=() explicit=()
  for _ in 1 2 3; do # in turns
    defaults+=("$(bench 0)")
    explicit+=("$(bench "$promised")")
  done
  python3 - "$quota" "$promised" "${defaults[@]}" "${explicit[@]}" <<'PYTHON' || failed=1
import statistics, sys
quota, promised, *runs = sys.argv[1:]
runs = [run.split() for run in runs]
threads = {int(threads) for threads, _ in runs[:3]}
default, explicit = (statistics.median(float(rate) for _, rate in part) for part in (runs[:3], runs[3:]))
print(f"quota {quota}: {sorted(threads)} threads, promised {promised}; {default:.1f} images/s, "
      f"{explicit:.1f} with --threads {promised}: {default / explicit:.3f}")
sys.exit(0 if threads == {int(promised)} and default / explicit >= 0.9 else 1)
PYTHON
done

first=$(taskset -cp $$ | sed 's/.*: //; s/[-,].*//')
threads=$(taskset -c "$first" "$tool" bench --model "$model" --seconds 1 --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["threads"])')
echo "one CPU in the affinity mask: $threads thread"
[ "$threads" -eq 1 ] || failed=1
exit $failed
