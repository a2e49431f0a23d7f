"""What a run of the tests leaves out: the quick tier, slow tests, examples of properties."""

import subprocess
import sys

import pytest
from hypothesis import settings

from tests.examples import examples
from tests.pages import ROOT

FILES = ("tests/equivalence/test_layer_cache.py", "tests/cost/test_area.py", "tests/equivalence/test_many_pes.py")
"""A file of the quick tier, one of another folder, and one that is too large for it and has a slow case."""


def collected(*options):
    """The tests that pytest would run of these files."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *options, *FILES]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return {line for line in done.stdout.splitlines() if "::" in line}


def test_the_quick_tier_is_whole_folders_without_their_slow_tests():
    plain, quick = collected(), collected("-m", "quick")
    assert quick
    assert quick == {test for test in plain if test.startswith(FILES[0])}
    assert quick < plain
    assert not [test for test in plain if test.endswith("[2100]")]  # slow


@pytest.fixture
def profile():
    """Load a profile by name; afterwards, that of this run is back."""
    before = settings.get_current_profile_name()
    yield settings.load_profile
    settings.load_profile(before)


@pytest.mark.parametrize(("name", "count"), [("plain", 18), ("gate", 60), ("explore", 1200)])
def test_the_profile_says_how_many_examples_of_a_count_are_drawn(profile, name, count):
    profile(name)
    assert examples(60) == count


def test_some_examples_are_always_drawn(profile):
    profile("plain")
    assert examples(10) == 5
