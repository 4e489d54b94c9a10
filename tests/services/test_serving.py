"""What happens behind an answer: ends are recorded in their order, and those that come quickly for one lock."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from nbpipe.errors import CatalogBusyError
from nbpipe.services.serving import _MOST_AT_ONCE, End, Ends


class Lock:
    """Counts how often it was taken."""

    def __init__(self) -> None:
        self.taken = 0
        self.is_held = False
        self.is_busy = False

    @contextmanager
    def together(self) -> Iterator[None]:
        if self.is_busy:
            raise CatalogBusyError(1, 10.0)
        self.taken += 1
        self.is_held = True
        yield
        self.is_held = False


def test_ends_are_recorded_in_their_order_and_those_that_wait_together() -> None:
    lock, done, may_begin = Lock(), [], threading.Event()
    ends = Ends(lock.together)
    ends.put(End("first", may_begin.wait, lambda: None))
    for n in range(100):
        ends.put(End(str(n), lambda n=n: done.append((n, lock.is_held)), lambda: done.append(lock.is_held)))
    assert ends.backlog >= 100
    may_begin.set()
    ends.close()

    assert [one[0] for one in done if isinstance(one, tuple)] == [*range(100)]
    assert all(one[1] for one in done if isinstance(one, tuple)), "recorded under the lock"
    assert not any(one for one in done if isinstance(one, bool)), "hooks are called when it is given back"
    # How many wait when it looks is chance; more than so many are never recorded at once.
    assert 100 / _MOST_AT_ONCE < lock.taken <= 101
    assert ends.backlog == 0


def test_one_end_that_fails_holds_up_no_other(capsys) -> None:
    lock, done = Lock(), []

    def fail() -> None:
        raise ArithmeticError("no")

    ends = Ends(lock.together)
    ends.put(End("bad", fail, lambda: done.append("bad")))
    ends.put(End("good", lambda: None, lambda: done.append("good")))
    ends.close()

    assert done == ["good"]
    assert "The end of run bad could not be recorded: ArithmeticError: no" in capsys.readouterr().out


def test_where_the_lock_cannot_be_had_each_end_is_tried_for_itself() -> None:
    lock, done = Lock(), []
    lock.is_busy = True

    ends = Ends(lock.together)
    ends.put(End("one", lambda: done.append("one"), lambda: None))
    ends.close()

    assert done == ["one"]
