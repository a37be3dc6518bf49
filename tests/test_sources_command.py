"""``template-designer sources``: the list, one model's data sheet, its curves."""

import sys
from importlib import resources

import pytest

from dose import source_names
from template_designer import cli


@pytest.fixture
def command(capsys, monkeypatch):
    """Run the command in this process: exit code, output, last line of errors."""

    def run(*arguments):
        monkeypatch.setenv("COLUMNS", "80")
        monkeypatch.setattr(sys, "argv", ["template-designer", "sources", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        told = capsys.readouterr()
        return stop.value.code, told.out, told.err.strip().splitlines()[-1:]

    return run


@pytest.fixture
def own(tmp_path):
    text = resources.files("dose.sources").joinpath("i125_6711.toml").read_text(encoding="utf-8")
    path = tmp_path / "my seed.toml"
    path.write_text(
        text.replace('"I125-6711"', '"Own-1"').replace("verified = true", "verified = false")
    )
    return path


def test_without_a_model_all_are_listed(command):
    code, out, _ = command()
    assert code == 0
    for name in source_names():
        assert name in out
    assert "usual strength" in out
    assert "g 0.1-10 cm, F 0.5-5 cm" in out
    assert "g_L(r)" not in out


def test_one_models_sheet_says_how_to_get_curves(command, tmp_path):
    code, out, _ = command("I125-6711")
    assert code == 0
    for word in ("0.965", "F(r, theta)", "phi_an", "along", "0.0803", "--plot FILE"):
        assert word in out
    assert "Pd103-200" not in out
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_curves_are_drawn(command, tmp_path, suffix):
    target = tmp_path / f"curves.{suffix}"
    code, out, _ = command("I125-6711", "--plot", target)
    assert code == 0
    assert "Wrote" in out
    assert "--plot FILE" not in out
    assert target.stat().st_size > 10_000
    assert [path.name for path in tmp_path.iterdir()] == [target.name]
    code, _, (line,) = command("I125-6711", "--plot", target)
    assert code == 2
    assert "--overwrite" in line
    assert command("I125-6711", "--plot", target, "--overwrite")[0] == 0


def test_a_file_of_the_users_own_is_shown_and_drawn(command, own, tmp_path):
    code, out, _ = command(own, "--plot", tmp_path / "own.svg")
    assert code == 0
    assert "Own-1" in out
    assert "NOT cross-checked" in out
    assert (tmp_path / "own.svg").is_file()


WRONG = {
    # name: (arguments, words of the message)
    "unknown model": (["I125-6712"], ["I125-6712", "I125-6711"]),
    "missing file": (["{tmp}/none.toml"], ["none.toml", "not a source file"]),
    "no table": (["{tmp}/bad.toml"], ["bad.toml", "status is missing"]),
    "another suffix": (["I125-6711", "--plot", "{tmp}/a.jpg"], ["a.jpg", ".png, .svg, .pdf"]),
    "missing folder": (["I125-6711", "--plot", "{tmp}/x/a.png"], ["/x", "not a folder"]),
    "a plot of nothing": (["--plot", "{tmp}/a.png"], ["--plot", "MODEL"]),
    "a check of one": (["I125-6711", "--validate"], ["--validate", "leave out"]),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_wishes_are_one_line_and_write_nothing(command, tmp_path, name):
    arguments, words = WRONG[name]
    (tmp_path / "bad.toml").touch()
    code, out, (line,) = command(*(a.replace("{tmp}", str(tmp_path)) for a in arguments))
    assert code == 2
    assert line.startswith("template-designer: ")
    for word in words:
        assert word in line
    assert not out
    assert [path.name for path in tmp_path.iterdir()] == ["bad.toml"]
