# SPDX-License-Identifier: Apache-2.0
"""What `make bench` draws: a picture is a file, and without gnuplot the figures are printed all the same."""
import os

from bench import pictures


def test_bars_and_curves_are_drawn(tmp_path, monkeypatch):
    """Names with what gnuplot would read as its own syntax, a missing bar, and two curves."""
    monkeypatch.setattr(pictures, "FOLDER", str(tmp_path))
    pictures.bars("bars", 'a "title" {with} _ and \\', "Mbit/s", {"one_two": [1.0, None], "two": [3.0, 2.0]}, ["a", "b"])
    pictures.curves("curves", "rate", "Mbit/s", {"a": [(0, 1), (1, 2)], "b": [(0, 2), (1, 1)]}, {0.5: "cut"})
    for name in ("bars", "curves"):
        octets = (tmp_path / (name + ".png")).read_bytes()
        assert octets.startswith(b"\x89PNG") and len(octets) > 5000


def test_without_gnuplot_there_is_no_picture(tmp_path, monkeypatch, capsys):
    """A benchmark does not end because it cannot draw."""
    monkeypatch.setattr(pictures, "FOLDER", str(tmp_path / "pictures"))
    monkeypatch.setenv("PATH", str(tmp_path))
    pictures.bars("bars", "title", "unit", {"one": [1.0]}, ["a"])
    assert "gnuplot-nox" in capsys.readouterr().out
    assert not os.path.exists(tmp_path / "pictures")
