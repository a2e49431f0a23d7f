"""Hosted CI, commit hooks, issue forms and the gate are valid files and name what README and setup.cfg have."""

import configparser
import re
import subprocess

import pytest

from compressor import __version__
from tests.extras import needs
from tests.pages import BLOCKS, ROOT

README_COMMANDS = [
    line.strip()
    for block in BLOCKS
    if block.page == "README.md"
    for line in block.text.splitlines()
    if line.startswith("python3 -m venv .venv && ")
]
YAML_FILES = sorted(str(p.relative_to(ROOT)) for p in [ROOT / ".pre-commit-config.yaml", *ROOT.glob(".github/*/*.yml")])


@pytest.fixture(scope="module")
def setup():
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def loaded(name):
    """A YAML file as dicts and lists."""
    return needs("yaml", "dev").safe_load((ROOT / name).read_text("utf-8"))


def extra(setup, name):
    """The distributions of one extra, without versions."""
    return re.findall(r"^[\w-]+", setup["options.extras_require"][name], re.MULTILINE)


def test_readme_has_two_commands():
    assert len(README_COMMANDS) == 2
    assert README_COMMANDS[0].endswith(" && .venv/bin/eie-sim run")
    assert " && .venv/bin/pytest" in README_COMMANDS[1]


def test_readmes_test_command_has_what_it_needs(setup):
    assert "-e '.[test]'" in README_COMMANDS[1]
    assert {"pytest", "pytest-xdist", "hypothesis"} <= set(extra(setup, "test"))  # xdist: -n auto


def test_hosted_ci_runs_readmes_commands_and_the_quick_tier_on_every_python(setup):
    job = loaded(".github/workflows/tests.yml")["jobs"]["tests"]
    lines = [line for step in job["steps"] for line in step.get("run", "").splitlines()]
    assert [line for line in lines if line in README_COMMANDS] == README_COMMANDS
    assert any(line.endswith(" -m quick") for line in lines)
    classifiers = re.findall(r"Python :: (3\.\d+)$", setup["metadata"]["classifiers"], re.MULTILINE)
    assert job["strategy"]["matrix"]["python"] == classifiers
    assert not any("continue-on-error" in step for step in job["steps"])


def test_hosted_actions_are_pinned_to_a_version():
    job = loaded(".github/workflows/tests.yml")["jobs"]["tests"]
    used = [step["uses"] for step in job["steps"] if "uses" in step]
    assert used
    assert all(re.fullmatch(r"actions/[\w-]+@v\d+", action) for action in used)


def test_the_commit_hooks_run_programs_of_the_extra_dev(setup):
    (repository,) = loaded(".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    programs = {re.match(r"\.venv/bin/([\w-]+)", hook["entry"])[1] for hook in repository["hooks"]}
    assert programs == {"ruff", "mypy"}
    assert programs | {"pre-commit"} <= set(extra(setup, "dev"))


def test_the_bug_form_asks_for_what_is_needed_to_see_the_bug():
    form = loaded(".github/ISSUE_TEMPLATE/bug.yml")
    assert {"command", "version", "machine", "file"} <= {field["id"] for field in form["body"]}


@pytest.mark.parametrize("name", YAML_FILES)
def test_a_file_is_yaml_and_has_no_empty_field(name):
    document = loaded(name)
    assert isinstance(document, dict)
    assert None not in [value for key, value in document.items() if key is not True]  # YAML 1.1 reads `on` as true


def test_the_gate_takes_readmes_test_command_from_readme():
    (extraction,) = re.findall(r"^readme_tests=.*$", (ROOT / ".ci" / "run").read_text("utf-8"), re.MULTILINE)
    command = ["bash", "-c", f'{extraction}; printf %s "$readme_tests"']
    assert subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout == README_COMMANDS[1]


def test_no_option_of_setup_cfg_needs_a_plugin(setup):
    # `-n` there would break debuggers, and every environment without pytest-xdist; the command line has it.
    assert "-n" not in setup["tool:pytest"]["addopts"].split()


def test_one_version_is_released():
    citation = (ROOT / "CITATION.cff").read_text("utf-8")
    assert re.findall(r"^version: (.*)$", citation, re.MULTILINE) == [__version__]
    assert re.search(rf"^## {re.escape(__version__)} \(", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
