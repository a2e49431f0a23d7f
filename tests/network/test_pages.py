"""What the pages about networks say was measured is what their own code prints."""

import pytest

from tests.pages import BLOCKS, PAGES

CONVOLUTIONS = "docs/how-to/convolutions.md"


@pytest.mark.slow
@pytest.mark.compiled_only
def test_the_table_of_convolutions_is_what_the_code_above_it_prints(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code = next(block for block in BLOCKS if block.page == CONVOLUTIONS and block.language == "python")
    exec(compile(code.text, CONVOLUTIONS, "exec"), {"__name__": "__main__"})
    printed = capsys.readouterr().out
    assert printed.count("\n") == 9
    assert printed in PAGES[CONVOLUTIONS]
