"""Long runs of the model checker: `python -m gmn_pipeline_tests.model --steps 20000 --seed 7`.

Ends at the first sequence that goes wrong: shrinks it, prints it as a test, and exits with 1.
"""

import argparse
import sys
import time

from gmn_pipeline_tests.model.actions import COMPARING, as_test, draw, kind_of, run, shrunk

_STEPS_OF_A_SEQUENCE = 25


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m gmn_pipeline_tests.model", description=__doc__)
    parser.add_argument("--steps", type=int, default=20_000, help="steps in all")
    parser.add_argument("--seed", type=int, default=1, help="the first sequence's")
    parser.add_argument("--plain", action="store_true",
                        help="the merge alone, in a plain DuckDB in memory: fast")  # fmt: skip
    parser.add_argument("--ignore", action="append", default=[], metavar="KIND",
                        help="a kind of difference that is known and not wanted now")  # fmt: skip
    parser.add_argument("--without", action="append", default=[],
                        help="load_history, messages, gone, same_bytes, again, seldom, equal "
                        "(generations) or same (trajectory in several messages)")  # fmt: skip
    given = parser.parse_args()
    began, done, seed = time.monotonic(), 0, given.seed
    while done < given.steps:
        actions = draw(seed, _STEPS_OF_A_SEQUENCE, slow=not given.plain, without=given.without)
        at, error = run(actions, given.ignore, plain=given.plain)
        done += sum(action.name in COMPARING for action in actions[:at])
        rate = done / (time.monotonic() - began)
        print(f"seed {seed}: {done} of {given.steps} steps, {rate:.1f} a second", flush=True)
        if error is not None:
            _tell(actions[: at + 1], error, seed, given)
            return 1
        seed += 1
    return 0


def _tell(actions: list, error: Exception, seed: int, given: argparse.Namespace) -> None:  # type: ignore[type-arg]
    print(f"Seed {seed} went wrong after {len(actions)} actions:\n{error!r}\nShrinking ...")
    try:
        actions, error = shrunk(
            actions,
            kind_of(error),
            lambda how: print(f"  {how}", flush=True),
            given.ignore,
            plain=given.plain,
        )
    except AssertionError as again:
        print(again)
    print(f"\n{as_test(actions, f'seed_{seed}')}\n{type(error).__name__}: {error}")


if __name__ == "__main__":
    sys.exit(main())
