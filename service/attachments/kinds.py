"""Accepted file types, recognised by content rather than name; files with active content are rejected.

Signatures are from the formats' specifications: PNG (ISO 15948, §5.2), JPEG (ITU-T T.81, B.1.1.3), GIF 89a,
WebP (RFC 9649, §2.4), HEIF (ISO 23008-12), PDF (ISO 32000-1, §7.5.2), ZIP (APPNOTE 6.3.10, §4.3.7).
"""

import io
import re
import zipfile
import zlib
from collections.abc import Mapping
from typing import Final

from service.domain.errors import Rejection

MOST_BYTES: Final = 5 * 1024 * 1024
_TEXT: Final = "text/plain"
_OFFICE: Final[Mapping[str, str]] = {
    "word/document.xml": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xl/workbook.xml": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "ppt/presentation.xml": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
}
# Allowed file extensions for each type, the usual one first.
ENDINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "image/png": ("png",),
    "image/jpeg": ("jpg", "jpeg", "jpe"),
    "image/gif": ("gif",),
    "image/webp": ("webp",),
    "image/heic": ("heic", "heif"),
    "application/pdf": ("pdf",),
    _TEXT: ("txt", "text", "csv", "tsv", "log", "md"),
    **dict(zip(_OFFICE.values(), (("docx",), ("xlsx",), ("pptx",)), strict=True)),
}
# Other names of the same types, and values that senders use for unknown types.
_ALIASES: Final[Mapping[str, str]] = {
    "image/jpg": "image/jpeg", "image/heif": "image/heic", "text/csv": _TEXT, "text/markdown": _TEXT,
    "text/tab-separated-values": _TEXT,
}  # fmt: skip
_UNDECLARED: Final = frozenset({"", "application/octet-stream", "binary/octet-stream"})
# ISO 23008-12, §10: the brands of still images.
_HEIC_BRANDS: Final = (b"heic", b"heix", b"mif1", b"heif", b"msf1")


def _name(text: str) -> bytes:
    """A pattern for a name in a PDF, in which each letter may be written as its code (ISO 32000-1, §7.3.5)."""
    return b"/" + b"".join(b"(?:%c|#(?i:%02x))" % (c, c) for c in text.encode())


# Names by which a PDF runs, sends or embeds something (ISO 32000-1, §12.6.4, §12.7.5, §12.7.8, §7.11.4), as whole
# names. Opening at a page, as most PDFs do, is harmless; and the bytes of pictures must not match by chance.
_PDF_NAMES: Final = (
    "JavaScript", "Launch", "EmbeddedFile", "EmbeddedFiles", "RichMedia", "SubmitForm", "ImportData", "XFA",
)  # fmt: skip
_PDF_ACTS: Final = re.compile(
    b"(?:"
    + b"|".join(map(_name, _PDF_NAMES))
    + rb")(?=[\x00\t\n\f\r ()<>\[\]{}/%]|$)|"
    + _name("JS")
    + rb"\s*(?:[(<]|[0-9]{1,9}\s+[0-9]{1,9}\s+R)"
)
# Object streams (§7.5.7).
_PDF_OBJECTS: Final = re.compile(_name("ObjStm") + rb"[^\x00]{0,2000}?stream\r?\n")
_MOST_UNPACKED: Final = 20 * 1024 * 1024
_OF_BROKEN: Final = 256 * 1024
# Markup that no picture contains, but that a browser or server would run if it mistook the file.
_ACTIVE_IN_PICTURES: Final = (b"<script", b"<html", b"<svg", b"<?php", b"<!doctype")
# Beginnings of texts that a browser or a shell would run.
_ACTIVE: Final = ("<", "#!", "mz", "%!ps", "{\\rtf", "@echo", "rem ", "ms-", "[internetshortcut]")
# The test file of virus scanners (EICAR, "Anti-Malware Testfile"), in two parts so that scanners ignore this file.
_EICAR: Final = b"EICAR-STANDARD-" + b"ANTIVIRUS-TEST-FILE"
MOST_PARTS: Final = 2000
# The longest description of a part, in bytes; relations by which opening a document loads something, but for links.
_LONGEST_DESCRIPTION: Final = 1024 * 1024
_FETCHED: Final = (b"/attachedtemplate", b"/oleobject", b"/frame", b"/subdocument", b"/externallink")


