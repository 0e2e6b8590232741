#!/usr/bin/env bash
# Installs what building Residua needs on Debian 12, Debian 13 and Ubuntu 24.04, and only what is missing.
#
#   tools/setup.sh                 compiler, build tools, libraries, oneDNN, and a photo to try it on
#   tools/setup.sh --with-checks   and what tools/check.sh runs: clang, clang-tidy, clang-format, cppcheck, qemu-user, cmake,
#                                  abidiff, ccache, and what builds and tests the Python package
#
# Distribution packages come from apt (through sudo when that is needed). oneDNN comes from the distribution where its
# version will do, else as a pinned PyPI package into .deps/, which is a folder of this checkout and nothing else's.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
deps=$root/.deps
onednn_minimum=3.2

# "a|b": any of them will do, the first one that apt offers is installed.
packages=(g++ meson ninja-build 'pkgconf|pkg-config' libprotozero-dev nlohmann-json3-dev libzip-dev nettle-dev
  'libjpeg-dev|libjpeg62-turbo-dev|libjpeg-turbo8-dev' libpng-dev libwebp-dev libcli11-dev libxsimd-dev doctest-dev
  libbenchmark-dev 'libcurl4-openssl-dev|libcurl4-gnutls-dev' ca-certificates libfreetype-dev)
check_packages=(git python3 python3-dev python3-venv binutils cmake abigail-tools ccache strace cppcheck qemu-user
  'clang-14|clang' 'libclang-rt-14-dev|libclang-rt-dev|clang-14' 'libomp-14-dev|libomp-dev')
pip_packages=(python3 python3-pip ca-certificates)

with_checks=false
for argument in "$@"; do
  case $argument in
    --with-checks) with_checks=true ;;
    -h | --help)
      sed -n '2,9s/^# \{0,1\}//p' "$0"
      exit 0
      ;;
    *)
      echo "setup: unknown argument '$argument' (there is --with-checks)" >&2
      exit 2
      ;;
  esac
done
if $with_checks; then packages+=("${check_packages[@]}"); fi

say() { echo "setup: $*"; }
fail() {
  echo "setup: $*" >&2
  exit 1
}

[ "$(uname -m)" = x86_64 ] || fail "Residua runs on x86-64; this machine is $(uname -m)"

scratch=
cleanup() { if [ -n "$scratch" ]; then rm -rf "$scratch"; fi; }
trap cleanup EXIT
make_scratch() {
  [ -n "$scratch" ] && return
  mkdir -p "$deps"
  scratch=$(mktemp -d "$deps/.setup.XXXXXX")
  mkdir "$scratch/wheels" "$scratch/unpacked"
}

# ---- apt ----------------------------------------------------------------------------------------------------------

have_apt=false
if command -v dpkg-query >/dev/null && command -v apt-get >/dev/null; then have_apt=true; fi

# Fills `missing` with those of the arguments of which no alternative is installed. One call of dpkg-query.
missing=()
find_missing() {
  local installed alternatives name found
  missing=()
  installed=" $(dpkg-query -W -f='${db:Status-Abbrev} ${Package} ' 2>/dev/null | tr -s ' \n' ' ') "
  for alternatives in "$@"; do
    found=false
    for name in ${alternatives//|/ }; do
      case $installed in *" ii $name "*) found=true ;; esac
    done
    $found || missing+=("$alternatives")
  done
}

# The version that apt would install, or nothing.
candidate() { LC_ALL=C apt-cache policy "$1" 2>/dev/null | awk '$1 == "Candidate:" && $2 != "(none)" { print $2 }'; }

as_root=()
become_root() {
  if [ "$(id -u)" -eq 0 ]; then return; fi
  if command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
    as_root=(sudo)
    return
  fi
  fail "missing packages, and this user may not install them. Have an administrator run:
  apt-get install ${missing[*]%%|*}"
}

updated=false
apt_update() {
  if $updated; then return; fi
  become_root
  run_quietly "apt-get update" "${as_root[@]}" apt-get update -q
  updated=true
}

