#!/bin/sh
# The shared library gives its users the functions of residua.h and nothing else.
#   exported_symbols.sh LIBRARY HEADER
set -eu
library=$1
header=$2

exported=$(nm -D --defined-only "$library" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | LC_ALL=C sort -u)
declared=$(tr '\n' ' ' < "$header" | grep -o 'RESIDUA_API [^;(]*(' | grep -o 'residua_[a-z0-9_]*($' | tr -d '(' |
  LC_ALL=C sort -u)

[ -n "$declared" ] || { echo "no declaration found in $header" >&2; exit 1; }
if [ "$exported" != "$declared" ]; then
  echo "exported by $library:" >&2
  echo "$exported" >&2
  echo "declared in $header:" >&2
  echo "$declared" >&2
  exit 1
fi
echo "$declared"
