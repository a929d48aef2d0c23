"""What a source, a topic and an operator can do, as data: made at random, run, printed, shrunk.

What belongs here: which sequences are likely to find something. What does not: how an action is
done and compared (`checker.py`).
"""

import random
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gmn_pipeline_tests.model.checker import Checker, Discrepancy
from gmn_pipeline_tests.model.killed import PARTS
from gmn_pipeline_tests.model.source import (
    DAYS,
    DEGREES,
    HISTORY_PATHS,
    TIMED,
    TIMES,
    File,
    row,
)

COMPARING = ("load", "kill", "maintain", "flush", "snapshot", "messages")
"""Actions after which the warehouse is compared: the steps."""


@dataclass(frozen=True)
class Action:
    """A call of a method of `Checker`; `solutions` are the rows of a file."""

    name: str
    arguments: tuple[Any, ...] = ()
    solutions: tuple[tuple[str, int], ...] = ()

    def do(self, checker: Checker) -> None:
        getattr(checker, self.name)(*self.arguments, **dict(self.solutions))

    def code(self, on: str = "checker") -> str:
        """The call as Python."""
        given = [repr(a) for a in self.arguments] + [f"{x}={n}" for x, n in self.solutions]
        return f"{on}.{self.name}({', '.join(given)})"


# --- random sequences ----------------------------------------------------------------------------


