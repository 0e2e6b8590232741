#!/usr/bin/env bash
# Builds the wheel, installs it into an empty virtual environment, and runs the tests of the Python package there.
#
#   wheel_test.sh BUILD_FOLDER     where meson builds; BUILD_FOLDER/python-environment and /wheels are made too
#
# A folder right under the source tree compiles with the same relative paths as build/ does: ccache takes it from there.
#
# tools/setup.sh --with-checks has put what this needs from PyPI into .deps/. The same build gives libresidua.a, for
# tests/install/install_test.sh.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
mkdir -p "$1"
build=$(realpath "$1")
tools=$root/.deps/python-build
fail() {
  echo "wheel_test: $*" >&2
  exit 1
}

rm -rf "$build/wheels" "$build/python-environment"
PATH=$tools/bin:$PATH "$tools/bin/python" -m pip wheel "$root" --quiet --disable-pip-version-check --no-deps \
  --no-build-isolation --wheel-dir "$build/wheels" -Cbuild-dir="$build" -Csetup-args=-Dstatic_library=true
wheel=$(echo "$build"/wheels/residua-*.whl)

# The wheel holds what it must, and no more than one program needs.
contents=$(python3 -m zipfile -l "$wheel" | awk 'NR > 1 { print $1 }')
for file in residua/__init__.py "residua/_residua$("$tools/bin/python" -c "import sysconfig; print(sysconfig.get_config_var(\"EXT_SUFFIX\"))")" residua/_residua.pyi residua/py.typed residua/models/resnet20-cifar10.safetensors; do
  grep -qxF "$file" <<<"$contents" || fail "$file is not in the wheel"
done
if grep -vE '^residua(/|-[0-9.]+\.dist-info/)' <<<"$contents"; then fail "the wheel holds files of no use there (above)"; fi

python3 -m venv "$build/python-environment"
python=$build/python-environment/bin/python
"$python" -m pip install --quiet --disable-pip-version-check --no-index --find-links "$root/.deps/python-wheels" \
  --requirement "$root/tests/python/requirements.txt" "$wheel"

# Its oneDNN is the one beside it. ($ORIGIN comes first in the run path; meson-python leaves oneDNN's place in the build
# behind it, which nobody asks.) Here and in the other scripts grep -q reads no pipe: it ends at the first match, and what
# still writes then would die of SIGPIPE, which pipefail reports.
package=$("$python" -c 'import residua, os; print(os.path.dirname(residua.__file__))')
if [ -e "$root/.deps/onednn" ]; then
  libraries=$(ldd "$package"/_residua*.so)
  grep -qF "libdnnl.so.3 => $package/libdnnl.so.3" <<<"$libraries" || fail "oneDNN is not the wheel's own: $libraries"
fi

cd "$build"
PYTHONDONTWRITEBYTECODE=1 "$python" -m pytest -q -p no:cacheprovider -rs "$root/tests/python"
# The example, as the README shows it.
output=$("$python" "$root/examples/classify.py" "$root/models/resnet20-cifar10.safetensors" "$root/.deps/photos/chelsea.png")
echo "$output"
grep -q ': class 3, cat, 9' <<<"$output" || fail "the example saw no cat"
