"""Downloads without a network: the real opener, with the last step of https answered from memory."""

import email.message
import gzip
import hashlib
import io
import stat
import tarfile
import urllib.error
import urllib.request
import urllib.response
import zipfile
from pathlib import Path

import numpy as np
import pytest

import https_server
from augdistill import data
from augdistill.base.errors import DataError, WorkError
from augdistill.data import (
    cifar10,
    cifar10_1,
    cifar10h,
    cifar100,
    cinic10,
    download,
    fashion_mnist,
    mnist,
    svhn,
    tiny_imagenet,
)
from data_files import (
    BATCHES,
    archive,
    human_probabilities,
    write_cifar10,
    write_cifar10_1,
    write_cifar10h,
    write_cifar100,
    write_cinic10,
    write_mnist,
    write_svhn,
)

URL = "https://example.org/file.bin"


@pytest.fixture
def web(monkeypatch) -> dict[str, bytes | str | Exception]:
    """Pages by address: content, the address of a redirect, or an error; anything else is 404."""
    pages: dict[str, bytes | str | Exception] = {}

    def answer(self: object, request: urllib.request.Request) -> urllib.response.addinfourl:
        page = pages.get(request.full_url)
        headers = email.message.Message()
        if isinstance(page, Exception):
            raise page
        if isinstance(page, bytes):
            headers["Content-Length"] = str(len(page))
        elif page is not None:
            headers["Location"] = page
        code = 200 if isinstance(page, bytes) else 404 if page is None else 302
        content = page if isinstance(page, bytes) else b""
        response = urllib.response.addinfourl(io.BytesIO(content), headers, request.full_url, code)
        response.msg = "answer"
        return response

    monkeypatch.setattr(urllib.request.HTTPSHandler, "https_open", answer)
    monkeypatch.setattr(urllib.request.HTTPHandler, "http_open", answer)
    monkeypatch.setattr(urllib.request, "getproxies", dict)
    return pages


def md5(content: bytes) -> str:
    return f"md5:{hashlib.md5(content).hexdigest()}"


def wanted(content: bytes, *urls: str, max_bytes: int = 10**6) -> download.Download:
    return download.Download(urls or (URL,), md5(content), max_bytes)


def test_a_file_arrives_whole_through_an_https_redirect(tmp_path, web) -> None:
    content = bytes(range(256)) * 10_000
    web["https://example.org/moved"] = URL
    web[URL] = content
    download.download(wanted(content, "https://example.org/moved", max_bytes=len(content)), tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == content


@pytest.mark.parametrize(
    ("page", "url", "error", "words"),
    [
        (b"other", URL, DataError, "sent 5 bytes with md5 795f3202b17cb6bc3d4b771d8c6c9eaf"),
        (b"right" * 300_000, URL, DataError, "more than the 1,000,000 bytes"),
        ("http://example.org/file.bin", URL, DataError, "http://example.org/file.bin is refused: only https"),
        ("ftp://example.org/file.bin", URL, DataError, "only https"),
        (b"right", "http://example.org/file.bin", DataError, "only https"),
        (b"right", "file:///etc/passwd", DataError, "only https"),
        (None, URL, WorkError, "HTTP Error 404"),
        (urllib.error.URLError("no route"), URL, WorkError, "could not be downloaded: no route"),
        (ConnectionResetError(), URL, WorkError, "ConnectionResetError"),
    ],
)
def test_a_download_that_fails_leaves_nothing(tmp_path, web, page, url, error, words) -> None:
    web["http://example.org/file.bin"] = b"right"
    if page is not None:
        web[url] = page
    with pytest.raises(error, match=words) as caught:
        download.fetch_files({"file": wanted(b"right", url)}, tmp_path / "new" / "set")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_the_next_address_is_tried(tmp_path, web, caplog) -> None:
    web["https://example.org/page"] = b"<html>not here</html>"
    web[URL] = b"right"
    urls = ("https://example.org/gone", "https://example.org/page", URL)
    download.download(wanted(b"right", *urls), tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"right"
    assert sum("trying the next address" in line for line in caplog.messages) == 2


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (https_server.nothing, WorkError, "could not be downloaded: Remote end closed connection without response"),
        (https_server.page(b""), DataError, "sent 0 bytes with md5"),
        (https_server.page(b"<html>Sign in</html>"), DataError, "sent 20 bytes with md5"),
        (https_server.page(b"rig", length=5), WorkError, "sent 3 of 5 bytes, then ended: nothing was kept"),
        (https_server.stalls, WorkError, "timed out"),
        (https_server.drips, WorkError, "it sends less than 65,536 bytes in 1 s"),
    ],
    ids=["nothing", "empty", "a web page", "half", "stalls", "drips"],
)
def test_after_a_server_that_fails_the_next_try_works(tmp_path, monkeypatch, answer, error, words) -> None:
    monkeypatch.setattr(download, "TIMEOUT", 1)
    monkeypatch.setattr(urllib.request, "getproxies", dict)
    root = tmp_path / "data"
    with https_server.serving(tmp_path, [answer, https_server.page(b"right")]) as (url, certificate):
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        with pytest.raises(error, match=words) as caught:
            download.fetch_files({"file": wanted(b"right", url)}, root / "set")
        assert "\n" not in str(caught.value)
        assert not root.exists()
        download.fetch_files({"file": wanted(b"right", url)}, root / "set")
    assert (root / "set" / "file").read_bytes() == b"right"
    assert [path.name for path in root.iterdir()] == ["set"]