@dataclass
class _Drawing:
    """Draws a sequence; knows what lies in the source, so as to change it a little."""

    random: random.Random
    daily: dict[int, File] = field(default_factory=dict)
    history: dict[str, File] = field(default_factory=dict)
    generation: int = 10
    slow: bool = True
    without: Collection[str] = ()
    used: set[int] = field(default_factory=set)

    def sequence(self, steps: int) -> Iterator[Action]:
        done = 0
        if self.slow and self.random.random() < 0.5:
            yield Action("files_from", (self.random.choice((1, 3)),))
        while done < steps:
            for action in self._next():
                yield action
                done += action.name in COMPARING

    def _next(self) -> list[Action]:
        weighed: list[tuple[int, Callable[[], list[Action]]]] = [
            (12, self._load_daily),
            (5, self._load_history),
            (4, self._messages),
            (1, self._gone),
            (1, self._same_bytes),
            (1, self._again),
        ]
        if self.slow:
            weighed.append((1, self._seldom))
        weighed = [(w, m) for w, m in weighed if m.__name__.strip("_") not in self.without]
        [made] = self.random.choices([m for _, m in weighed], [w for w, _ in weighed])
        return made()

    def _some_generation(self) -> int:
        """Mostly newer than all before, sometimes older or the same."""
        if self.random.random() < 0.7:
            self.generation += self.random.randint(1, 2)
            self.used.add(self.generation)
            return self.generation
        older = list(range(1, self.generation + 1))
        if "equal" in self.without:
            older = [g for g in older if g not in self.used] or [0]
        self.used.add(drawn := self.random.choice(older))
        return drawn

    def _rows_of(self, degree: int) -> dict[str, int]:
        """The rows of a bin's next file: the former ones, changed a little, or new ones."""
        file = self.daily.get(degree)
        rows = dict(file.solutions) if file else {}
        natural = [x for x in TIMES if row(x, 1).computed_bin == TIMED[degree].bin]
        near = [x for x in TIMES if abs(_degree(x) - degree) == 1]
        for x in natural:
            if x not in rows and self.random.random() < 0.4:
                rows[x] = self._solution_like(x)
        for x in list(rows):
            if self.random.random() < 0.2:
                rows[x] = self._solution()
            elif self.random.random() < 0.2:
                del rows[x]
        if near and self.random.random() < 0.4:
            x = self.random.choice(near)
            rows[x] = self._solution_like(x)
        if self.random.random() < 0.08:
            x = self.random.choice(list(TIMES))
            rows[x] = self._solution_like(x)
        return rows or {(natural or near)[0]: 1}

    def _solution(self) -> int:
        tens = self.random.choices((0, 10), (6, 1))[0]
        return tens + self.random.randint(1, 4)

    def _solution_like(self, x: str) -> int:
        """Most often the same as some file has it."""
        known = [f.solutions[x] for f in (*self.daily.values(), *self.history.values())
                 if x in f.solutions]  # fmt: skip
        if known and self.random.random() < 0.7:
            return self.random.choice(known)
        return self._solution()

    def _put(self, degree: int, generation: int | None = None) -> Action:
        file = File(generation or self._some_generation(), self._rows_of(degree))
        self.daily[degree] = file
        return Action("daily", (degree, file.generation), tuple(sorted(file.solutions.items())))

    def _move(self) -> list[Action]:
        """A trajectory goes to the neighbour bin, whose file is written or not."""
        degree = self.random.choice(list(self.daily))
        if not self.daily[degree].solutions:
            return []
        x = self.random.choice(list(self.daily[degree].solutions))
        to = self.random.choice([d for d in DEGREES if d != degree])
        near = [d for d in (degree - 1, degree + 1) if d in DEGREES]
        if near and self.random.random() < 0.8:
            to = self.random.choice(near)
        former = self.daily.get(to, File(0, {}))
        generation = self._some_generation()
        moved = dict(former.solutions) | {x: self.daily[degree].solutions[x]}
        made = [self._put_file(to, File(generation, moved))]
        if self.random.random() < 0.5:
            left = {k: v for k, v in self.daily[degree].solutions.items() if k != x}
            if left:
                other = self._some_generation()
                if "equal" not in self.without:
                    other = self.random.choice((generation, other))
                made.append(self._put_file(degree, File(other, left)))
        return made

    def _put_file(self, degree: int, file: File) -> Action:
        self.daily[degree] = file
        return Action("daily", (degree, file.generation), tuple(sorted(file.solutions.items())))

    def _load(self, history: str = "daily") -> Action:
        days = tuple(range(len(DAYS)))
        if self.random.random() < 0.4:
            some = self.random.randint(1, len(days) - 1)
            days = tuple(sorted(self.random.sample(days, some)))
        return Action("load", (history, days))

    def _load_daily(self) -> list[Action]:
        if self.daily and self.random.random() < 0.3:
            return [*self._move(), self._load()]
        some = self.random.sample(DEGREES, self.random.choice((1, 1, 2, 2, 3, 5)))
        together = None
        if "equal" not in self.without and self.random.random() < 0.4:
            together = self._some_generation()
        return [*(self._put(degree, together) for degree in sorted(some)), self._load()]

    def _load_history(self) -> list[Action]:
        covers = self.random.choice(list(HISTORY_PATHS))
        rows: dict[str, int] = {}
        for file in sorted(self.daily.values(), key=lambda f: f.generation):
            rows |= file.solutions
        for x in TIMES:
            if x not in rows and self.random.random() < 0.3:
                rows[x] = self._solution()
        for x in list(rows):
            if self.random.random() < 0.15:
                rows[x] = self._solution()
            elif self.random.random() < 0.15:
                del rows[x]
        rows = {x: n for x, n in rows.items() if _is_in(covers, x)}
        kind = "all" if covers == "all" else "monthly" if "-" in covers else "yearly"
        if not rows:
            return []
        file = File(self._some_generation(), rows)
        self.history[covers] = file
        put = Action("history", (covers, file.generation), tuple(sorted(rows.items())))
        return [put, self._load(kind)]

    def _messages(self) -> list[Action]:
        some: list[tuple[str, int | None, int, int | None]] = []
        for _ in range(self.random.choice((1, 1, 2, 3))):
            x = self.random.choice(list(TIMES))
            gone = "tombstones" not in self.without and self.random.random() < 0.3
            solution = None if gone else self._solution_like(x)
            degree = None
            if solution and self.random.random() < 0.5:
                near = [d for d in DEGREES if abs(d - _degree(x)) <= 1]
                degree = self.random.choice(near)
            if "same" in self.without and x in [other for other, *_ in some]:
                continue
            some.append((x, solution, self._some_generation(), degree))
        return [Action("messages", tuple(some))]

    def _gone(self) -> list[Action]:
        if len(self.daily) < 2:
            return []
        degree = self.random.choice(list(self.daily))
        return [Action("gone", (degree,)), self._load()]

    def _same_bytes(self) -> list[Action]:
        if not self.daily:
            return []
        degree = self.random.choice(list(self.daily))
        if self.random.random() < 0.3:
            return [Action("alias", (degree,)), self._load()]
        to = self.random.choice([d for d in DEGREES if d != degree])
        self.daily[to] = self.daily[degree]
        return [Action("same_bytes", (degree, to)), self._load()]

    def _again(self) -> list[Action]:
        """A load of what is there, also of history files from before."""
        kinds = ["daily"]
        kinds += ["all" if c == "all" else "monthly" if "-" in c else "yearly"
                  for c in self.history]  # fmt: skip
        return [self._load(self.random.choice(kinds))]

    def _seldom(self) -> list[Action]:
        name = self.random.choice(("kill", "maintain", "flush", "snapshot"))
        if name != "kill":
            return [Action(name)]
        if not self.daily:
            return []
        part, nth = self.random.choice(PARTS), int(2 ** self.random.uniform(0, 8))
        changed = [self._put(degree) for degree in self.random.sample(DEGREES, 2)]
        return [*changed, Action("kill", ("daily", part, nth)), Action("load")]