def kind_of(content: bytes, name: str = "", declared: str = "") -> str:
    """The media type of an accepted file; raises Rejection for other types, and if name or declared type differ.

    `name`: the file's name; `declared`: the declared media type.
    """
    if not content:
        raise Rejection("the file is empty")
    if _EICAR in content:
        raise Rejection("the file looks like a virus (EICAR's test file)")
    found = _found(content)
    if not found:
        raise Rejection(f"files of this type are not accepted; accepted, by content, are {taken()}")
    ending = name.rpartition(".")[2].lower() if "." in name else ""
    if ending and ending not in ENDINGS[found]:
        raise Rejection(f"the file is called .{ending[:10]}, but its content is {found}: call it .{ENDINGS[found][0]}")
    media = declared.partition(";")[0].strip().lower()
    if media not in _UNDECLARED and _ALIASES.get(media, media) != found:
        raise Rejection(f"the file's content is {found}, which is not what its Content-Type says")
    return found


def taken() -> str:
    """The accepted file types, for people."""
    return ", ".join(sorted({endings[0] for endings in ENDINGS.values()}))


def _found(content: bytes) -> str:
    if picture := _picture(content):
        lowered = content.lower()
        return "" if any(active in lowered for active in _ACTIVE_IN_PICTURES) else picture
    if content.startswith(b"%PDF-"):
        return "application/pdf" if _is_quiet_pdf(content) else ""
    if content.startswith(b"PK\x03\x04"):
        return _office(content)
    return _TEXT if _is_text(content) else ""


def _picture(content: bytes) -> str:
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if content.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if content.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    return "image/heic" if content[4:8] == b"ftyp" and content[8:12] in _HEIC_BRANDS else ""


def _is_quiet_pdf(content: bytes) -> bool:
    """Whether the PDF contains nothing that runs, sends or embeds anything."""
    if _PDF_ACTS.search(content):
        return False
    room, view = _MOST_UNPACKED, memoryview(content)
    for found in _PDF_OBJECTS.finditer(content):
        try:
            objects = zlib.decompressobj().decompress(view[found.end() :], room)
        except zlib.error:
            # An encrypted or broken stream; how much was unpacked before the error is not known.
            objects = b""
            room -= _OF_BROKEN
        room -= len(objects)
        if room <= 0 or _PDF_ACTS.search(objects):
            return False
    return True


def _office(content: bytes) -> str:
    """The type of an Office file without macros, controls, embedded files or a template that it loads; else empty."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as parts:
            names = [name.lower() for name in parts.namelist()]
            if len(names) > MOST_PARTS or any(_is_active(parts, info) for info in parts.infolist()):
                return ""
    except (zipfile.BadZipFile, zlib.error, ValueError, NotImplementedError, RuntimeError, EOFError, OSError):
        return ""
    return next((media for part, media in _OFFICE.items() if part in names), "")


def _is_active(parts: zipfile.ZipFile, info: zipfile.ZipInfo) -> bool:
    """Whether a part runs or loads something (ISO/IEC 29500-2, §10: types and relationships of parts)."""
    name = info.filename.lower()
    if "vbaproject" in name or "/activex/" in name or "/embeddings/" in name:
        return True
    if name != "[content_types].xml" and not name.endswith(".rels"):
        return False
    with parts.open(info) as part:
        content = part.read(_LONGEST_DESCRIPTION).lower()
    fetches = b'targetmode="external"' in content and any(kind in content for kind in _FETCHED)
    return len(content) == _LONGEST_DESCRIPTION or b"vbaproject" in content or b"macroenabled" in content or fetches


def _is_text(content: bytes) -> bool:
    """Whether it is UTF-8 text that no browser or shell would run."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return False
    if any(ord(c) < 32 and c not in "\t\n\r\f" for c in text):
        return False
    begin = text.lstrip()[:200].lower()
    return not begin.startswith(_ACTIVE)
