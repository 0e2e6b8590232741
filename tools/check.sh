#!/usr/bin/env bash
# Everything that must hold before a change lands, from nothing, on a bare Debian 12, Debian 13 or Ubuntu 24.04:
#
#   tools/check.sh           gcc and clang builds (clang's with sanitizers), all tests, the installed library and its
#                            examples, the Python package, old CPUs, formatting, clang-tidy, cppcheck, quickstart
#   tools/check.sh --quick   the gcc build and its tests
#
# Ends with one line, "N passed, N failed", and exits 1 when anything failed. Builds lie in build/, build-check/
# and build-wheel/.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
jobs=$(nproc)

quick=false
for argument in "$@"; do
  case $argument in
    --quick) quick=true ;;
    -h | --help)
      sed -n '2,9s/^# \{0,1\}//p' "$0"
      exit 0
      ;;
    *)
      echo "check: unknown argument '$argument' (there is --quick)" >&2
      exit 2
      ;;
  esac
done

passed=0
failed=0

# stage NAME COMMAND...: runs a command that is one check; its output is shown when it fails.
stage() {
  local name=$1 start=$SECONDS
  shift
  mkdir -p build-check
  if "$@" >build-check/stage.log 2>&1 </dev/null; then
    passed=$((passed + 1))
    printf 'check: %-34s ok      %4d s\n' "$name" $((SECONDS - start))
    return 0
  fi
  failed=$((failed + 1))
  cat build-check/stage.log
  printf 'check: %-34s FAILED  %4d s\n' "$name" $((SECONDS - start))
  return 1
}