def _degree(x: str) -> int:
    return row(x, 1).computed_bin.solar_longitude_deg


def _is_in(covers: str, x: str) -> bool:
    return covers == "all" or f"{TIMES[x]:%Y-%m}".startswith(covers)


def draw(
    seed: int, steps: int, *, slow: bool = True, without: Collection[str] = ()
) -> list[Action]:
    """The sequence of a seed; `without` some of the ways in which sources change."""
    return list(_Drawing(random.Random(seed), slow=slow, without=without).sequence(steps))


# --- running and shrinking -----------------------------------------------------------------------


def run(
    actions: Sequence[Action], ignored: Collection[str] = (), *, plain: bool = False
) -> tuple[int, Exception | None]:
    """Do it in an empty folder; how many actions were done, and what went wrong with the next."""
    with (
        tempfile.TemporaryDirectory(prefix="gmn-model-") as folder,
        Checker(Path(folder), ignored=ignored, plain=plain) as one,
    ):
        for at, action in enumerate(actions):
            try:
                action.do(one)
            except Exception as error:
                return at, error
    return len(actions), None


def kind_of(error: Exception) -> str:
    return error.kind if isinstance(error, Discrepancy) else type(error).__name__


def shrunk(
    actions: Sequence[Action],
    kind: str,
    said: Callable[[str], None] = lambda _: None,
    ignored: Collection[str] = (),
    *,
    plain: bool = False,
) -> tuple[list[Action], Exception]:
    """The shortest sequence found that goes wrong in the same way, and how."""
    best, error = list(actions), None
    tried_before: set[tuple[Action, ...]] = set()

    def fails(tried: list[Action]) -> bool:
        nonlocal best, error
        if tuple(tried) in tried_before:
            return False
        tried_before.add(tuple(tried))
        done, found = run(tried, ignored, plain=plain)
        if found is None or kind_of(found) != kind:
            return False
        best, error = tried[: done + 1], found
        return True

    assert fails(best), "it did not go wrong again"
    size = max(len(best) // 2, 1)
    while size:  # leave out ever smaller pieces
        at = 0
        while at < len(best):
            if not fails(best[:at] + best[at + size :]):
                at += size
            said(f"{len(best)} actions")
        size //= 2
    changed = True
    while changed:  # then make each smaller by itself, and leave out what that made needless
        changed = False
        for at in range(len(best) - 1, -1, -1):
            for smaller in _smaller(best[at]) if at < len(best) else ():
                if fails([*best[:at], smaller, *best[at + 1 :]]):
                    changed = True
                    said(f"{len(best)} actions, smaller")
                    break
            else:
                if at < len(best) - 1 and fails(best[:at] + best[at + 1 :]):
                    changed = True
    assert error is not None
    return best, error


def _smaller(action: Action) -> Iterator[Action]:
    if action.name in ("daily", "history"):
        for at in range(len(action.solutions) if len(action.solutions) > 1 else 0):
            yield replace(action, solutions=action.solutions[:at] + action.solutions[at + 1 :])
        for at, (x, number) in enumerate(action.solutions):
            for lower in {number % 10, 1} - {number}:
                changed = (*action.solutions[:at], (x, lower), *action.solutions[at + 1 :])
                yield replace(action, solutions=changed)
    elif action.name == "messages" and len(action.arguments) > 1:
        for at in range(len(action.arguments)):
            yield replace(action, arguments=action.arguments[:at] + action.arguments[at + 1 :])
    elif action.name == "load" and action.arguments and len(action.arguments) > 1:
        days = action.arguments[1]
        for at in range(len(days) if len(days) > 1 else 0):
            yield replace(action, arguments=(action.arguments[0], days[:at] + days[at + 1 :]))


def as_test(actions: Sequence[Action], name: str) -> str:
    """A shrunken sequence as a test to keep."""
    calls = "\n".join(f"    {action.code()}" for action in actions)
    return f"def test_{name}(checker: Checker) -> None:\n{calls}\n"
