"""The type stubs say what the extension has."""
import importlib.resources
import inspect

import residua
from residua import _residua


def test_stubs_and_marker_are_installed():
    package = importlib.resources.files("residua")
    assert (package / "py.typed").is_file()
    stub = (package / "_residua.pyi").read_text()
    for name in dir(_residua):
        if not name.startswith("_"):
            assert f"class {name}:" in stub or f"def {name}(" in stub, name
    for name in dir(residua.Model):
        if not name.startswith("_"):
            assert f"def {name}(self" in stub, name


def test_everything_public_is_documented():
    for name in residua.__all__:
        assert inspect.getdoc(getattr(residua, name)), name
    for name in dir(residua.Model):
        if not name.startswith("_"):
            assert inspect.getdoc(getattr(residua.Model, name)), name
