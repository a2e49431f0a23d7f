"""A headless browser and axe-core for the tests of pages: skipped visibly where they are not there.

``EIE_SIM_CHROMIUM`` names the browser and ``EIE_SIM_AXE`` the file axe.min.js; without them they are looked for on the
PATH and asked of npm. With ``EIE_SIM_EXTRAS=1``, as the gate sets it, what is missing is an error;
``EIE_SIM_BROWSER=0`` says that this machine has none, and skips all the same.
"""

import os
import shutil
import subprocess
import tarfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.extras import needs

AXE = "axe-core@4.14.1"

ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)


def missing(what: str) -> None:
    """Skip the test, or fail it where the gate says that nothing may be missing."""
    if os.environ.get("EIE_SIM_EXTRAS") == "1" and os.environ.get("EIE_SIM_BROWSER") != "0":
        pytest.fail(f"{what} is missing")
    pytest.skip(f"needs {what}")


@contextmanager
def chromium():
    """A browser of Playwright."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = os.environ.get("EIE_SIM_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if found is None or os.environ.get("EIE_SIM_BROWSER") == "0":
        missing("a browser: apt-get install chromium, or its path in EIE_SIM_CHROMIUM")
    needs("playwright", "browser")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(ARGUMENTS))
        yield browser
        browser.close()


def axe_source(folder: Path) -> str:
    """The text of axe.min.js, fetched into `folder` where no one has named it."""
    if "EIE_SIM_AXE" in os.environ:
        return Path(os.environ["EIE_SIM_AXE"]).read_text(encoding="utf-8")
    npm = shutil.which("npm")
    done = npm and subprocess.run([npm, "pack", AXE], cwd=folder, capture_output=True, check=False, timeout=120)
    packed = list(folder.glob("axe-core-*.tgz"))
    if not done or done.returncode or not packed:
        missing("axe-core: npm, or the path of axe.min.js in EIE_SIM_AXE")
    with tarfile.open(packed[0]) as archive:
        member = archive.extractfile("package/axe.min.js")
        assert member is not None
        return member.read().decode()


class Watched:
    """A page that is open in a browser, which notes what went wrong and what it asked for.

    Attributes
    ----------
    page : playwright.sync_api.Page
    errors, requests : list of str
    """

    def __init__(self, browser, path: Path, width: int = 1200, scheme: str = "light") -> None:
        self.errors, self.requests = [], []
        # Offline: a request would fail, and be noted all the same.
        self.context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
        self.page = self.context.new_page()
        self.page.on("console", lambda message: self.errors.append(message.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.errors.append(dialog.message), dialog.dismiss()))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())

    def open_all(self) -> None:
        """Open every part that opens."""
        self.page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        self.page.wait_for_timeout(200)
