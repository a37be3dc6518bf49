from exports import EXPORTERS, preview, write_plan


def test_every_format_has_one_line():
    assert set(EXPORTERS) >= {"plan.json", "template*.stl", "needles.csv", "preview.png"}


def test_the_real_exporters_without_opengl(plan, tmp_path, monkeypatch):
    problem = "no picture: OpenGL libraries are missing; apt install libegl1 libgl1"
    monkeypatch.setattr(preview, "rendering_problem", lambda: problem)
    written = write_plan(plan, tmp_path / "out")
    assert {path.name for path in written.files} == {"plan.json", "template.stl", "needles.csv"}
    assert "libegl1 libgl1" in written.notes[0]
