from pathlib import Path

import pytest

from lczmap.files import replacing, sha256, write_json, write_text


def test_a_file_is_complete_or_absent(tmp_path: Path) -> None:
    target = tmp_path / "new folder" / "a.txt"

    def interrupted() -> None:
        with replacing(target) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(target.parent.iterdir()) == []


def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    write_json(target, {"name": "Köln"})
    with pytest.raises(TypeError):
        write_json(target, {"name": object()})
    assert target.read_text(encoding="utf-8") == '{\n "name": "Köln"\n}\n'


def test_sha256_is_the_standards_test_vector(tmp_path: Path) -> None:
    write_text(tmp_path / "abc", "abc")  # FIPS 180-2, appendix B.1
    assert sha256(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
