"""The pool of handlers: bounded, and it ends after what is in line."""

import threading

from podup.server.pool import Pool


def test_what_does_not_fit_is_refused_and_the_rest_is_done() -> None:
    pool, gate, begun, done = Pool(workers=1, waiting=2), threading.Event(), threading.Event(), list[int]()

    def first() -> None:
        begun.set()
        gate.wait(10)

    assert pool.submit(first)
    assert begun.wait(10)
    assert [pool.submit(lambda number=number: done.append(number)) for number in range(4)] == [
        True,
        True,
        False,
        False,
    ]
    gate.set()
    pool.stop(10)
    assert done == [0, 1]


def test_a_full_pool_ends_too() -> None:
    pool, done = Pool(workers=3, waiting=8), list[int]()
    accepted = [pool.submit(lambda number=number: done.append(number)) for number in range(20)]
    pool.stop(10)
    assert len(done) == sum(accepted)
