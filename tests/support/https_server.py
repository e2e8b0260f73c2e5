"""An https server of this machine, whose answers a test writes byte by byte; it serves until the test ends."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# Of nobody and for nothing else: openssl req -x509 -newkey ec -subj /CN=localhost -days 36500
PEM = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgrj1cApxKktNBmWFS
TWUEzk1eeRhr/7LTFiTuuRkr3VChRANCAAQrS+cu15FSI9aRBYPQF2o9JEzcOLCo
JprcBAZCKbO6AaNAVd8fRZ0sGS22B8Vaq5RshEu17srFLWF8oWuOP5PE
-----END PRIVATE KEY-----
-----BEGIN CERTIFICATE-----
MIIBljCCATugAwIBAgIUFaaNMel3fduzdoPyxvw6PpZluXMwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyOTA4MDY1N1oYDzIxMjYxMTA1
MDgwNjU3WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAQrS+cu15FSI9aRBYPQF2o9JEzcOLCoJprcBAZCKbO6AaNAVd8fRZ0s
GS22B8Vaq5RshEu17srFLWF8oWuOP5PEo2kwZzAdBgNVHQ4EFgQUPHzWMh+lhMhZ
/Pp4DIG/MxZDa4swHwYDVR0jBBgwFoAUPHzWMh+lhMhZ/Pp4DIG/MxZDa4swFAYD
VR0RBA0wC4IJbG9jYWxob3N0MA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwID
SQAwRgIhANXBwGNipZqT5Ud8omj3ZeEcdKVuGQKGq0aCCaLjMcCFAiEAnbWRlnKw
5A1F1/fvOPl57oz/mTTIIkm5UagzYLcvArY=
-----END CERTIFICATE-----
"""

Answer = Callable[[ssl.SSLSocket], None]


@contextmanager
def serving(folder: Path, answers: list[Answer]) -> Iterator[tuple[str, Path]]:
    """Yield the address of a server and the file of its certificate; each request takes the next of the answers."""
    certificate = folder / "localhost.pem"
    certificate.write_text(PEM)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with socket.create_server(("localhost", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener, context, answers), daemon=True)
        thread.start()
        yield f"https://localhost:{listener.getsockname()[1]}/file.bin", certificate
        thread.join(timeout=60)
        assert not thread.is_alive(), "not every answer was asked for"


def serve(listener: socket.socket, context: ssl.SSLContext, answers: list[Answer]) -> None:
    """Give the answers, one to each connection."""
    for answer in answers:
        connection, _ = listener.accept()
        with suppress(OSError), context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(65536)
            answer(secure)


def page(content: bytes, *, length: int | None = None) -> Answer:
    """Return an answer that sends `content` and says that it has `length` bytes."""
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(content) if length is None else length}\r\n\r\n"
    return lambda connection: connection.sendall(head.encode() + content)


def nothing(connection: ssl.SSLSocket) -> None:
    """Close without a word."""


def stalls(connection: ssl.SSLSocket) -> None:
    """Send a beginning, then nothing until the other side gives up."""
    page(b"ri", length=5)(connection)
    connection.recv(1)


def drips(connection: ssl.SSLSocket) -> None:
    """Send a byte now and then until the other side gives up."""
    page(b"", length=10**6)(connection)
    connection.settimeout(0.1)
    while True:
        connection.sendall(b"x")
        with suppress(TimeoutError):
            if not connection.recv(1):
                return
