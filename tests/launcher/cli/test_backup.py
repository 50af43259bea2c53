"""`launcher backup` and `restore`: a file or folder that is not there is named."""

from launcher.__main__ import main


def test_a_folder_or_file_that_is_not_there_is_named(tmp_path, capsys):
    nowhere = tmp_path / "no" / "x.tar"
    assert main(["backup", str(nowhere), "--data", str(tmp_path)]) == 1
    assert f"There is no folder {nowhere.parent}." in capsys.readouterr().err
    for check in ([], ["--check"]):
        assert main(["restore", str(nowhere), *check, "--data", str(tmp_path / "new")]) == 1
        assert f"There is no file {nowhere}." in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