def link(kind: bytes, name: str = "set/link") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, "/etc/passwd"
    return member


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"set/a": b"1", "set/../../escaped": b"2"}, "leads out of it"),
        ({"set/a": b"1", "/tmp/escaped": b"2"}, "leads out of it"),
        ({"set/a": b"1", "..": b"2"}, "leads out of it"),
        ({"set/a": b"1", "set\\..\\b": b"2"}, "leads out of it"),
        ({"set/a": b"1", "b": link(tarfile.SYMTYPE)}, "a link or special file"),
        ({"set/a": b"1", "b": link(tarfile.LNKTYPE)}, "a link or special file"),
        ({"set/a": b"1", "b": link(tarfile.FIFOTYPE)}, "a link or special file"),
        ({"set/a": b"1", "b": link(tarfile.CHRTYPE)}, "a link or special file"),
        ({f"set/{index}": b"" for index in range(11)}, "more than 10 members"),
        ({"set/a": bytes(200_000)}, "unpacks to more"),
        ({"skipped": bytes(200_000), "set/a": b"1"}, "unpacks to more"),
        ({"other/a": b"1"}, "holds no folder set"),
        ({"set/a": b"1", "set/a/b": b"2"}, "damaged"),
    ],
)
def test_an_archive_that_is_not_plain_files_is_refused_whole(tmp_path, web, members, words) -> None:
    web[URL] = archive(members)
    with pytest.raises(DataError, match=words):
        download.fetch_archive(wanted(web[URL]), tmp_path / "in" / "set", folder="set", max_files=10, max_bytes=100_000)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("cut", [60, 110, 900])
def test_a_damaged_archive_is_refused(tmp_path, web, cut) -> None:
    web[URL] = archive({"set/a": np.random.default_rng(0).bytes(1000)})[:-cut]
    with pytest.raises(DataError, match="damaged"):
        download.fetch_archive(wanted(web[URL]), tmp_path / "set", folder="set", max_files=10, max_bytes=10**5)
    assert not list(tmp_path.iterdir())


def test_an_archive_gives_names_and_contents_and_nothing_else(tmp_path, web) -> None:
    program = tarfile.TarInfo("./top/set/sub/program")
    program.mode = 0o4755
    web[URL] = archive({"./top/set/a": b"1", "./top/readme": b"2", "p": program})
    download.fetch_archive(wanted(web[URL]), tmp_path / "set", folder="set", max_files=10, max_bytes=10**5)
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()} == {
        "set/a",
        "set/sub/program",
    }
    assert not (tmp_path / "set" / "sub" / "program").stat().st_mode & 0o7111


