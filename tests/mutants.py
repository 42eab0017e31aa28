"""`make mutants`: each small change of the code must be noticed by a test.

    python -m tests.mutants [--seconds 230] [module ...]

Django and the tests are loaded once, and each test runs once, to learn which lines it reaches and
how long it takes. Then every mutant gets a process of its own: the changed code is put into the
living function, and the tests that reach its line run, the last one that noticed something first,
then the quickest, until one fails, twice. A test that fails there without any change is not used.
What is done already is in .mutants.json; in a module that is named what lived is tried again, and
with patience, unless docs/mutants.md gives a reason for it; a function that changed begins anew.
Only what is inside a function is changed, and no sentence: those have tests of their own.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import json
import os
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import accumulate
from pathlib import Path
from types import CodeType, FunctionType, SimpleNamespace
from typing import Any

import coverage
import pytest
from hypothesis import settings

from tests.run import MEASURED

# What is changed, and the tests that must notice.
PARTS = {
    "snapshots/operations": [path for path in MEASURED if path != "tests/provider/client"],
    "snapshots/provider": ["tests/provider/client"],
}
MODULES = {
    ".".join(path.with_suffix("").parts): tests
    for part, tests in PARTS.items()
    for path in sorted(Path(part).glob("*.py"))
    if path.stem != "__init__"
}
# Every answer in every place, and many people at once, take minutes; narrower tests know the same.
TOO_SLOW = (
    "tests/operations/test_answers.py",
    "tests/operations/test_approval_races.py",
    "tests/operations/test_races.py",
)
RESULTS, REASONS = Path(".mutants.json"), Path("docs/mutants.md")
SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    **{ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt},
    **{ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is},
    **{ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And},
    **{ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult},
    **{ast.Pow: ast.Mult, ast.Break: ast.Continue, ast.Continue: ast.Break},
}
NOT_RUN = "not run yet"
PATIENCE = 15.0  # seconds of tests for a mutant, the first time
NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}
Results = dict[str, dict[str, str]]  # by module and mutant
Mutant = tuple[range, Callable[[], CodeType]]  # the lines, and what compiles the module


def variants(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """What else might stand here, one change each."""
    match node:
        case ast.Compare(ops=[op]) if type(op) in SWAPS:
            yield "comparison", ast.Compare(node.left, [SWAPS[type(op)]()], node.comparators)
        case ast.BoolOp():
            yield "and/or", ast.BoolOp(SWAPS[type(node.op)](), node.values)
        case ast.BinOp() if type(node.op) in SWAPS:
            yield "arithmetic", ast.BinOp(node.left, SWAPS[type(node.op)](), node.right)
        case ast.UnaryOp(op=ast.Not()):
            yield "no not", node.operand
        case ast.Constant(value=bool()):
            yield "constant", ast.Constant(not node.value)
        case ast.Constant(value=int() | float()):
            yield "constant", ast.Constant(node.value + 1)
        case ast.Constant(value=str()) if node.value.isidentifier():
            yield "constant", ast.Constant(node.value + "x")
        case ast.Call(func=ast.Name(id=name)) if name in NAMES:
            yield "call", ast.Call(ast.Name(NAMES[name], ast.Load()), node.args, node.keywords)
        case ast.Return(value=ast.expr()) if not isinstance(node.value, ast.Constant):
            yield "returns nothing", ast.Return(ast.Constant(None))
        case ast.If() | ast.IfExp() | ast.While() if isinstance(
            node.test, ast.Name | ast.Attribute | ast.Call | ast.NamedExpr
        ):
            changed = type(node)(**dict(ast.iter_fields(node)))
            changed.test = ast.UnaryOp(ast.Not(), node.test)
            yield "negated", changed
        case ast.Expr(value=ast.Call()) if not ast.unparse(node).startswith("log."):
            yield "left out", ast.Pass()
        case ast.Raise():
            yield "left out", ast.Pass()
        case ast.Break() | ast.Continue():
            yield "break/continue", SWAPS[type(node)]()


def sites(
    node: ast.AST, function: ast.AST | None = None, name: str = "", begins: int = 0
) -> Iterator[tuple[ast.AST, str, int | None, int, ast.AST, str]]:
    """Every place inside a function: parent, field, index, the statement's line, whose it is."""
    if function is None and isinstance(node, ast.FunctionDef | ast.ClassDef):
        name = f"{name}.{node.name}".lstrip(".")
    if isinstance(node, ast.FunctionDef):
        function = function or node
    begins = node.lineno if isinstance(node, ast.stmt) else begins
    unread = ("decorator_list", "returns", "annotation")
    for field, value in ast.iter_fields(node):
        if field in (*unread, "args" if isinstance(node, ast.FunctionDef) else ""):
            continue
        for index, child in enumerate(value if isinstance(value, list) else [value]):
            if isinstance(child, ast.AST):
                if function:
                    place = index if isinstance(value, list) else None
                    yield node, field, place, begins, function, name
                yield from sites(child, function, name, begins)


