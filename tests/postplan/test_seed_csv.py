"""Tables of delivered seeds: what is written is read, other frames, and everything odd refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from template_designer.errors import CaseError
from template_designer.inputs.seed_csv import COLUMNS, SeedRow, read_seed_csv, seed_csv

HEAD = "number,x_mm,y_mm,z_mm\n"


def read(tmp_path, text, **more):
    path = tmp_path / "seeds.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_seed_csv(path, strength_u=0.762, nuclide="I-125", **more)


def refused(tmp_path, text) -> str:
    with pytest.raises(CaseError) as error:
        read(tmp_path, text)
    return str(error.value)


place = st.floats(-900.0, 900.0).map(lambda value: round(value, 3))


@given(st.lists(st.tuples(place, place, place), min_size=1, max_size=6, unique_by=lambda p: p[0]))
def test_what_is_written_is_read(tmp_path_factory, centers):
    spread = [(x + 7.0 * k, y, z) for k, (x, y, z) in enumerate(sorted(centers))]
    rows = [
        SeedRow(k + 1, center, (0.6, 0.0, -0.8) if k % 2 else None)
        for k, center in enumerate(spread)
    ]
    found = read(tmp_path_factory.mktemp("csv"), seed_csv(rows))
    # places are written to 0.001 mm
    assert found.centers_lps_mm == pytest.approx(np.array(spread), abs=5.1e-4)
    assert found.channels == tuple(str(row.number) for row in rows)
    assert found.axis_known.tolist() == [row.axis_lps is not None for row in rows]
    for row, axis in zip(rows, found.axes_lps, strict=True):
        if row.axis_lps is not None:
            assert axis == pytest.approx(row.axis_lps, abs=1e-5)
    assert found.strength_u.tolist() == [0.762] * len(rows)


def test_rows_that_are_no_seeds_are_left_out(tmp_path):
    rows = [SeedRow(1, (1, 2, 3)), SeedRow(2, (4, 5, 6), keep="no"), SeedRow(3, (7, 8, 9))]
    assert read(tmp_path, seed_csv(rows)).channels == ("1", "3")


def test_what_is_not_settled_is_refused(tmp_path):
    rows = [SeedRow(1, (1, 2, 3)), SeedRow(2, (4, 5, 6), None, "uncertain", "touching", "?")]
    said = refused(tmp_path, seed_csv(rows))
    assert "not settled" in said
    assert "2" in said


def test_ras_and_semicolons_and_a_mark_of_order(tmp_path):
    text = "\ufeffX_RAS_mm;y_ras_mm;z_ras_mm;ax;ay;az\n1;2;3;0;0;2\n-4;5;6;;;\n"
    found = read(tmp_path, text)
    assert found.centers_lps_mm.tolist() == [[-1.0, -2.0, 3.0], [4.0, -5.0, 6.0]]
    assert found.axes_lps[0].tolist() == [0.0, 0.0, 1.0]
    assert not found.axis_known[1]


def test_columns_are_those_of_find_seeds():
    assert seed_csv([]).decode().strip() == ",".join(COLUMNS)
    assert ",".join(COLUMNS) == "number,x_mm,y_mm,z_mm,ax,ay,az,state,reason,keep"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HEAD, "holds no seed"),
        ("", "is empty"),
        ("x_cm,y_cm,z_cm\n1,2,3\n", "in cm"),
        ("x,y,z\n1,2,3\n", "x_mm, y_mm, z_mm"),
        ("x_mm,y_mm,z_mm,x_ras_mm,y_ras_mm,z_ras_mm\n1,2,3,1,2,3\n", "two frames"),
        ("x_mm,x_mm,y_mm,z_mm\n1,1,2,3\n", "twice"),
        (HEAD + "1,1,2,abc\n", "line 2: z_mm = 'abc'"),
        (HEAD + "1,1,2\n", "line 2: z_mm = ''"),
        (HEAD + "1,nan,2,3\n", "x_mm = 'nan'"),
        (HEAD + "1,1e9,2,3\n", "no place"),
        (HEAD + "1,1,2,3\n2,1.05,2,3\n", "stands there twice"),
        ("x_mm,y_mm,z_mm,ax\n1,2,3,1\n", "not all of ax, ay, az"),
        ("x_mm,y_mm,z_mm,ax,ay,az\n1,2,3,0,0,0\n", "no length"),
        ("x_mm,y_mm,z_mm,keep\n1,2,3,maybe\n", "yes, no or ?"),
        ("x_mm;y_mm;z_mm\n1,5;2;3\n", "decimal point"),
        (b"\xff\xfe\x00\x01", "UTF-8"),
    ],
)
def test_every_odd_table_is_one_clear_error(tmp_path, text, words):
    assert words in refused(tmp_path, text)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(CaseError, match="is not a file"):
        read_seed_csv(tmp_path / "none.csv", strength_u=0.7, nuclide="I-125")
