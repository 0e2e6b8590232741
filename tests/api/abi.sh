#!/usr/bin/env bash
# Programs that were built against an earlier residua.h must go on working: functions, fields at the end of structs that
# start with their size, and names in enumerations may be added; nothing else may change. Compares a library (built with
# -g) with the recorded interface, residua.abi.
#
#   abi.sh check LIBRARY     fails when anything but such additions happened
#   abi.sh record LIBRARY    writes residua.abi anew: at a release, or, with a new soname, where a break is meant
set -euo pipefail
folder=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
baseline=$folder/residua.abi
library=${2:?abi.sh check|record LIBRARY}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

abidw --exported-interfaces-only --headers-dir "$folder/../../engine/include" --drop-private-types --no-show-locs \
  --no-comp-dir-path --no-corpus-path --no-elf-needed "$library" >"$scratch/library.abi"

# compare BASELINE
compare() {
  python3 -B "$folder/trim_additions.py" "$1" "$scratch/library.abi" >"$scratch/trimmed.abi"
  abidiff --harmless --no-added-syms "$1" "$scratch/trimmed.abi"
}

# expect ok|refused SED_SCRIPT: what the comparison says when the recorded interface had been another.
expect() {
  local found=refused
  sed "$2" "$baseline" >"$scratch/changed.abi"
  if cmp -s "$scratch/changed.abi" "$baseline"; then found='without effect'; fi
  if compare "$scratch/changed.abi" >"$scratch/log"; then found=ok; fi
  if [ "$found" != "$1" ]; then
    cat "$scratch/log" >&2
    echo "abi.sh: '$2' was $found: $1 expected" >&2
    exit 1
  fi
}

case $1 in
  record) mv "$scratch/library.abi" "$baseline" ;;
  check)
    compare "$baseline" || {
      echo "abi.sh: the interface changed in ways that break programs (above)" >&2
      exit 1
    }
    # That it sees what it is for: a function, a name or a field gone; a number or a place changed ...
    input="/class-decl name='residua_input'/,/<.class-decl>/"
    expect refused "s/residua_top_k/residua_top_q/g"
    expect refused "s/name='RESIDUA_IO' value='2'/name='RESIDUA_IO' value='99'/"
    expect refused "s/name='RESIDUA_IO' value='2'/name='RESIDUA_DISK' value='2'/"
    expect refused "/class-decl name='residua_error'/,/<.class-decl>/ s/offset-in-bits='32'/offset-in-bits='64'/"
    expect refused "$input s/offset-in-bits='128'/offset-in-bits='192'/"
    expect refused "$input s/name='data'/name='pixels'/"
    # ... and lets pass what may be added.
    expect ok "/name='RESIDUA_INTERNAL'/d"
    expect ok "/function-decl name='residua_cpu_budget'/,/<.function-decl>/d; /elf-symbol name='residua_cpu_budget'/d"
    expect ok "$input { s/size-in-bits='[0-9]*'/size-in-bits='192'/; /offset-in-bits='\(192\|[2-9][0-9][0-9]\)'/,/<.data-member>/d }"
    ;;
  *)
    echo "abi.sh: check or record expected" >&2
    exit 2
    ;;
esac