def mutants(path: Path) -> dict[str, Mutant]:
    """Every mutant of a module, by a name that stays while its function does."""
    made: dict[str, Mutant] = {}
    tree = ast.parse(path.read_text())
    every = list(sites(tree))
    seals, numbers = {one[4]: seal(one[4]) for one in every}, Counter[ast.AST]()
    for parent, field, index, begins, function, name in every:
        value = getattr(parent, field)
        here = value if index is None else value[index]
        for what, other in variants(here):
            lines = range(begins if here.lineno >= begins else here.lineno, here.lineno + 1)
            words = f"{name}: {what}: {ast.unparse(here).splitlines()[0]}"
            numbers[function] += 1

            def make(
                there: Any = (parent, field, index), other: Any = other, here: Any = here
            ) -> CodeType:
                put(*there, ast.copy_location(other, here))
                code = compile(ast.fix_missing_locations(tree), str(path), "exec")
                put(*there, here)
                return code

            made[f"{seals[function]} {numbers[function]} {words}"] = lines, make
    return made


def seal(function: ast.AST) -> str:
    return hashlib.sha256(ast.unparse(function).encode()).hexdigest()[:8]


def put(parent: ast.AST, field: str, index: int | None, node: ast.AST) -> None:
    if index is None:
        setattr(parent, field, node)
    else:
        getattr(parent, field)[index] = node


def codes(code: CodeType) -> Iterator[CodeType]:
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield inner
            yield from codes(inner)


def functions(holder: Any, module: str) -> Iterator[FunctionType]:
    """Those that live in a module or class, below whatever decorates them."""
    for value in list(vars(holder).values()):
        if isinstance(value, type) and value.__module__ == module:
            yield from functions(value, module)
        for part in (value, *(getattr(value, name, None) for name in ("fget", "func", "__func__"))):
            while hasattr(part, "__wrapped__"):
                part = part.__wrapped__
            if isinstance(part, FunctionType) and part.__module__ == module:
                yield part


class Mutation:
    """Takes the place of pytest's own loop."""

    def __init__(self, left: dict[str, dict[str, Mutant]], results: Results, until: float) -> None:
        self.left, self.results, self.until = left, results, until
        self.took: dict[str, float] = {}
        self.sound: set[str] = set()  # these pass in a child if nothing is changed
        self.failed = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            words = crash.message.splitlines()[0][:80] if crash else ""
            self.failed = f"{report.nodeid} {report.when}: {words}"

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        paths = {module: str(path_of(module).resolve()) for module in self.left}
        measured = coverage.Coverage(data_file=None, config_file=False, include=[*paths.values()])
        measured.start()
        for item in session.items:
            measured.switch_context(item.nodeid)
            began = time.monotonic()
            if words := self.fails(item):
                print(f"not used, since it fails without any change: {words}")
            else:
                self.took[item.nodeid] = time.monotonic() - began
        measured.stop()
        for module, path in paths.items():
            reached = measured.get_data().contexts_by_lineno(path)
            self.judge_all(module, session.items, reached)
        return True

    def judge_all(
        self, module: str, items: list[pytest.Item], reached: dict[int, list[str]]
    ) -> None:
        known = self.results[module]
        order: dict[str, int] = {}  # of those that noticed something
        for number, (key, (lines, make)) in enumerate(self.left[module].items()):
            if time.monotonic() > self.until:
                return
            names = {name for line in lines for name in reached.get(line, ()) if name in self.took}
            chosen = sorted(
                (one for one in items if one.nodeid in names),
                key=lambda one: (-order.get(one.nodeid, 0), self.took[one.nodeid]),
            )
            if known[key] == NOT_RUN:  # what outlives the quick ones meets all the next time
                ends = accumulate(self.took[one.nodeid] for one in chosen)
                quick = [one for one, end in zip(chosen, ends, strict=True) if end < PATIENCE]
                chosen = quick or chosen[:1]
            known[key], killer = self.verdict(module, make(), chosen)
            save(self.results)
            order[killer] = number + 1

    def verdict(self, module: str, code: CodeType, chosen: list[pytest.Item]) -> tuple[str, str]:
        """What becomes of it, and the test that noticed. One that fails anyway is none."""
        while True:
            said = self.judge(module, code, chosen)
            found = [one for one in chosen if said.startswith(f"killed by {one.nodeid} ")]
            if not found or found[0].nodeid in self.sound:
                return said, found[0].nodeid if found else ""
            if self.judge(module, None, found) == "survived":
                self.sound.add(found[0].nodeid)
            else:
                print(f"not used, since it fails in a child without any change: {found[0].nodeid}")
                del self.took[found[0].nodeid]
                chosen = [one for one in chosen if one is not found[0]]

    def fails(self, item: pytest.Item) -> str:
        """Where and how it fails, twice: a slow moment of the machine is no find. Else empty."""
        nothing: Any = SimpleNamespace(listchain=lambda: [item.session])  # is kept for the next one
        self.forget()
        for _ in range(2):
            self.failed = ""
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=nothing)
            if not self.failed:
                break
        return self.failed

    def forget(self) -> None:
        """What an earlier test had kept: else only the first one reaches what works it out."""
        from snapshots import kept

        kept._kept.clear()
        for module in self.left:
            for value in vars(importlib.import_module(module)).values():
                getattr(value, "cache_clear", int)()

    def judge(self, module: str, code: CodeType | None, chosen: list[pytest.Item]) -> str:
        if not chosen:
            return "not reached"
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                self.become(module, code)
                for item in chosen:
                    if words := self.fails(item):
                        os.write(writing, words.encode())
                        os._exit(1)
                os._exit(0)
            finally:
                os._exit(2)
        until = time.monotonic() + 60 + 10 * sum(self.took[one.nodeid] for one in chosen)
        while os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            if time.monotonic() > until:
                os.kill(child, signal.SIGKILL)
            time.sleep(0.01)
        _, status = os.waitpid(child, 0)
        ended = os.waitstatus_to_exitcode(status)
        if ended == 2:
            return "survived: it broke the run"
        os.set_blocking(reading, False)
        told = os.read(reading, 1000).decode() if ended == 1 else ""
        os.close(reading)
        os.close(writing)
        if ended < 0:
            return f"killed by signal {-ended}"
        return f"killed by {told}" if told else "survived"

    def become(self, module: str, code: CodeType | None) -> None:
        """The mutant, with a database of its own."""
        from django.db import connection

        os.setpgid(0, 0)
        for stream in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
        if Path(name := connection.settings_dict["NAME"]).exists():
            connection.settings_dict["NAME"] = copied(name, f"{name}-mutant")
            connection.connection = None  # the parent's own: not to be closed either
        if code:
            changed = {(one.co_qualname, one.co_firstlineno): one for one in codes(code)}
            for function in functions(importlib.import_module(module), module):
                before = function.__code__
                if after := changed.get((before.co_qualname, before.co_firstlineno)):
                    # The cell that `super()` needs is there, whether or not it is still called.
                    function.__code__ = after.replace(co_freevars=before.co_freevars)


