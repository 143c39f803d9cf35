"""What a folder of tests calls, read from its source: so that nothing a client offers can be left out unnoticed."""

import ast


def attributes_called(folder, variable):
    """Names of the methods that the tests of a folder call on a variable."""
    return {
        call.func.attr
        for call in _calls(folder)
        if isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id == variable
    }


def texts_given(folder, functions):
    """The beginnings of all texts that the tests of a folder give to these functions as first argument."""
    given = set()
    for call in _calls(folder):
        if isinstance(call.func, ast.Name) and call.func.id in functions and call.args:
            first = call.args[0]
            if isinstance(first, ast.JoinedStr) and first.values:
                first = first.values[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                given.add(first.value)
    return given


def _calls(folder):
    for path in (*folder.glob("test_*.py"), folder / "conftest.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                yield node