# tests NAME FOLDER: runs the tests of a build; every test case counts.
tests() {
  local name=$1 folder=$2 start=$SECONDS counts status=0
  meson test -C "$folder" --no-rebuild --print-errorlogs --num-processes "$jobs" >build-check/stage.log 2>&1 || status=$?
  counts=$(python3 tools/count_tests.py "$folder/meson-logs/testlog.json") || counts='0 1'
  passed=$((passed + ${counts% *}))
  failed=$((failed + ${counts#* }))
  if [ $status -ne 0 ] && [ "${counts#* }" -eq 0 ]; then failed=$((failed + 1)); fi
  if [ $status -eq 0 ]; then
    printf 'check: %-34s ok      %4d s  %d cases\n' "$name" $((SECONDS - start)) "${counts% *}"
    return 0
  fi
  cat build-check/stage.log
  printf 'check: %-34s FAILED  %4d s  %d of %d cases\n' "$name" $((SECONDS - start)) "${counts#* }" $((${counts% *} + ${counts#* }))
  return 1
}

# build FOLDER [MESON OPTION...]: configures when that has not been done, then builds everything.
build() {
  local folder=$1
  shift
  if [ ! -e "$folder/build.ninja" ]; then meson setup "$folder" "$@"; fi
  ninja -C "$folder"
}

# The distribution's clang: 14 by name where there is one, so that its warnings are everyone's.
newest_of() {
  local name
  for name in "$@"; do
    if command -v "$name" >/dev/null; then
      echo "$name"
      return
    fi
  done
  echo "$1"
}

# The build by clang and the one with sanitizers are one: clang's sanitizers compile in two thirds of gcc's time. It looks
# for mistakes, not speed: a light optimisation level halves its compile time. (Kernels keep theirs.) -g1: lines in
# reports, without the rest of the debug information. -fno-sanitize-recover: the first finding ends a test; that the code
# need not go on after it spares the optimiser half of its work on the kernels.
clang_build() {
  CC="$(cached "$(newest_of clang-14 clang)")" CXX="$(cached "$(newest_of clang++-14 clang++)")" build build-check/clang \
    -Db_sanitize=address,undefined -Db_lundef=false -Db_ndebug=false -Ddebug=false \
    -Dcpp_args='-g1 -fno-sanitize-recover=all' -Doptimization=1 -Dbench=disabled
}
export UBSAN_OPTIONS=halt_on_error=1:abort_on_error=1:print_summary=1

# The wheel's build compiles the library as the gcc build does: from ccache, where that is. (meson finds it by itself for
# the default compiler.) Paths are relative in its eyes, so that another checkout finds the same.
export CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=1
cached() { if command -v ccache >/dev/null; then echo "ccache $1"; else echo "$1"; fi; }

sources() { git -c safe.directory='*' ls-files -- '*.cpp' '*.h' '*.hpp' '*.c'; }

formatting() {
  local clang_format
  clang_format=$(newest_of clang-format-14 .deps/clang-format/clang-format)
  sources | xargs -r -d '\n' "$clang_format" --dry-run -Werror
}

# Over the files of the clang build, whose flags clang-tidy understands.
tidy() {
  git -c safe.directory='*' ls-files -- 'graph/*.cpp' 'kernels/*.cpp' 'engine/*.cpp' 'tools/*.cpp' |
    xargs -r -d '\n' tools/tidy.py --clang-tidy .deps/clang-tidy/bin/clang-tidy --build build-check/clang
}

# Over our own files alone, each as it stands: what their headers come to is the compilers' and clang-tidy's.
# tools/cppcheck.txt says what is not looked for, and why.
cpp_check() {
  cppcheck --quiet -j "$jobs" --std=c++20 --language=c++ --enable=warning,performance,portability --inline-suppr \
    --suppressions-list=tools/cppcheck.txt --error-exitcode=1 -I . -I engine/include graph kernels engine tools
}

# The quickstart from another folder, as a newcomer runs it: a table with ten kinds of things, a cat the likeliest.
quickstart() {
  local output
  output=$(cd / && "$root/tools/quickstart.sh")
  echo "$output"
  grep -q cat <<<"$output"
}

# The Python package in an environment of its own; every test counts.
wheel() {
  local start=$SECONDS good bad status=0
  tests/python/wheel_test.sh build-wheel >build-check/stage.log 2>&1 </dev/null || status=$?
  good=$(sed -n 's/.*\b\([0-9]\+\) passed.* in .*/\1/p' build-check/stage.log)
  bad=$(grep -oE '[0-9]+ (failed|errors?)' build-check/stage.log | awk '{ sum += $1 } END { print sum + 0 }')
  if [ $status -ne 0 ] && [ "$bad" -eq 0 ]; then bad=1; fi
  passed=$((passed + ${good:-0}))
  failed=$((failed + bad))
  if [ $status -eq 0 ]; then
    printf 'check: %-34s ok      %4d s  %d cases\n' "Python package" $((SECONDS - start)) "${good:-0}"
    return 0
  fi
  cat build-check/stage.log
  printf 'check: %-34s FAILED  %4d s\n' "Python package" $((SECONDS - start))
  return 1
}

start=$SECONDS
mkdir -p build-check
echo "check: installing what is missing"
if $quick; then tools/setup.sh; else tools/setup.sh --with-checks; fi

if stage "gcc build" build build; then tests "gcc tests" build || true; fi
if ! $quick; then
  stage "quickstart" quickstart || true
  stage "installed library, examples" tests/install/install_test.sh . build || true
  if wheel; then stage "installed static library, examples" env MESON="$root/.deps/python-build/bin/meson" \
    tests/install/install_test.sh . build-wheel || true; fi
  if stage "clang build (asan, ubsan)" clang_build; then tests "clang tests (asan, ubsan)" build-check/clang || true; fi
  stage "old CPUs, by qemu" tests/old_cpus/run.sh build || true
  stage "fuzzers, 2 s each" tests/fuzz/run.sh 2 || true
  stage "formatting (clang-format 14)" formatting || true
  if [ -e build-check/clang/compile_commands.json ]; then stage "clang-tidy" tidy || true; fi
  stage "cppcheck" cpp_check || true
fi

echo "check: $((SECONDS - start)) s"
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
