"""The command ``view`` before its page opens: what is wrong is said in one line."""

import pytest
from typer.testing import CliRunner

from exports import plan_json
from template_designer import cli
from template_designer.cli import view
from template_designer.errors import CaseError, InputError
from template_designer.page import opening
from template_designer.page.actions import ACTIONS, LONG_ACTIONS
from tests.paths import DEMO
from tests.small_plan import small_plan


def run(*arguments):
    done = CliRunner().invoke(cli.app, ["view", *map(str, arguments)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.output


def test_help_teaches():
    code, text = run("--help")
    assert code == 0
    for word in ("--port", "--no-browser", "--case", "Ctrl-C", "token"):
        assert word in text


def test_without_trame_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(view, "find_spec", lambda _: None)
    with pytest.raises(CaseError, match=r"pip install 'template-designer\[view\]'"):
        run(DEMO / "case.toml")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--port", "-1", "."], "--port -1: choose"),
        (["--port", "70000", "."], "--port 70000: choose"),
        (["nowhere"], "nowhere does not exist"),
        (["."], "name the folder that a plan was written to"),
        ([DEMO / "case.toml", "--case", DEMO / "case.toml"], "is a case itself"),
    ],
)
def test_wrong_input_is_refused(arguments, why, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((CaseError, InputError), match=why):
        run(*arguments)


def test_a_plan_without_its_case_or_with_another_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plan").mkdir()
    (tmp_path / "plan" / "plan.json").write_bytes(plan_json.build(small_plan()))
    with pytest.raises(InputError, match="'case.toml' is not at hand as it was planned"):
        opening.open_plan(tmp_path / "plan")
    with pytest.raises(InputError, match="is not the case of the plan"):
        opening.open_plan(tmp_path / "plan", DEMO / "case.toml")


def test_a_case_is_found_by_its_fingerprint_alone(tmp_path, monkeypatch):
    from types import SimpleNamespace

    from template_designer.inputs.hashing import sha256_of
    from template_designer.model import InputFile

    monkeypatch.chdir(tmp_path)
    case, folder = tmp_path / "case.toml", tmp_path / "out" / "plan"
    folder.mkdir(parents=True)
    case.write_text('id = "a"', encoding="utf-8")
    read = SimpleNamespace(inputs=(InputFile("case.toml", sha256_of(case)),))
    assert opening.find_case(folder, read) == case
    case.write_text('id = "b"', encoding="utf-8")
    with pytest.raises(InputError, match="not at hand"):
        opening.find_case(folder, read)


def test_every_action_has_one_name():
    assert not set(ACTIONS) & set(LONG_ACTIONS)
