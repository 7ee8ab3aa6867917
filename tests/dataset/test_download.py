import hashlib
import io
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from helpers.common.errors import InputError
from helpers.dataset.sources import download
from helpers.dataset.sources.download import Archive, fetch


def zip_bytes() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("hpatches/i_text/ref.png", bytes(range(256)) * 4000)
    return buffer.getvalue()


CONTENT = zip_bytes()


class Handler(BaseHTTPRequestHandler):
    """Serves CONTENT; the path says how it misbehaves."""

    def do_GET(self):
        server, start = self.server, 0
        server.asked.append(self.headers.get("Range"))
        if self.path in ("/404", "/503"):
            return self.send_error(int(self.path[1:]))
        if self.path != "/no-ranges" and self.headers.get("Range"):
            start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
            if start >= len(CONTENT):
                return self.send_error(416)
            self.send_response(206)
        else:
            self.send_response(200)
        content = b"<html>" if self.path == "/wrong" else CONTENT[start:]
        if self.path != "/unknown-length":
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.path == "/drops":
            content = content[: len(CONTENT) // 3]
        self.wfile.write(content)
        return None

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def archive_at(server, path, **known) -> Archive:
    return Archive("n-hpatches.zip", f"http://127.0.0.1:{server.server_port}{path}", **known)


def test_a_file_is_fetched_once(server, tmp_path):
    for _ in range(2):
        source = fetch("n-hpatches", tmp_path, archive_at(server, "/fine", size=len(CONTENT)))
    assert source == f"n-hpatches:{tmp_path / 'n-hpatches.zip'}"
    assert (tmp_path / "n-hpatches.zip").read_bytes() == CONTENT
    assert len(server.asked) == 1 and len(list(tmp_path.iterdir())) == 1


def test_a_partial_file_is_completed(server, tmp_path):
    (tmp_path / "n-hpatches.zip.part").write_bytes(CONTENT[:1000])
    fetch("n-hpatches", tmp_path, archive_at(server, "/fine"))
    assert server.asked == ["bytes=1000-"]
    assert (tmp_path / "n-hpatches.zip").read_bytes() == CONTENT


def test_a_complete_partial_file_is_taken(server, tmp_path):
    (tmp_path / "n-hpatches.zip.part").write_bytes(CONTENT)
    fetch("n-hpatches", tmp_path, archive_at(server, "/fine"))
    assert (tmp_path / "n-hpatches.zip").read_bytes() == CONTENT


def test_a_server_without_ranges_sends_all_again(server, tmp_path):
    (tmp_path / "n-hpatches.zip.part").write_bytes(b"rubbish")
    fetch("n-hpatches", tmp_path, archive_at(server, "/no-ranges"))
    assert (tmp_path / "n-hpatches.zip").read_bytes() == CONTENT


def test_a_download_that_breaks_off_is_taken_up_by_the_next_call(server, tmp_path):
    archive = archive_at(server, "/drops")
    for _ in range(3):
        with pytest.raises(InputError, match=r"the connection broke.*: run the same command again"):
            fetch("n-hpatches", tmp_path, archive)
    fetch("n-hpatches", tmp_path, archive)
    assert (tmp_path / "n-hpatches.zip").read_bytes() == CONTENT


@pytest.mark.parametrize("code", ["404", "503"])
def test_a_refusal_says_where_else_to_look(code, server, tmp_path):
    with pytest.raises(InputError, match=f"Error {code}: .* get n-hpatches.zip from https"):
        fetch("n-hpatches", tmp_path, archive_at(server, f"/{code}"))
    assert not list(tmp_path.iterdir())


def test_no_connection_says_where_else_to_look(tmp_path):
    archive = Archive("n-hpatches.zip", "http://127.0.0.1:9/")
    with pytest.raises(InputError, match=r"refused.* get n-hpatches.zip from https"):
        fetch("n-hpatches", tmp_path, archive)


@pytest.mark.parametrize("known", [{"size": len(CONTENT)}, {"md5": "0" * 32}])
def test_a_wrong_file_is_not_taken_for_the_dataset(known, server, tmp_path):
    with pytest.raises(InputError, match="delete it and fetch it again"):
        fetch("n-hpatches", tmp_path, archive_at(server, "/wrong", **known))
    assert not (tmp_path / "n-hpatches.zip").exists()


def test_a_folder_that_cannot_be_written_is_named(server, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=rf"cannot be fetched .*{tmp_path}/file"):
        fetch("n-hpatches", tmp_path / "file", archive_at(server, "/fine"))


def test_a_disk_that_runs_full_while_downloading_is_named(server, small_disk):
    (small_disk / "ballast").write_bytes(bytes(2**21 - 2 * 4096))
    with pytest.raises(InputError, match=r"cannot be fetched .*No space left on device"):
        fetch("n-hpatches", small_disk, archive_at(server, "/unknown-length"))


def test_a_file_put_there_by_hand_is_used(tmp_path):
    (tmp_path / "n-hpatches.zip").write_bytes(CONTENT)
    fetch("n-hpatches", tmp_path, Archive("n-hpatches.zip", "http://127.0.0.1:9/"))


@pytest.mark.parametrize("known", [True, False])
def test_what_cannot_be_checked_is_said_with_a_sum_to_compare(known, server, tmp_path, capsys):
    md5 = hashlib.md5(CONTENT).hexdigest() if known else None
    fetch("n-hpatches", tmp_path, archive_at(server, "/fine", md5=md5))
    said = capsys.readouterr().out
    assert ("over http" in said and hashlib.sha256(CONTENT).hexdigest() in said) != known


def test_an_unknown_name_lists_the_known_ones(tmp_path):
    with pytest.raises(InputError, match="n-hpatches, hpatches, sequences"):
        fetch("imagenet", tmp_path)


def tar(path, name, kind=tarfile.REGTYPE):
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo(name)
        member.type, member.linkname, member.size = kind, "/etc", 3 if kind == b"0" else 0
        archive.addfile(member, io.BytesIO(b"abc"))


def test_a_tar_is_unpacked_beside_itself(tmp_path):
    path = tmp_path / "hpatches-release.tar.gz"
    tar(path, "hpatches-release/i_text/ref.png")
    source = fetch("hpatches", tmp_path, Archive(path.name, "http://127.0.0.1:9/"))
    assert source == f"hpatches:{tmp_path / 'hpatches-release'}"
    assert (tmp_path / "hpatches-release/hpatches-release/i_text/ref.png").read_bytes() == b"abc"


def test_a_tar_that_leads_out_of_its_folder_is_refused(tmp_path):
    tar(tmp_path / "bad.tar.gz", "../outside.png")
    with pytest.raises(InputError, match="cannot be unpacked"):
        download.unpack(tmp_path / "bad.tar.gz")
    assert [path.name for path in tmp_path.iterdir()] == ["bad.tar.gz"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_a_tar_with_links_to_elsewhere_is_refused(kind, tmp_path):
    tar(tmp_path / "link.tar.gz", "i_text", kind)
    with pytest.raises(InputError, match="cannot be unpacked"):
        download.unpack(tmp_path / "link.tar.gz")
    assert [path.name for path in tmp_path.iterdir()] == ["link.tar.gz"]


def test_links_within_a_tar_are_left_out(tmp_path):
    with tarfile.open(tmp_path / "chain.tar.gz", "w:gz") as archive:
        for name, kind in (("scene", tarfile.DIRTYPE), ("way", tarfile.SYMTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "scene"
            archive.addfile(member)
    assert [path.name for path in download.unpack(tmp_path / "chain.tar.gz").iterdir()] == ["scene"]


@pytest.mark.parametrize("length", [2, 3, 9, 60])
def test_a_truncated_tar_leaves_nothing(length, tmp_path):
    path = tmp_path / "short.tar.gz"
    tar(path, "i_text/ref.png")
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(InputError, match="cannot be unpacked"):
        download.unpack(path)
    assert [path.name for path in tmp_path.iterdir()] == ["short.tar.gz"]
