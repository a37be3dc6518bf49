"""Transforms from text files: rigid ones to the last digit, all others refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from template_designer.errors import CaseError
from template_designer.inputs.transform_file import read_transform


def written(path, matrix, digits=6):
    path.write_text(
        "# from the later day to the preplan\n"
        + "\n".join(" ".join(f"{value:.{digits}f}" for value in row) for row in matrix)
    )
    return path


angles = st.tuples(*[st.floats(-180.0, 180.0)] * 3)


@given(angles, st.tuples(*[st.floats(-500.0, 500.0)] * 3))
def test_a_rounded_rotation_comes_back_rigid(tmp_path_factory, degrees, shift):
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    matrix[:3, 3] = shift
    got = read_transform(written(tmp_path_factory.mktemp("t") / "t.txt", matrix))
    assert got[:3, :3] @ got[:3, :3].T == pytest.approx(np.eye(3), abs=1e-14)
    assert got == pytest.approx(matrix, abs=2e-6)  # six decimals


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m * np.array([[2.0], [1.0], [1.0], [1.0]]), "scales or shears"),
        (lambda m: m * np.array([[-1.0], [1.0], [1.0], [1.0]]), "mirrors"),
        (lambda m: m + np.array([[0, 0.2, 0, 0], *np.zeros((3, 4))]), "scales or shears"),
        (lambda m: m.T + np.diag([0, 0, 0, 1.0]) * 4, "last row"),
        (lambda m: m[:3], "12 numbers in 3 rows"),
        (lambda m: m * np.nan, "four rows"),
    ],
)
def test_what_is_not_rigid_is_refused(tmp_path, change, words):
    with pytest.raises(CaseError, match="registration") as error:
        read_transform(written(tmp_path / "t.txt", change(np.eye(4))))
    assert words in str(error.value)


@pytest.mark.parametrize("text", ["1 2\n3\n", "one two", ""])
def test_what_is_no_table_is_refused(tmp_path, text):
    (tmp_path / "t.txt").write_text(text)
    with pytest.raises(CaseError, match=r"t\.txt"):
        read_transform(tmp_path / "t.txt")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(CaseError, match="shared, or rigid"):
        read_transform(tmp_path / "none.txt")
