import random

import pytest

from podup.core.challenges import Challenge, read_challenges


@pytest.mark.parametrize(
    ("values", "challenges"),
    [
        (["Basic"], [Challenge("basic")]),
        (['Basic realm="a b"'], [Challenge("basic", (("realm", "a b"),))]),
        (
            ['Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push"'],
            [Challenge("bearer",
             (("realm", "https://auth.docker.io/token"), ("service", "registry.docker.io"),
                                  ("scope", "repository:a/b:pull,push")))],
        ),
        (['bearer Realm = x , service=y'], [Challenge("bearer", (("realm", "x"), ("service", "y")))]),
        (
            ['Basic realm="a", Bearer realm="b", error="insufficient_scope"'],
            [Challenge("basic", (("realm", "a"),)),
             Challenge("bearer", (("realm", "b"), ("error", "insufficient_scope")))],
        ),
        (["Negotiate, NTLM", "Basic realm=x"], [Challenge("negotiate"), Challenge("ntlm"),
                                               Challenge("basic", (("realm", "x"),))]),
        (["Negotiate YWJj==, Basic realm=x"],
         [Challenge("negotiate"), Challenge("basic", (("realm", "x"),))]),
        ([r'Basic realm="a\"b\\c"'], [Challenge("basic", (("realm", 'a"b\\c'),))]),
        (["", " , ,", "=", '"'], []),
        (['Bearer realm="never closed'], [Challenge("bearer")]),
        ([], []),
    ],
)  # fmt: skip
def test_reads(values, challenges):
    assert list(read_challenges(values))[: len(challenges)] == challenges


def test_the_first_of_a_repeated_parameter_counts():
    (challenge,) = read_challenges(['Bearer realm="a",realm="b"'])
    assert challenge.get("realm") == "a" and challenge.get("scope") == ""


def test_hostile_values_end_quickly_and_raise_nothing():
    chance = random.Random(3)
    for text in ("," * 100_000, "a " * 50_000, 'a="' * 30_000, "Bearer " + 'x="\\' * 20_000, "a=" * 50_000,
    "\ud800", "\0"):
        read_challenges([text])
    letters = 'aB=", \\;/:.\t\u00e9'
    for _ in range(2000):
        read_challenges(["".join(chance.choice(letters) for _ in range(40))])
