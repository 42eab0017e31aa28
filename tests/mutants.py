"""`make mutants`: each small change of the code must be noticed by a test.

    python -m tests.mutants [--seconds 230] [module ...]

Django and the tests are loaded once, and each test runs once, to learn which lines it reaches and
how long it takes. Then every mutant gets a process of its own: the changed code is put into the
living function, and the tests that reach its line run, the last one that noticed something first,
then the quickest, until one fails. The code unchanged, treated the same, must pass every test:
else it would be the treatment that is noticed. What is done already is in .mutants.json; in a
module that is named what lived is tried again, and a function that changed begins anew. Only what
is inside a function is changed, and no sentence: those have tests of their own.
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
from functools import partial
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import coverage
import pytest
from hypothesis import settings

OPERATIONS = "snapshots.operations"
WIRE = (
    "provider/client/test_bodies",
    "provider/client/test_changing",
    "provider/client/test_reading",
)
SENT = ("provider/client/test_sending", "provider/client/test_token", "provider/client/test_fences")
KINDS = tuple(f"operations/test_{word}" for word in ("take", "restore", "delete", "power"))
DOUBT = ("operations/test_create_in_doubt", "operations/test_settle")
TABLE = ("operations/test_guarantees", "operations/test_batches")
# Each module, and the tests that know it best.
MODULES: dict[str, tuple[str, ...]] = {
    f"{OPERATIONS}.answers": ("operations/test_meaning", "operations/test_documentation"),
    f"{OPERATIONS}.states": (
        *KINDS,
        *TABLE,
        *DOUBT,
        "operations/test_seldom",
        "operations/test_marks",
    ),
    f"{OPERATIONS}.settle": (*KINDS, *DOUBT, "operations/test_epoch"),
    f"{OPERATIONS}.send": (
        *KINDS,
        "operations/test_fences",
        "operations/test_trouble",
        "operations/test_seldom",
        "operations/test_marks",
    ),
    f"{OPERATIONS}.fence": ("operations/test_fences", "operations/test_meaning"),
    f"{OPERATIONS}.epoch": (
        "operations/test_epoch",
        "operations/test_take",
        "operations/test_seldom",
    ),
    f"{OPERATIONS}.sweep": (*KINDS, *TABLE, "operations/test_trouble", "operations/test_slow"),
    f"{OPERATIONS}.times": (*KINDS, *DOUBT, *TABLE, "operations/test_meaning", "test_inventory"),
    f"{OPERATIONS}.ask": (
        *KINDS,
        *TABLE,
        "operations/test_seldom",
        "operations/test_marks",
        "pages/test_restore",
        "pages/test_take",
    ),
    f"{OPERATIONS}.rules": (
        *KINDS,
        *TABLE,
        "operations/test_seldom",
        "operations/test_marks",
        "pages/test_restore",
        "pages/test_delete",
        "test_accounts_removed",
    ),
    f"{OPERATIONS}.marks": ("operations/test_marks",),
    f"{OPERATIONS}.batches": (
        "operations/test_seldom",
        "operations/test_batches",
        "operations/test_power",
        "pages/test_bulk",
    ),
    f"{OPERATIONS}.hindrances": ("operations/test_hindrances", "operations/test_batches"),
    f"{OPERATIONS}.lines": (
        "operations/test_batches",
        "operations/test_power",
        "pages/test_operation",
    ),
    f"{OPERATIONS}.slow": ("operations/test_slow", "operations/test_take"),
    f"{OPERATIONS}.budget": ("operations/test_budget", "operations/test_meaning"),
    "snapshots.provider.client": (*WIRE, *SENT),
    "snapshots.provider.connection": (*WIRE, *SENT),
    "snapshots.provider.reading": (*WIRE, "provider/client/test_limits"),
    "snapshots.provider.errors": WIRE,
}
RESULTS, REASONS = Path(".mutants.json"), Path("docs/mutants.md")
SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    **{ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt},
    **{ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is},
    **{ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And},
    **{ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult},
    **{ast.Pow: ast.Mult, ast.Break: ast.Continue, ast.Continue: ast.Break},
}
NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}
Mutant = tuple[range, CodeType]  # the lines, and the module's code


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
            put(parent, field, index, ast.copy_location(other, here))
            code = compile(ast.fix_missing_locations(tree), str(path), "exec")
            lines = range(begins if here.lineno >= begins else here.lineno, here.lineno + 1)
            words = f"{name}: {what}: {ast.unparse(here).splitlines()[0]}"
            numbers[function] += 1
            made[f"{seals[function]} {numbers[function]} {words}"] = lines, code
            put(parent, field, index, here)
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
        for part in (value, *(getattr(value, name, None) for name in ("fget", "__func__"))):
            while hasattr(part, "__wrapped__"):
                part = part.__wrapped__
            if isinstance(part, FunctionType) and part.__module__ == module:
                yield part


class Mutation:
    """Takes the place of pytest's own loop."""

    def __init__(
        self,
        module: str,
        left: dict[str, Mutant],
        known: dict[str, str],
        until: float,
        save: Callable[[], object],
    ) -> None:
        self.module, self.left, self.known = module, left, known
        self.until, self.save = until, save
        self.failed = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            words = crash.message.splitlines()[0][:80] if crash else ""
            self.failed = f"{report.nodeid} {report.when}: {words}"

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        path = Path(importlib.import_module(self.module).__file__ or "")
        measured = coverage.Coverage(data_file=None, config_file=False, include=[str(path)])
        measured.start()
        took = {}
        for item in session.items:
            measured.switch_context(item.nodeid)
            began = time.monotonic()
            assert not (words := self.fails(item)), f"it fails without any change: {words}"
            took[item.nodeid] = time.monotonic() - began
        measured.stop()
        same = compile(path.read_text(), str(path), "exec")
        verdict = self.judge(same, session.items, took)
        assert verdict == "survived", f"it fails in a child without any change: {verdict}"
        reached = measured.get_data().contexts_by_lineno(str(path))
        order: dict[str, int] = {}  # of those that noticed something
        for number, (key, (lines, code)) in enumerate(self.left.items()):
            if time.monotonic() > self.until:
                return True
            names = {name for line in lines for name in reached.get(line, ())}
            chosen = sorted(
                (one for one in session.items if one.nodeid in names),
                key=lambda one: (-order.get(one.nodeid, 0), took[one.nodeid]),
            )
            self.known[key] = verdict = self.judge(code, chosen, took)
            self.save()
            by = verdict.removeprefix("killed by ").split(" ")[0]
            order[by] = number + 1
        return True

    def fails(self, item: pytest.Item) -> str:
        """Where and how it fails, twice: a slow moment of the machine is no find. Else empty."""
        elsewhere = next(one for one in item.session.items if one.path != item.path)
        for _ in range(2):
            self.failed = ""
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=elsewhere)
            if not self.failed:
                break
        return self.failed

    def judge(self, code: CodeType, chosen: list[pytest.Item], took: dict[str, float]) -> str:
        if not chosen:
            return "not reached"
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                self.become(code)
                for item in chosen:
                    if words := self.fails(item):
                        os.write(writing, words.encode())
                        os._exit(1)
                os._exit(0)
            finally:
                os._exit(2)
        until = time.monotonic() + 60 + 10 * sum(took[one.nodeid] for one in chosen)
        while os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            if time.monotonic() > until:
                os.kill(child, signal.SIGKILL)
            time.sleep(0.01)
        _, status = os.waitpid(child, 0)
        ended = os.waitstatus_to_exitcode(status)
        assert ended != 2, "the mutant could not be made"
        os.set_blocking(reading, False)
        told = os.read(reading, 1000).decode() if ended == 1 else ""
        os.close(reading)
        os.close(writing)
        if ended < 0:
            return f"killed by signal {-ended}"
        return f"killed by {told}" if told else "survived"

    def become(self, code: CodeType) -> None:
        """The mutant, with a database of its own."""
        from django.db import connection

        os.setpgid(0, 0)
        for stream in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
        if Path(name := connection.settings_dict["NAME"]).exists():
            connection.settings_dict["NAME"] = shutil.copy(name, f"{name}-mutant")
            connection.connection = None  # the parent's own: not to be closed either
        changed = {(one.co_qualname, one.co_firstlineno): one for one in codes(code)}
        for function in functions(importlib.import_module(self.module), self.module):
            place = function.__code__.co_qualname, function.__code__.co_firstlineno
            function.__code__ = changed.get(place, function.__code__)  # a dataclass writes its own


