"""`launcher doctor`: what is wrong with a box is named, with the way out."""

from launcher.cli.doctor import machine
from launcher.config import load_config


def test_a_credential_that_others_can_read_is_named(tmp_path):
    token = tmp_path / "token"
    token.write_text("s3cret")
    settings = tmp_path / "settings.yml"
    settings.write_text(
        f"git: {{credentials: {{course: {{url: 'https://h/org/', token_file: {token}}}}}}}\n"
    )
    config = load_config(settings, data=str(tmp_path / "data"))
    for mode, ok in ((0o644, False), (0o600, True)):
        token.chmod(mode)
        (found,) = [one for one in machine(config) if one.name == "credential course"]
        assert found.ok is ok
        assert "chmod 600" in found.way_out
        assert "s3cret" not in str(found)