def copied(database: str, other: str) -> str:
    """SQLite keeps what is not in the file yet beside it; what an earlier mutant left goes."""
    for end in ("", "-wal", "-shm"):
        Path(other + end).unlink(missing_ok=True)
    for end in ("", "-wal"):
        if Path(database + end).exists():
            shutil.copy(database + end, other + end)
    return other


def main(arguments: list[str]) -> int:
    """Run what is left to run. Returns 1 if one is alive that no reason is given for."""
    seconds = float(arguments.pop(1)) if arguments[:1] == ["--seconds"] else float("inf")
    until = time.monotonic() + seconds
    named = [one for one in arguments if one != "--seconds"]
    settings.register_profile("mutants", database=None, derandomize=True, max_examples=30)
    settings.load_profile("mutants")
    results: Results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    left = {}
    for module in named or MODULES:
        every, before = mutants(path_of(module)), results.get(module, {})
        results[module] = {key: before.get(key, NOT_RUN) for key in every}
        done = ("killed",) if named else ("killed", "survived", "not reached")
        alive = {
            key: one
            for key, one in every.items()
            if (said := results[module][key]) == NOT_RUN
            or not (said.startswith(done) or is_explained(module, key))
        }
        left |= {module: alive} if alive else {}
    if left:
        tests = dict.fromkeys(path for module in left for path in MODULES[module])
        plain = ["-q", "--no-header", "-p", "no:cacheprovider"]
        without = [f"--ignore={path}" for path in TOO_SLOW]
        pytest.main([*plain, *without, *tests], [Mutation(left, results, until)])
    return 1 if tell(results) else 0


def path_of(module: str) -> Path:
    return Path(module.replace(".", "/") + ".py")


def save(results: Results) -> None:
    RESULTS.write_text(json.dumps(results, indent=1))


def tell(results: Results) -> int:
    """Print what became of them. How many are alive that docs/mutants.md gives no reason for."""
    every = killed = unexplained = 0
    for module, known in results.items():
        dead = sum(verdict.startswith("killed") for verdict in known.values())
        every, killed = every + len(known), killed + dead
        print(f"{module}: {dead} of {len(known)} killed")
        for key, verdict in known.items():
            if not verdict.startswith("killed"):
                told = is_explained(module, key)
                unexplained += not told
                words = in_words(module, key)
                print(f"    {verdict}: {words}{' (explained)' if told else ''}")
    print(f"{killed} of {every} killed: {100 * killed / max(every, 1):.1f} %")
    return unexplained


def in_words(module: str, key: str) -> str:
    return f"{module.rpartition('.')[2]}.{key.split(' ', 2)[2]}"


def is_explained(module: str, key: str) -> bool:
    return f"- `{in_words(module, key)}`:" in REASONS.read_text()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
