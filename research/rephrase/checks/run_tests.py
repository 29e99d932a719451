"""Runs inside of the sandbox: a module against the tests of other modules, told as a line of JSON.

It reads from standard input the name of the module's file, those of the files with tests, and a
word that the line of the result begins with.
"""

import ast
import doctest
import functools
import io
import json
import sys
import traceback
import types
import unittest
from contextlib import redirect_stderr, redirect_stdout


def main() -> None:
    """Loads the module, runs the tests, prints the result."""
    job = json.loads(sys.stdin.readline())
    result = {"ran": False, "tests": 0, "failed": 0, "detail": ""}
    sys.argv = [job["module"]]
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        try:
            subject = types.ModuleType("subject")
            sys.modules["subject"] = subject
            run(job["module"], subject.__dict__)
            result["ran"] = True
            for name in job["tests"]:
                test(name, subject.__dict__, result)
        except BaseException as error:
            result["failed"] += 1
            result["detail"] = result["detail"] or explain(error)
    print(f"\n{job['word']}{json.dumps(result)}", flush=True)


def run(name: str, namespace: dict) -> None:
    """Executes a file."""
    with open(name, encoding="utf-8") as file:
        exec(compile(file.read(), name, "exec"), namespace)


def test(name: str, namespace: dict, result: dict) -> None:
    """Runs a file's doctests, its `test_` functions, its TestCases and its top-level assertions
    with the names of the module under test."""
    with open(name, encoding="utf-8") as file:
        tree = ast.parse(file.read())
    names = {"doctest": doctest, **namespace}
    parser, checker = doctest.DocTestParser(), doctest.DocTestRunner(verbose=False)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            text = ast.get_docstring(node) or ""
            if ">>>" in text:
                examples = parser.get_doctest(text, dict(names), name, name, 0)
                said = io.StringIO()
                failed = checker.run(examples, out=said.write).failed
                count(result, len(examples.examples), failed, said.getvalue())
    wanted = (ast.Import, ast.ImportFrom)
    for node in tree.body:
        is_test = isinstance(node, ast.FunctionDef) and node.name.startswith("test")
        is_case = isinstance(node, ast.ClassDef) and "TestCase" in " ".join(
            map(ast.unparse, node.bases)
        )
        if isinstance(node, wanted) or is_test or is_case or isinstance(node, ast.Assert):
            part = ast.Module([node], [])
            if isinstance(node, ast.Assert):
                attempt(result, functools.partial(exec, compile(part, name, "exec"), names))
                continue
            exec(compile(part, name, "exec"), names)
        if is_test and not node.args.args and not node.args.kwonlyargs:
            attempt(result, names[node.name])
        if is_case:
            suite = unittest.defaultTestLoader.loadTestsFromTestCase(names[node.name])
            outcome = unittest.TestResult()
            suite.run(outcome)
            wrong = outcome.failures + outcome.errors
            count(result, outcome.testsRun, len(wrong), wrong[0][1] if wrong else "")


def attempt(result: dict, function) -> None:
    """Counts a call as a test."""
    try:
        function()
    except BaseException as error:
        count(result, 1, 1, explain(error))
    else:
        count(result, 1, 0, "")


def count(result: dict, tests: int, failed: int, detail: str) -> None:
    """Adds to the result."""
    result["tests"] += tests
    result["failed"] += failed
    if failed and not result["detail"]:
        result["detail"] = " ".join(detail.split())[-300:]


def explain(error: BaseException) -> str:
    """An exception in a line."""
    return traceback.format_exception_only(type(error), error)[-1].strip()[:300]


if __name__ == "__main__":
    main()