def main(arguments: list[str]) -> int:
    """Run what is left to run. Returns 1 if one is alive that no reason is given for."""
    seconds = float(arguments.pop(1)) if arguments[:1] == ["--seconds"] else float("inf")
    until = time.monotonic() + seconds
    named = [one for one in arguments if one != "--seconds"]
    settings.register_profile("mutants", database=None, derandomize=True, max_examples=30)
    settings.load_profile("mutants")
    results = read()
    for module in named or MODULES:
        every = mutants(Path(module.replace(".", "/") + ".py"))
        before = results.get(module, {})
        known = results[module] = {key: before.get(key, "not run yet") for key in every}
        done = ("killed",) if named else ("killed", "survived", "not reached")
        left = {key: one for key, one in every.items() if not known[key].startswith(done)}
        if time.monotonic() < until and left:
            pid = os.fork()  # a fresh pytest for each module
            if pid == 0:
                mutation = Mutation(module, left, known, until, partial(save, results))
                tests = [f"tests/{name}.py" for name in MODULES[module]]
                pytest.main(["-q", "--no-header", "-p", "no:cacheprovider", *tests], [mutation])
                os._exit(0)
            os.waitpid(pid, 0)
            results |= {module: {**known, **read().get(module, {})}}
        save(results)
    return 1 if tell(results) else 0


def read() -> dict[str, dict[str, str]]:
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {}


def save(results: dict[str, dict[str, str]]) -> None:
    RESULTS.write_text(json.dumps(results, indent=1))


def tell(results: dict[str, dict[str, str]]) -> int:
    """Print what became of them. How many are alive that docs/mutants.md gives no reason for."""
    reasons = REASONS.read_text()
    every = killed = unexplained = 0
    for module, known in results.items():
        dead = sum(verdict.startswith("killed") for verdict in known.values())
        every, killed = every + len(known), killed + dead
        print(f"{module}: {dead} of {len(known)} killed")
        for key, verdict in known.items():
            if not verdict.startswith("killed"):
                words = f"{module.rpartition('.')[2]}.{key.split(' ', 2)[2]}"
                told = f"`{words}`" in reasons
                unexplained += not told
                print(f"    {verdict}: {words}{' (explained)' if told else ''}")
    print(f"{killed} of {every} killed: {100 * killed / max(every, 1):.1f} %")
    return unexplained


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
