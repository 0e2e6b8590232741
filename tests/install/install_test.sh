#!/usr/bin/env bash
# Installs a build into an empty folder, moves that, and builds and runs examples/ against it, outside the source tree:
# by pkg-config, by CMake and by meson. Each must see the cat.
#   install_test.sh SOURCE_ROOT BUILD
set -euo pipefail
source_root=$(realpath "$1")
build=$(realpath "$2")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
fail() {
  echo "install_test: $*" >&2
  exit 1
}

DESTDIR=$scratch/staged "${MESON:-meson}" install -C "$build" --no-rebuild --quiet
prefix=$scratch/residua
prefix_file=$(find "$scratch/staged" -name residua.h)
[ -n "$prefix_file" ] || fail "residua.h was not installed"
mv "$(realpath "$(dirname "$prefix_file")/../..")" "$prefix"
cp -r "$source_root/examples" "$scratch/examples"
cd "$scratch"

# A photo that libpng reads: the first golden image, a cat of 32 x 32 pixels. A library alone comes without a model.
photo=$scratch/cat.png
model=$prefix/share/residua/models/resnet20-cifar10.safetensors
if [ ! -e "$model" ]; then model=$source_root/models/resnet20-cifar10.safetensors; fi
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$source_root/tests/tools python3 - "$source_root/tests/golden/cifar10_first8.bin" "$photo" <<'PYTHON'
import sys
import pictures

_, pixels = pictures.read_cifar(sys.argv[1])[0]
with open(sys.argv[2], "wb") as photo:
    photo.write(pictures.png(32, 32, pixels))
PYTHON

pkg_config_path=$(dirname "$(find "$prefix" -name residua.pc)")
export PKG_CONFIG_PATH=$pkg_config_path
libdir=$(dirname "$pkg_config_path")

see_the_cat() {
  local output
  output=$("$1" "$model" "$photo") || fail "$1 failed"
  grep -q ': class 3, cat, ' <<<"$output" || fail "$1 saw no cat: $output"
  # Nothing of the build or of the source tree may be needed: only what lies under the prefix, and the system.
  ! ldd "$1" | grep -E "$source_root|not found" || fail "$1 is tied to the source tree or lacks a library"
}

# pkg-config. An executable finds a library outside the system's folders by its run path.
if [ -e "$libdir/libresidua.so" ]; then
  kind=shared
  library_options=(-Wl,-rpath,"$libdir")
  [ -e "$libdir/libresidua.so.0" ] || fail "there is no libresidua.so.0"
  dynamic=$(readelf -d "$libdir/libresidua.so")
  grep -q 'SONAME.*\[libresidua.so.0\]' <<<"$dynamic" || fail "the soname is not libresidua.so.0"
  [ ! -e "$libdir/libresidua.a" ] || fail "both kinds of library are installed"
else
  kind=static
  library_options=()
  [ -e "$libdir/libresidua.a" ] || fail "no library is installed"
fi
read -r -a flags <<<"$(pkg-config --cflags --libs residua libpng)"
# The header alone, by every compiler that is here and as the oldest languages it is for.
echo '#include <residua/residua.h>' >header.c
read -r -a header_flags <<<"$(pkg-config --cflags residua)"
for compiler in gcc clang clang-14; do
  if ! command -v $compiler >/dev/null; then continue; fi
  for language in 'c -std=c99' 'c++ -std=c++11'; do
    # shellcheck disable=SC2086  # two words
    $compiler -x $language -Wall -Wextra -Wpedantic -Wconversion -Werror -fsyntax-only header.c "${header_flags[@]}" ||
      fail "$compiler does not take the header as $language"
  done
done

read -r -a static_flags <<<"$(pkg-config --static --cflags --libs residua libpng)"
for standard in c99 c11; do
  cc -std=$standard -Wall -Wextra -Werror examples/classify.c -o by_pkg_config_$standard "${flags[@]}" "${library_options[@]}"
  see_the_cat ./by_pkg_config_$standard
done
cc -std=c99 examples/classify.c -o by_static_pkg_config "${static_flags[@]}" "${library_options[@]}"
see_the_cat ./by_static_pkg_config
c++ -std=c++20 -Wall -Wextra -Werror examples/classify.cpp -o by_pkg_config_cpp "${flags[@]}" "${library_options[@]}"
see_the_cat ./by_pkg_config_cpp

# CMake, without its package registry or anything else of this machine's.
cmake -S examples -B by_cmake -DCMAKE_PREFIX_PATH="$prefix" >cmake.log || { cat cmake.log; fail "cmake failed"; }
cmake --build by_cmake >cmake.log || { cat cmake.log; fail "the cmake build failed"; }
see_the_cat by_cmake/classify_c
see_the_cat by_cmake/classify_cpp
sed 's/residua 0.1/residua 9.0/' examples/CMakeLists.txt >examples/CMakeLists.new && mv examples/CMakeLists.new examples/CMakeLists.txt
if cmake -S examples -B by_newer_cmake -DCMAKE_PREFIX_PATH="$prefix" >cmake.log 2>&1; then
  fail "find_package(residua 9.0) was content with this version"
fi

# meson
"${MESON:-meson}" setup by_meson examples >meson.log || { cat meson.log; fail "meson setup failed"; }
"${MESON:-meson}" compile -C by_meson >meson.log || { cat meson.log; fail "the meson build failed"; }
see_the_cat by_meson/classify_c
see_the_cat by_meson/classify_cpp

# The installed tool, if there is one, finds the library and its demonstration model by itself.
if [ -e "$prefix/bin/residua" ]; then
  answer=$("$prefix/bin/residua" classify "$photo")
  grep -q cat <<<"$answer" || fail "the installed tool saw no cat"
  ! ldd "$prefix/bin/residua" | grep -E "$source_root|not found" || fail "the tool is tied to the source tree"
fi
echo "install_test: $kind library: built by pkg-config, CMake and meson, and run"