def files_below(folder: Path, top: Path) -> dict[str, bytes]:
    return {str(path.relative_to(top)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_fetch_cifar10(tmp_path, web, monkeypatch) -> None:
    written = write_cifar10(tmp_path / "publisher")
    files = files_below(tmp_path / "publisher", tmp_path / "publisher")
    content = archive({**files, "cifar-10-batches-py/readme.html": b""})
    monkeypatch.setattr(cifar10, "ARCHIVE", wanted(content, *cifar10.ARCHIVE.urls, max_bytes=len(content)))
    web[cifar10.ARCHIVE.urls[0]] = content
    data.fetch("cifar10", tmp_path / "data")
    assert [path.name for path in (tmp_path / "data").iterdir()] == [cifar10.FOLDER]
    images = cifar10.read(tmp_path / "data", "test", verify=False).images
    assert np.array_equal(images, written["test_batch"][0])
    web.clear()
    data.fetch("cifar10", tmp_path / "data")  # there already: no second download
    (tmp_path / "data" / cifar10.FOLDER / BATCHES[2]).unlink()
    with pytest.raises(DataError, match="is there, but incomplete: move it away"):
        data.fetch("cifar10", tmp_path / "data")


def test_fetch_cinic10_takes_the_test_fold_alone(tmp_path, web, monkeypatch) -> None:
    write_cinic10(tmp_path / "publisher")
    top = tmp_path / "publisher" / "CINIC-10"
    files = {f"./{name}": content for name, content in files_below(top, top).items()}
    content = archive({**files, "./train/airplane/n1_1.png": b"1", "./valid/cat/n1_2.png": b"2"})
    monkeypatch.setattr(cinic10, "ARCHIVE", wanted(content, *cinic10.ARCHIVE.urls))
    web[cinic10.ARCHIVE.urls[1]] = content
    data.fetch("cinic10", tmp_path / "data")
    assert files_below(tmp_path / "data", tmp_path / "data" / "CINIC-10") == files_below(top, top)
    assert len(cinic10.read(tmp_path / "data", "test", verify=True).labels) == 20


def test_fetch_mnist_and_cifar10h(tmp_path, web, monkeypatch) -> None:
    folder = write_mnist(tmp_path / "publisher", zipped=True)
    for path in folder.iterdir():
        web[f"https://ossci-datasets.s3.amazonaws.com/mnist/{path.name}"] = path.read_bytes()
        monkeypatch.setitem(mnist.ARCHIVES, path.name, md5(path.read_bytes()))
    data.fetch("mnist", tmp_path / "data")
    assert len(mnist.read(tmp_path / "data", "train", verify=False).labels) == 40
    human = write_cifar10h(tmp_path / "publisher", human_probabilities()).read_bytes()
    web[cifar10h.PROBABILITIES.urls[0]] = human
    with pytest.raises(DataError, match="nothing was kept"):
        data.fetch("cifar10h", tmp_path / "data")
    monkeypatch.setattr(cifar10h, "PROBABILITIES", wanted(human, *cifar10h.PROBABILITIES.urls))
    data.fetch("cifar10h", tmp_path / "data")
    data.fetch("cifar10h", tmp_path / "data")  # CIFAR-10 is missing, but that is not what was asked for
    assert data.load_human_labels("cifar10h", root=tmp_path / "data", verify=False).probabilities.shape == (10_000, 10)


def test_a_gzip_bomb_stops_at_the_cap(tmp_path) -> None:
    path = tmp_path / "bomb.tar.gz"
    with gzip.open(path, "wb") as file:
        member = tarfile.TarInfo("set/a")
        member.size = 2**33
        file.write(member.tobuf())
        for _ in range(64):
            file.write(bytes(2**20))
    with pytest.raises(DataError, match="unpacks to more"):
        download.extract(path, tmp_path / "out", "set", max_files=10, max_bytes=2**20)
    assert sum(file.stat().st_size for file in (tmp_path / "out").rglob("*") if file.is_file()) <= 2**20


def zipped(members: dict[str, bytes], kinds: dict[str, int] | None = None) -> bytes:
    """Return a .zip of files by name, some of other kinds than plain files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in members.items():
            member = zipfile.ZipInfo(name)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = (kinds or {}).get(name, stat.S_IFREG | 0o4755) << 16
            made.writestr(member, content)
    return buffer.getvalue()


ZIP = "https://example.org/set.zip"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (zipped({"set/a": b"1", "set/../../escaped": b"2"}), "leads out of it"),
        (zipped({"set/a": b"1", "/tmp/escaped": b"2"}), "leads out of it"),
        (zipped({"set/a": b"1", "set\\..\\b": b"2"}), "leads out of it"),
        (zipped({"set/a": b"1", "b": b"/etc"}, {"b": stat.S_IFLNK}), "a link or special file"),
        (zipped({f"set/{index}": b"" for index in range(11)}), "more than 10 members"),
        (zipped({"set/a": bytes(200_000)}), "unpacks to more"),
        (zipped({"set/a": bytes(60_000), "set/b": bytes(60_000)}), "unpacks to more"),
        (zipped({"other/a": b"1"}), "holds no folder set"),
        (zipped({"set/a": b"1", "set/a/b": b"2"}), "damaged"),
        (zipped({"set/a": np.random.default_rng(0).bytes(1000)})[:-60], "damaged"),
        (zipped({"set/a": np.random.default_rng(0).bytes(1000)}).replace(b"set/a", b"set/b", 1), "damaged"),
    ],
)
def test_a_zip_that_is_not_plain_files_is_refused_whole(tmp_path, web, content, words) -> None:
    web[ZIP] = content
    wish = wanted(content, ZIP)
    with pytest.raises(DataError, match=words) as caught:
        download.fetch_archive(wish, tmp_path / "in" / "set", folder="set", max_files=10, max_bytes=100_000)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_zip_gives_names_and_contents_and_nothing_else(tmp_path, web) -> None:
    web[ZIP] = zipped({"set/": b"", "set/sub/a": b"1", "readme": b"2"}, {"set/": stat.S_IFDIR})
    download.fetch_archive(wanted(web[ZIP], ZIP), tmp_path / "set", folder="set", max_files=10, max_bytes=10)
    assert files_below(tmp_path, tmp_path) == {"set/sub/a": b"1"}
    assert not (tmp_path / "set" / "sub" / "a").stat().st_mode & 0o7111


def test_fetch_cifar100_and_tiny_imagenet(tmp_path, web, monkeypatch) -> None:
    folder = write_cifar100(tmp_path / "publisher")
    content = archive(files_below(folder, folder.parent))
    monkeypatch.setattr(cifar100, "ARCHIVE", wanted(content, *cifar100.ARCHIVE.urls, max_bytes=10**7))
    web[cifar100.ARCHIVE.urls[0]] = content
    data.fetch("cifar100", tmp_path / "data")
    assert len(cifar100.read(tmp_path / "data", "train", verify=False).labels) == 200
    content = zipped({"tiny-imagenet-200/wnids.txt": b"n1", "tiny-imagenet-200/val/images/a.JPEG": b"1"})
    monkeypatch.setattr(tiny_imagenet, "ARCHIVE", wanted(content, *tiny_imagenet.ARCHIVE.urls))
    web[tiny_imagenet.ARCHIVE.urls[0]] = content
    data.fetch("tiny-imagenet", tmp_path / "data")
    found = tmp_path / "data" / tiny_imagenet.FOLDER
    assert files_below(found, found) == {"val/images/a.JPEG": b"1", "wnids.txt": b"n1"}


def test_fetch_files_of_fashion_mnist_svhn_and_cifar10_1(tmp_path, web, monkeypatch) -> None:
    published = tmp_path / "publisher"
    write_mnist(published, zipped=True, name="FashionMNIST")
    write_svhn(published)
    write_cifar10_1(published, "v4")
    write_cifar10_1(published, "v6")
    for folder, address, checksums in (
        (published / fashion_mnist.FOLDER, fashion_mnist.REPOSITORY, fashion_mnist.ARCHIVES),
        (published / svhn.FOLDER, svhn.HOST, svhn.CHECKSUMS),
        (published / cifar10_1.FOLDER, cifar10_1.REPOSITORY, cifar10_1.CHECKSUMS),
    ):
        for path in folder.iterdir():
            web[f"{address}{path.name}"] = path.read_bytes()
            monkeypatch.setitem(checksums, path.name, md5(path.read_bytes()))
    for name in ("fashion-mnist", "svhn", "cifar10.1-v6"):
        data.fetch(name, tmp_path / "data")
    web.clear()
    data.fetch("cifar10.1-v4", tmp_path / "data")  # which came with the other version
    assert files_below(tmp_path / "data", tmp_path / "data") == files_below(published, published)


def test_every_address_is_https() -> None:
    downloads = [cifar10.ARCHIVE, cifar100.ARCHIVE, cinic10.ARCHIVE, cifar10h.PROBABILITIES, tiny_imagenet.ARCHIVE]
    urls = [url for file in downloads for url in file.urls]
    urls += [mnist.MIRROR, fashion_mnist.REPOSITORY, svhn.HOST, cifar10_1.REPOSITORY]
    assert all(url.startswith("https://") for url in urls)