# run_quietly WHAT COMMAND...: shows the command's output only when it fails.
run_quietly() {
  local what=$1 log
  shift
  make_scratch
  log=$scratch/log
  if ! "$@" >"$log" 2>&1 </dev/null; then
    tail -n 30 "$log" >&2
    fail "$what failed (above: the end of its output)"
  fi
}

# Installs what is in `missing`.
apt_install() {
  local alternatives name choice names=()
  [ ${#missing[@]} -gt 0 ] || return 0
  become_root
  apt_update
  for alternatives in "${missing[@]}"; do
    choice=
    for name in ${alternatives//|/ }; do
      if [ -z "$choice" ] && [ -n "$(candidate "$name")" ]; then choice=$name; fi
    done
    [ -n "$choice" ] || fail "apt offers no package ${alternatives//|/ or } (on Ubuntu: is 'universe' enabled?)"
    names+=("$choice")
  done
  say "installing with apt: ${names[*]}"
  run_quietly "apt-get install" "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q \
    --no-install-recommends "${names[@]}"
}

if $have_apt; then
  find_missing "${packages[@]}"
  apt_install
else
  say "no apt here. Please see to it that these are installed (Debian's names): ${packages[*]%%|*}"
fi

# ---- PyPI packages, pinned by hash ---------------------------------------------------------------------------------

# fetch_wheels REQUIREMENT...: downloads into $scratch/wheels. The tags are fixed, so that any Python will do.
fetch_wheels() {
  if $have_apt && ! python3 -m pip --version >/dev/null 2>&1; then
    find_missing "${pip_packages[@]}"
    apt_install
  fi
  make_scratch
  printf '%s\n' "$@" >"$scratch/requirements.txt"
  run_quietly "pip download" python3 -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes \
    --only-binary=:all: --python-version 3.11 --platform manylinux2014_x86_64 --platform manylinux_2_28_x86_64 \
    --dest "$scratch/wheels" --requirement "$scratch/requirements.txt"
}

# unpack NAME: the fetched wheel of that name, into $scratch/unpacked.
unpack() { python3 -m zipfile -e "$scratch/wheels/$1"-*.whl "$scratch/unpacked"; }

onednn_is_there() {
  [ -e "$deps/onednn/lib/libdnnl.so" ] && [ -e "$deps/onednn/include/oneapi/dnnl/dnnl.hpp" ] && return
  $have_apt || return
  local version
  version=$(dpkg-query -W -f='${Version}' libdnnl-dev 2>/dev/null) || return
  dpkg --compare-versions "$version" ge $onednn_minimum
}

if ! onednn_is_there; then
  version=
  if $have_apt; then version=$(candidate libdnnl-dev); fi
  if [ -n "$version" ] && dpkg --compare-versions "$version" ge $onednn_minimum; then
    missing=(libdnnl-dev)
    apt_install
  else
    say "fetching oneDNN 3.2 into .deps/onednn (39 MB; apt offers ${version:-none}, which is below $onednn_minimum)"
    fetch_wheels \
      'onednn-cpu-gomp==2023.2.0 --hash=sha256:2f22a54d6a890ed14bfa185d42a4be65d8b5b1df85dc1f0f3a9abe31620416fb' \
      'onednn-devel-cpu-gomp==2023.2.0 --hash=sha256:9763c69e8c907e119056bd52ad918ca84ac9ba939d130a99dfa95ccca3e5e284'
    unpack onednn_cpu_gomp
    unpack onednn_devel_cpu_gomp
    # Built beside its place, then renamed: an interrupted run leaves nothing that looks whole. The package holds the
    # library three times; it is kept once, under its SONAME.
    tree=$scratch/onednn
    mkdir -p "$tree/lib"
    mv "$scratch"/unpacked/onednn_devel_cpu_gomp-*.data/data/include "$tree/include"
    mv "$scratch"/unpacked/onednn_cpu_gomp-*.data/data/lib/libdnnl.so.3 "$tree/lib/libdnnl.so.3"
    ln -s libdnnl.so.3 "$tree/lib/libdnnl.so"
    mv "$scratch"/unpacked/onednn_cpu_gomp-*.data/data/share/doc/onednn/{LICENSE,THIRD-PARTY-PROGRAMS} "$tree/"
    rm -rf "$deps/onednn"
    mv "$tree" "$deps/onednn"
  fi
fi

if $with_checks && ! command -v clang-format-14 >/dev/null && [ ! -x "$deps/clang-format/clang-format" ]; then
  # Every version of clang-format formats a little differently, so it is always 14.
  say "fetching clang-format 14 into .deps/clang-format (2 MB)"
  fetch_wheels 'clang-format==14.0.6 --hash=sha256:d7c1c5e404c58e55f0170f01b3c5611dce6c119e62b5d1020347e0ad97d5a047'
  unpack clang_format
  mkdir "$scratch/clang-format"
  mv "$scratch/unpacked/clang_format/data/bin/clang-format" "$scratch/clang-format/"
  chmod +x "$scratch/clang-format/clang-format"
  mv "$scratch/clang-format" "$deps/clang-format"
fi

if $with_checks && [ ! -x "$deps/clang-tidy/bin/clang-tidy" ]; then
  # From 22 on its checks leave system headers alone, which took half of the time of Debian 12's 14.
  say "fetching clang-tidy 23 into .deps/clang-tidy (46 MB)"
  fetch_wheels 'clang-tidy==23.1.4 --hash=sha256:6bb31e4f319ecbe14acb75f23c3050d0f1d4b1d92ea1c66091bc76e4eac2c1ac'
  unpack clang_tidy
  # The program finds its own headers in ../lib.
  chmod +x "$scratch/unpacked/clang_tidy/data/bin/clang-tidy"
  rm -rf "$deps/clang-tidy"
  mv "$scratch/unpacked/clang_tidy/data" "$deps/clang-tidy"
fi

# .deps/python-build: a virtual environment that builds the wheel. .deps/python-wheels: what its tests install into theirs.
# The file made of the requirements is there last, so that an interrupted run is done again.
prepare_python() {
  local requirements=$root/tests/python ready=$deps/python-wheels/ready
  if [ -e "$ready" ] && cmp -s "$ready" <(cat "$requirements"/*requirements.txt); then return; fi
  say "fetching what builds and tests the Python package, into .deps/python-build and .deps/python-wheels (45 MB)"
  make_scratch
  rm -rf "$deps/python-build" "$deps/python-wheels"
  run_quietly "python3 -m venv" python3 -m venv "$deps/python-build"
  run_quietly "pip install" "$deps/python-build/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps \
    --only-binary=:all: --requirement "$requirements/build-requirements.txt"
  run_quietly "pip download" "$deps/python-build/bin/python" -m pip download --quiet --disable-pip-version-check \
    --only-binary=:all: --dest "$deps/python-wheels" --requirement "$requirements/requirements.txt"
  cat "$requirements"/*requirements.txt >"$ready"
}
if $with_checks; then prepare_python; fi

fetch_photo() {
  fetch_wheels 'scikit-image==0.22.0 --hash=sha256:c5c378db54e61b491b9edeefff87e49fcf7fdf729bb93c777d7a5f15d36f743e'
  unpack scikit_image
  mkdir -p "$deps/photos"
  mv "$scratch/unpacked/skimage/data/chelsea.png" "$deps/photos/chelsea.png"
}

if [ ! -e "$deps/photos/chelsea.png" ]; then
  # Chelsea the cat, by Stefan van der Walt, CC0; scikit-image's package carries her. Nothing that is built needs her.
  say "fetching a photo of a cat into .deps/photos (from a package of 15 MB)"
  make_scratch
  (fetch_photo) || say "no photo then: give tools/quickstart.sh one of yours"
fi
