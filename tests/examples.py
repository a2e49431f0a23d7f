"""How many examples a property draws: few in the plain run, all of them in the gate."""

from hypothesis import settings

OF_GATE = 100
"""`max_examples` of the profile "gate" (Hypothesis's own default): under it, a count is taken as it is written."""


def examples(count: int) -> int:
    """`count` scaled by the profile, for ``@settings(max_examples=examples(60))``; at least 5.

    `count` examples under the profile "gate", 30 % of them in a plain run, 20 times as many under "explore". pytest
    loads the profile of its command line before it imports a test module, so that a decorator sees the right one.
    """
    return max(5, count * settings.default.max_examples // OF_GATE)
