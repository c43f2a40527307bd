"""Which files are taken, by what is in them; requests to S3 are signed as AWS has it; links to files end."""

import io
import zipfile
import zlib
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from service.attachments.kinds import kind_of
from service.attachments.s3 import Credentials, signed
from service.dispatch.file_links import file_token, read_file_token
from service.domain.errors import Rejection
from service.keyring import Keyring
from service.s3_address import Bucket, bucket_of
from tests.support.events import NOON

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


def office(*names: str, **said: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as parts:
        for name in names:
            parts.writestr(name, said.get(name.rpartition(".")[2], "x"))
    return file.getvalue()


def pdf(*objects: bytes) -> bytes:
    """With a picture whose bytes happen to look like names, and objects in a stream of their own."""
    packed = b"<< /Type /ObjStm >> stream\n" + zlib.compress(b"".join(objects)) + b"\nendstream"
    return b"%PDF-1.7\n<< /AAPL:Keywords [] /OpenAction [3 0 R /Fit] >> stream\n/JS\x01/AA /JSx\nendstream\n" + packed


SETTINGS = ("word/document.xml", "word/_rels/settings.xml.rels")
FETCHED = 'Type="http://x/relationships/attachedTemplate" Target="http://x/a.dotm" TargetMode="External"'


@pytest.mark.parametrize(
    ("content", "name", "declared", "kind"),
    [
        (PNG, "a.png", "image/png", "image/png"), (b"\xff\xd8\xff\xe0", "A.JPEG", "image/jpg", "image/jpeg"),
        (b"GIF89a", "", "", "image/gif"), (b"RIFF0000WEBPVP8 ", "x.webp", "", "image/webp"),
        (b"\x00\x00\x00\x18ftypheic", "x.heic", "image/heic", "image/heic"),
        (b"%PDF-1.7\n1 0 obj", "x.pdf", "application/octet-stream", "application/pdf"),
        ("Grüße\n".encode(), "x.txt", "text/plain; charset=utf-8", "text/plain"), (b"a,b\n1,2\n", "x.csv", "text/csv", "text/plain"),
        (pdf(b"<< /Type /Page >>"), "x.pdf", "", "application/pdf"),
        (office(*SETTINGS, rels='Type="x/hyperlink" TargetMode="External"'), "x.docx", "", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        (office("xl/workbook.xml"), "x.xlsx", "", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ],
)  # fmt: skip
def test_files_are_known_by_what_is_in_them(content: bytes, name: str, declared: str, kind: str) -> None:
    assert kind_of(content, name, declared) == kind


@pytest.mark.parametrize(
    ("content", "name", "declared"),
    [
        (b"", "x.txt", ""), (PNG, "x.jpg", ""), (PNG, "x.png", "image/jpeg"), (PNG, "x.html", ""), (b"MZ\x90\x00", "x.png", ""),
        (b"\x7fELF\x02", "x", ""), (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "x.svg", "image/svg+xml"),
        (b"  <!DOCTYPE html><script>", "x.txt", "text/plain"), (b"#!/bin/sh\n", "x.txt", ""), (b"\xef\xbb\xbf<html>", "", ""),
        (b"%PDF-1.7\n<< /S /Java#53cript >>", "x.pdf", ""), (pdf(b"<< /S /JavaScript /JS (x) >>"), "x.pdf", ""),
        (b"%PDF-1.7\n<< /J#53 5 0 R >>", "x.pdf", ""), (b"%PDF-1.7\n<</Names<</EmbeddedFiles 7 0 R>>>>", "x.pdf", ""),
        (office(*SETTINGS, rels=FETCHED), "x.docx", ""), (PNG + b"<ScRipt>alert(1)</script>", "x.png", ""),
        (office("word/document.xml", "[Content_Types].xml", xml="application/vnd.ms-office.vbaProject"), "x.docx", ""),
        (b"%PDF-1.7\n/OpenAction << /S /JavaScript >>", "x.pdf", ""), (office("word/document.xml", "word/vbaProject.bin"), "x.docx", ""),
        (office("x.exe"), "x.zip", ""), (b"PK\x03\x04broken", "x.docx", ""), (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "x.doc", ""),
        (b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-" + b"ANTIVIRUS-TEST-FILE!$H+H*", "x.txt", ""), (b"a\x00b", "x.txt", ""),
        (b"plain", "x.exe", ""), (b"plain", "x.txt", "text/html"), (b"\xff\xfe\x00", "x.bin", ""),
    ],
)  # fmt: skip
def test_what_is_active_or_mislabelled_is_refused(content: bytes, name: str, declared: str) -> None:
    with pytest.raises(Rejection):
        kind_of(content, name, declared)


def test_requests_are_signed_as_aws_documents_it() -> None:
    """The example of "Authenticating Requests: Transferring Payload in a Single Chunk", GET Object."""
    credentials = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    bucket = Bucket("https://examplebucket.s3.amazonaws.com", "examplebucket", "", "us-east-1")
    now = datetime(2013, 5, 24, tzinfo=UTC)
    url = "https://examplebucket.s3.amazonaws.com/test.txt"
    headers = signed("GET", url, b"", bucket, credentials, now, range="bytes=0-9")
    signature = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    assert headers["Authorization"].endswith(
        f"SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, Signature={signature}"
    )


def test_a_bucket_is_read_from_its_address() -> None:
    assert bucket_of("s3://files/a/b?endpoint=http://minio:9000&region=eu-1") == Bucket(
        "http://minio:9000", "files", "a/b/", "eu-1"
    )
    assert bucket_of("s3://files").endpoint == "https://s3.us-east-1.amazonaws.com"
    for wrong in ("http://x", "s3://", "s3://k:s@files", "s3://f?endpoint=ftp://x", "s3://f?secret=1"):
        with pytest.raises(ValueError, match=r"write|known"):
            bucket_of(wrong)


def test_links_to_files_end_and_are_signed() -> None:
    keyring, file_id = Keyring("a secret key for tests, long enough as it is"), UUID(int=7)
    token = file_token(keyring, file_id, NOON + timedelta(days=1))
    assert read_file_token(keyring, token, NOON) == file_id
    assert read_file_token(keyring, token, NOON + timedelta(days=1)) is None
    later = file_token(keyring, file_id, NOON + timedelta(days=9))
    assert read_file_token(keyring, later[:8] + token[8:], NOON) is None
    for wrong in ("", "x", token[:-1], token + "a", "zzzzzzzz" + token[8:]):
        assert read_file_token(keyring, wrong, NOON) is None
