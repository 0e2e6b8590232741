#!/usr/bin/env bash
# Many threads on shared models in a build with ThreadSanitizer (gcc's or clang's): no data race.
#
#   tests/soak/race.sh [BUILD FOLDER=build-check/race]
#
# There is nothing to suppress. Helpers, queues and locks are pthread's and the standard library's, which the sanitizer
# sees. oneDNN is prebuilt, so what it reads and writes is not seen, and it hands nothing from one thread to another: it
# runs on the calling thread alone. libgomp only keeps a number a thread; no parallel region of its is ever entered, whose
# barriers the sanitizer would not know.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
folder=${1:-build-check/race}
if [ ! -e "$folder/build.ninja" ]; then
  meson setup "$folder" -Db_sanitize=thread -Db_lundef=false -Ddebug=false -Dcpp_args=-g1 -Doptimization=1 \
    -Dwerror=false -Dbench=disabled
fi
ninja -C "$folder" tests/soak/shared_models_test
export TSAN_OPTIONS="halt_on_error=1 second_deadlock_stack=1${TSAN_OPTIONS:+ $TSAN_OPTIONS}" RESIDUA_SOURCE_ROOT=$root
"$folder/tests/soak/shared_models_test"
