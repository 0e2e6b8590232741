"""The type stubs say what the extension has."""
import ast
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


def test_a_call_gives_an_array_for_a_name_and_a_dict_for_several():
    stub = ast.parse((importlib.resources.files("residua") / "_residua.pyi").read_text())
    (model,) = [node for node in stub.body if isinstance(node, ast.ClassDef) and node.name == "Model"]
    calls = [node for node in model.body if isinstance(node, ast.FunctionDef) and node.name == "__call__"]
    assert ["dict" in ast.unparse(call.returns) for call in calls] == [False, True]
    assert "[batch, classes]" in ast.get_docstring(calls[0])


def test_everything_public_is_documented():
    for name in residua.__all__:
        assert inspect.getdoc(getattr(residua, name)), name
    for name in dir(residua.Model):
        if not name.startswith("_"):
            assert inspect.getdoc(getattr(residua.Model, name)), name
