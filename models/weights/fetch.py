"""Download a file: resumed where it broke off, checked, and in place only when it is whole."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import http.client
import os
import re
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from .cache import note_path, part_path, sha256_of, write_note
from .errors import WeightsError

TIMEOUT_S = 30.0  # of silence
_CHUNK_BYTES = 1 << 18
_LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")
_USER_AGENT = "co3d-bench (weights fetch)"

# done, total; total is None where the server does not send it
OnProgress = Callable[[int, "int | None"], None]


def fetch(
    url: str,
    target: Path,
    sha256: str | None = None,
    on_progress: OnProgress | None = None,
    timeout_s: float = TIMEOUT_S,
) -> str:
    """Download `url` to `target` and note its hash beside it; the hash is returned.

    What has come is kept in `target.part` when the download breaks off, and the next call asks for the rest, if the
    server still has the same file. `sha256`, whole or its beginning, is what the file must hash to.
    Raises WeightsError: no network, no such file, a file cut short or of another hash, no space, no permission.
    """
    check_url(url)
    part = part_path(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _locked(part) as file:
            try:
                _download(url, file, part, target, on_progress or (lambda done, total: None), timeout_s)
                file.flush()
                os.fsync(file.fileno())
            finally:
                if file.tell() == 0:  # nothing came, so nothing is kept
                    _discard(part)
            found = sha256_of(part)  # still under the lock: what is hashed is what is put in place
            if sha256 and not found.startswith(sha256):
                _discard(part)
                raise WeightsError(
                    f"{url}: the download has the sha256 {found}, not {sha256}, and was deleted; the file on the "
                    "server was changed, or a proxy changes it"
                )
            note_path(target).unlink(missing_ok=True)  # of an earlier file: a kill here must not leave it to this one
            part.replace(target)
            write_note(target, found)
            _tag_path(part).unlink(missing_ok=True)
    except OSError as error:
        path = error.filename or part
        raise WeightsError(f"{path}: cannot be written: {error.strerror or error}{_more_space(error)}") from error
    return found


def check_url(url: str) -> None:
    """Raises WeightsError for an address that is not fetched: only https, and http of this very machine."""
    try:
        address = urlsplit(url)
    except ValueError as error:
        raise WeightsError(f"{url}: not a valid address ({error})") from None
    if address.scheme == "https" or (address.scheme == "http" and address.hostname in _LOCAL_HOSTS):
        return
    raise WeightsError(f"{url}: weights are fetched by https only; fetch it yourself and give the file")


class _CheckedRedirects(urllib.request.HTTPRedirectHandler):
    """Follows only to addresses that would be allowed as the first one."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        check_url(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _download(url: str, file: IO[bytes], part: Path, target: Path, on_progress: OnProgress, timeout_s: float) -> None:
    """Append to `file` what it lacks, or all of it where the server cannot continue."""
    done = file.seek(0, os.SEEK_END)
    with _ask(url, done, _read_tag(part), target, timeout_s) as response:
        if response.status != http.HTTPStatus.PARTIAL_CONTENT:
            if done:
                file.truncate(0)
            done = 0
            _tag_path(part).write_text(_tag_of(response), encoding="utf-8")
        rest = response.headers.get("Content-Length", "")
        total = done + int(rest) if rest.isdigit() else None
        _check_space(target.parent, done, total)
        on_progress(done, total)
        while chunk := _read(response, url, done, total):
            file.write(chunk)
            done += len(chunk)
            on_progress(done, total)
    if total is not None and done < total:
        raise WeightsError(f"{url}: the download broke off; {_again(done, total)}")


