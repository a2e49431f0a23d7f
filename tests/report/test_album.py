"""The pictures of a page are the same bytes in however many processes they are drawn, and no error is lost in one."""

import os
from functools import partial

import pytest

from eie_sim.report.figures import LayerTime, LayerTimes
from eie_sim.report.html import album
from eie_sim.report.html.album import Album
from tests.report.pages import Parsed, a_report_page

SHARES = (0.55, 0.3, 0.04, 0.1, 0.01)


def an_album(processes):
    """An album of three pictures, and a page with their places."""
    found = Album(processes, pictures=3)
    places = [found.times(LayerTimes((LayerTime(name, 7.0, None, SHARES),))) for name in ("fc1", "fc2", "fc3")]
    return found, "|".join((*places, found.sheet()))


@pytest.fixture
def few_are_enough(monkeypatch):
    """A process is started for one picture already."""
    monkeypatch.setattr(album, "ENOUGH", 1)


@pytest.fixture(scope="module")
def drawn_here():
    found, page = an_album(1)
    return found.put_into(page)


def test_each_picture_is_in_its_place_and_the_shapes_in_theirs(drawn_here):
    *pictures, shapes = drawn_here.split("|")
    assert [Parsed(one).tags["figure"] for one in pictures] == [1, 1, 1]
    assert len(set(pictures)) == 3
    assert 'class="sheet"' in shapes


@pytest.mark.parametrize("processes", [2, 3])
def test_pictures_are_the_same_bytes_in_any_number_of_processes(processes, few_are_enough, drawn_here):
    found, page = an_album(processes)
    assert found.put_into(page) == drawn_here


def test_few_pictures_start_no_process(monkeypatch, drawn_here):
    monkeypatch.delattr(album, "ProcessPoolExecutor")
    found, page = an_album(8)
    assert found.put_into(page) == drawn_here


def test_a_daemon_draws_alone(monkeypatch, few_are_enough, drawn_here):
    monkeypatch.setattr(album.current_process(), "_config", {**album.current_process()._config, "daemon": True})
    monkeypatch.delattr(album, "ProcessPoolExecutor")
    found, page = an_album(2)
    assert found.put_into(page) == drawn_here


@pytest.mark.parametrize("why", [OSError("no more processes"), NotImplementedError("no semaphores")])
def test_where_no_process_can_be_started_all_is_drawn_here(why, monkeypatch, few_are_enough, drawn_here):
    def refuse(*_):
        raise why

    monkeypatch.setattr(album, "ProcessPoolExecutor", refuse)
    found, page = an_album(2)
    assert found.put_into(page) == drawn_here


def test_where_a_process_dies_all_is_drawn_here(monkeypatch, few_are_enough, drawn_here):
    monkeypatch.setattr(album, "_begin", partial(os._exit, 1))
    found, page = an_album(2)
    assert found.put_into(page) == drawn_here


@pytest.mark.parametrize("processes", [1, 2])
def test_an_error_of_a_drawing_is_raised(processes, few_are_enough):
    found = Album(processes, pictures=2)
    places = [found._picture(None, "load_balance"), found._picture(None, "load_balance")]
    with pytest.raises(AttributeError, match="'NoneType' object has no attribute"):
        found.put_into("".join(places))


def test_a_name_that_looks_like_a_place_gets_no_picture(monkeypatch):
    monkeypatch.setattr(album, "draw", lambda *_: b'<svg xmlns="http://www.w3.org/2000/svg"/>')
    pictures = [Parsed(a_report_page(name)).tags["svg"] for name in ("fc", "\x000\x00")]
    assert pictures[0] == pictures[1] > 5
