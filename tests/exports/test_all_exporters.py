from exports import EXPORTERS, file_names, preview, views, write_plan


def test_every_format_has_one_line():
    assert set(EXPORTERS) >= {
        "plan.json",
        "template*.stl",
        "needles.csv",
        "preview.png",
        "scene.html",
    }


def test_the_real_exporters_without_opengl(plan, tmp_path, monkeypatch):
    problem = "no picture: OpenGL libraries are missing; apt install libegl1 libgl1"
    for module in (preview, views):
        monkeypatch.setattr(module, "rendering_problem", lambda: problem)
    written = write_plan(plan, tmp_path / "out")
    names = {path.relative_to(written.folder).as_posix() for path in written.files}
    surfaces = {f"slicer/structures/{name}.vtp" for name in plan.surfaces}
    several = {
        "preview.png",
        "views/**.png",
        "slicer/structures/**.vtp",
        "slices/**.png",
        "dvh.png",
    }
    assert names == (set(file_names(plan)) - several) | surfaces
    assert any("libegl1 libgl1" in note for note in written.notes)