def _ask(url: str, done: int, tag: str, target: Path, timeout_s: float) -> http.client.HTTPResponse:
    """The server's answer: 206 with what comes behind `done`, if it still has the file of that tag; else all of it."""
    opener = urllib.request.build_opener(_CheckedRedirects)
    headers = {"User-Agent": _USER_AGENT, "Accept-Encoding": "identity"}
    try:
        if done and tag:
            wanted = {"Range": f"bytes={done}-", "If-Range": tag}
            with contextlib.suppress(_NothingBehind):
                return _continued(opener, urllib.request.Request(url, headers=headers | wanted), done, timeout_s)  # noqa: S310
        return opener.open(urllib.request.Request(url, headers=headers), timeout=timeout_s)  # noqa: S310
    except urllib.error.HTTPError as error:
        raise WeightsError(f"{url}: the server answered {error.code} {error.reason}; {_by_hand(target)}") from None
    except (OSError, http.client.HTTPException, ValueError) as error:  # ValueError: no letters of an address
        reason = getattr(error, "reason", error)  # urllib wraps what happened
        why = getattr(reason, "strerror", None) or reason
        raise WeightsError(f"{url}: cannot be reached ({why}); {_by_hand(target)}") from None


class _NothingBehind(Exception):
    """The server cannot go on where we stopped: ask for the whole file."""


def _continued(
    opener: urllib.request.OpenerDirector, request: urllib.request.Request, done: int, timeout_s: float
) -> http.client.HTTPResponse:
    try:
        response = opener.open(request, timeout=timeout_s)
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            error.close()
            raise _NothingBehind from None
        raise
    if response.status == http.HTTPStatus.PARTIAL_CONTENT and not _starts_at(response, done):
        response.close()
        raise _NothingBehind
    return response


def _read(response: http.client.HTTPResponse, url: str, done: int, total: int | None) -> bytes:
    try:
        return response.read(_CHUNK_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise WeightsError(
            f"{url}: the download broke off ({error or type(error).__name__}); {_again(done, total)}"
        ) from None


def _tag_of(response: http.client.HTTPResponse) -> str:
    """What names this version of the file. A weak tag does not promise the same bytes, so it cannot join two halves."""
    etag = response.headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified", "")


def _starts_at(response: http.client.HTTPResponse, offset: int) -> bool:
    return bool(re.match(rf"bytes {offset}-", response.headers.get("Content-Range", "")))


def _tag_path(part: Path) -> Path:
    """Which version of the file the server sent, so that two versions are never joined."""
    return part.with_name(f"{part.name}.tag")


def _discard(part: Path) -> None:
    for path in (part, _tag_path(part)):
        path.unlink(missing_ok=True)


def _read_tag(part: Path) -> str:
    try:
        return _tag_path(part).read_text(encoding="utf-8").strip()
    except OSError:
        return ""


@contextlib.contextmanager
def _locked(part: Path) -> Iterator[IO[bytes]]:
    """What has come so far, open to be continued by us alone. Raises WeightsError while another process fetches it."""
    while True:
        with part.open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise WeightsError(f"{part}: another process is fetching this file; wait for it") from None
            # Whoever held it until now may have put this very file in place, or deleted it.
            if part.exists() and os.path.samestat(os.fstat(file.fileno()), part.stat()):
                yield file
                return


def _check_space(folder: Path, done: int, total: int | None) -> None:
    if total is None:
        return
    with contextlib.suppress(OSError):
        free = shutil.disk_usage(folder).free
        if free < total - done:
            raise WeightsError(
                f"{folder}: {megabytes(total - done)} more are needed and {megabytes(free)} are free; "
                "make space, or set CO3D_BENCH_CACHE to another folder"
            )


def _more_space(error: OSError) -> str:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    if full:
        return "; make space and run it again: it resumes where it stopped"
    return "; set CO3D_BENCH_CACHE to a folder that can be"


def _again(done: int, total: int | None) -> str:
    of_total = f" of {megabytes(total)}" if total is not None else ""
    return f"{megabytes(done)}{of_total} are kept; run it again for the rest"


def _by_hand(target: Path) -> str:
    return f"fetch it on another machine and put it there: {target}"


def megabytes(count: int) -> str:
    """Bytes for people."""
    return f"{count / 1e6:.1f} MB"
