"""Which cases a command line names: files, folders, tables; two of one id are refused."""

import datetime
from pathlib import Path

import pytest

from template_designer.cohort.cases import find_cases
from template_designer.errors import CaseError


def case_file(path, text='id = "A"\n'):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_files_folders_and_tables_come_in_the_order_of_ids(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    one = case_file(tmp_path / "one" / "case.toml", 'id = "Z 1"\n')
    two = case_file(tmp_path / "two.toml", 'id = "B"\n')
    three = case_file(tmp_path / "set" / "x" / "case.toml", 'id = "C"\n')
    four = case_file(tmp_path / "set" / "y.toml", 'id = "a"\n')
    for name in ("seeds.csv", "move.txt"):
        (tmp_path / "set" / name).write_text("x")
    table = tmp_path / "set" / "cases.csv"
    table.write_text(
        "# a remark\ncase;seeds;ct;registration;strength_u;implanted\n"
        "x;seeds.csv;after;move.txt;0.7;2026-12-01\n\ny.toml;;;;;\n",
        encoding="utf-8-sig",
    )
    found = find_cases([Path("one"), two, table])
    assert [case.id for case in found] == ["B", "C", "Z 1", "a"]
    assert [case.case_file for case in found] == [two, three, one, four]
    assert [case.delivered is None for case in found] == [True, False, True, True]
    delivered = found[1].delivered
    assert delivered.seeds == tmp_path / "set" / "seeds.csv"
    assert delivered.ct == tmp_path / "set" / "after"
    assert delivered.structures is None
    assert delivered.registration == str(tmp_path / "set" / "move.txt")
    assert delivered.strength_u == 0.7
    assert delivered.implanted == datetime.date(2026, 12, 1)


def test_a_case_that_cannot_be_read_has_the_name_of_its_file(tmp_path):
    broken = case_file(tmp_path / "Müller 7" / "case.toml", 'id = "no end\n')
    unsafe = case_file(tmp_path / "b.toml", 'id = "../../etc"\n')
    table = tmp_path / "t.csv"
    table.write_text("case\ngone/case.toml\n")
    found = {case.id: case.case_file for case in find_cases([broken, unsafe, table])}
    assert found == {
        "M_ller_7": broken,
        "b": unsafe,
        "gone": tmp_path / "gone" / "case.toml",
    }


def test_two_cases_of_one_id_are_refused(tmp_path):
    first = case_file(tmp_path / "1" / "case.toml", 'id = "L1-demo"\n')
    second = case_file(tmp_path / "2" / "case.toml", 'id = "l1-DEMO"\n')
    with pytest.raises(CaseError, match="L1-demo|l1-DEMO") as error:
        find_cases([first, second])
    assert str(first) in str(error.value)
    assert str(second) in str(error.value)
    with pytest.raises(CaseError, match="the same file"):
        find_cases([first, first.parent])


BAD_TABLES = {
    "empty": ("", "is empty"),
    "no cases": ("case,seeds\n", "lists no case"),
    "no column case": ("seeds,ct\ns.csv,ct\n", "no column 'case'"),
    "a misspelt column": ("case,sedes\na,s.csv\n", "'seeds'"),
    "a column twice": ("case,case\na,b\n", "stands twice"),
    "no file in a line": ("case,seeds\n,s.csv\n", "case 1 names no case file"),
    "a CT without seeds": ("case,seeds,ct\na,,after\n", "no seeds"),
    "a strength in words": ("case,seeds,strength_u\na,s.csv,strong\n", "0.762"),
    "a day of another calendar": ("case,seeds,implanted\na,s.csv,1.12.2026\n", "2026-12-01"),
}


@pytest.mark.parametrize("what", BAD_TABLES)
def test_a_table_that_cannot_be_used_is_one_clear_error(tmp_path, what):
    text, clue = BAD_TABLES[what]
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(CaseError, match=clue) as error:
        find_cases([tmp_path / "t.csv"])
    assert "\n" not in str(error.value)


def test_what_is_not_there_is_refused(tmp_path):
    (tmp_path / "folder").mkdir()
    for name, clue in (("gone.toml", "not there"), ("folder", "without case.toml")):
        with pytest.raises(CaseError, match=clue):
            find_cases([tmp_path / name])
    with pytest.raises(CaseError, match="no case"):
        find_cases([])
    with pytest.raises(CaseError, match="not there"):
        find_cases([tmp_path / "gone.csv"])
    (tmp_path / "u.csv").write_bytes("case\na\n".encode("utf-16"))
    with pytest.raises(CaseError, match="UTF-8"):
        find_cases([tmp_path / "u.csv"])
