"""Who may talk to a scheduler: processes of this machine over loopback, or hosts that hold its certificate, over TLS.

Dask's processes send each other pickled functions, so whoever may talk to one of them may run code there.
"""

from __future__ import annotations

import ipaddress
import os
import re
import shutil
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...devices.own_path import system_path
from ..errors import ENVIRONMENT, NOTHING, UserError
from .cluster import Address, check_installed

if TYPE_CHECKING:
    from distributed.security import Security

PORT = 8786  # dask's own
LOOPBACK = f"tcp://127.0.0.1:{PORT}"
CA, CERTIFICATE, KEY = FILES = ("ca.pem", "cert.pem", "key.pem")
VALID_DAYS = 365
_ADDRESS = re.compile(r"(?:(?P<scheme>[a-z]+)://)?(?P<host>\[[0-9a-fA-F:.]+\]|[^\s:/\[\]@]+)(?::(?P<port>\d{1,5}))?")


@dataclass(frozen=True)
class SchedulerAddress:
    """As a person names it, with the folder of the certificates where it is reached over TLS."""

    host: str  # an address of IPv6 in its brackets
    port: int
    certificates: Path | None = None

    @property
    def listens_on(self) -> str | None:
        """The address or name of this machine that a scheduler listens on; None: all of them, over TLS, since hosts
        may name it by different ones, and its own name often leads to loopback."""
        return None if self.certificates and self.host not in ("localhost", "127.0.0.1", "[::1]") else self.host

    @property
    def url(self) -> str:
        """As dask takes it."""
        return f"{self.scheme}://{self.host}:{self.port}"

    @property
    def scheme(self) -> str:
        return "tls" if self.certificates else "tcp"


def parse_address(text: str, certificates: Path | None = None) -> SchedulerAddress:
    """The scheduler that a person names by HOST, HOST:PORT or with tcp:// or tls:// before it. Raises UserError for
    anything but loopback or TLS, and for certificates that cannot be used."""
    found = _ADDRESS.fullmatch(text.strip())
    scheme = found and (found["scheme"] or ("tls" if certificates else "tcp"))
    if found is None or scheme not in ("tcp", "tls") or not 0 < int(found["port"] or PORT) < 1 << 16:
        raise UserError(f"{text!r}: not the address of a scheduler; it is HOST:PORT, e.g. {LOOPBACK}")
    host, port = found["host"], int(found["port"] or PORT)
    if scheme == "tcp" and certificates is None and not is_loopback(host.strip("[]")):
        raise UserError(
            f"{text}: not this machine, and without TLS anybody on the way may run code on all hosts; nothing was "
            f"started. Give --tls FOLDER: `co3d-bench fleet scheduler tls://{host}:{port} --tls FOLDER` makes the "
            "certificates there, and each host gets a copy of the folder"
        )
    if scheme == "tls" and certificates is None:
        raise UserError(f"{text}: TLS needs its certificates; give --tls FOLDER ({', '.join(FILES)})")
    if scheme == "tcp" and certificates is not None:
        raise UserError(f"{text}: --tls and tcp:// exclude each other; write tls://{host}:{port}")
    return SchedulerAddress(host, port, certificates and Path(certificates))


def is_loopback(host: str) -> bool:
    """Whether a name or address leads to this machine alone, by all of its addresses."""
    try:
        infos = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    return all(ipaddress.ip_address(str(info[4][0]).partition("%")[0]).is_loopback for info in infos)


def security(address: SchedulerAddress) -> Security | None:
    """As dask takes it; None on loopback. Raises UserError for certificates that are missing, wrong or open to others,
    and where dask is not installed."""
    check_installed()
    from distributed.security import Security

    if address.certificates is None:
        # Dask's own settings may ask for TLS; here the address has decided.
        return Security(require_encryption=False)
    ca, certificate, key = (str(file) for file in certificates_in(address.certificates))
    found = Security(
        require_encryption=True,
        tls_ca_file=ca,
        tls_client_cert=certificate,
        tls_client_key=key,
        tls_scheduler_cert=certificate,
        tls_scheduler_key=key,
        tls_worker_cert=certificate,
        tls_worker_key=key,
    )
    try:
        found.get_connection_args("client")
    except OSError as error:  # ssl.SSLError is one
        raise UserError(f"{address.certificates}: the certificates cannot be used: {error}", ENVIRONMENT) from error
    return found


def reached_by(named: SchedulerAddress | None) -> Address | None:
    """As `open_cluster` takes it. Raises UserError as `security`."""
    return Address(named.url, security(named)) if named else None


def certificates_in(folder: Path) -> tuple[Path, ...]:
    """Its CA, certificate and key. Raises UserError where one is missing, or open to others."""
    files = tuple((folder / name).absolute() for name in FILES)
    if missing := [file.name for file in files if not file.is_file()]:
        raise UserError(
            f"--tls {folder}: {', '.join(missing)} missing; `co3d-bench fleet scheduler ADDRESS --tls FOLDER` makes a "
            "set, of which each host gets a copy",
            ENVIRONMENT,
        )
    for path in (folder, *files[:-1]):
        _check_own(path, 0o022)
    _check_own(files[-1], 0o077)
    return files


def _check_own(path: Path, forbidden: int) -> None:
    """Raises UserError where others may do with a file or folder what these bits of its mode stand for."""
    found = path.stat()
    if found.st_uid not in (0, os.geteuid()):
        raise UserError(
            f"{path}: is another user's, who could run code as you by it; use a folder of yours", ENVIRONMENT
        )
    if found.st_mode & forbidden:
        may = "read" if forbidden & 0o044 else "change"
        raise UserError(
            f"{path}: others may {may} it (mode {found.st_mode & 0o777:03o}), and with it run code on all hosts; "
            f"chmod go= {path}",
            ENVIRONMENT,
        )


def make_certificates(folder: Path) -> bool:
    """Make a key and its certificate, which is its own CA. A new folder is its owner's alone; one that has any of them
    is left as it is. Returns whether they were made. Raises UserError."""
    if any((folder / name).exists() for name in FILES):
        return False
    openssl = shutil.which("openssl", path=system_path())
    if openssl is None:
        raise UserError(
            f"--tls {folder}: certificates are made by `openssl`, which is not installed; install it, or put your own "
            f"there: {', '.join(FILES)}",
            NOTHING,
        )
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_own(folder, 0o022)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".new-") as new:
            _self_signed(openssl, Path(new))
            for name in (KEY, CA, CERTIFICATE):
                os.replace(Path(new, name), folder / name)  # noqa: PTH105
    except OSError as error:
        raise UserError(f"--tls {folder}: cannot be written: {error.strerror}", ENVIRONMENT) from error
    return True


def _self_signed(openssl: str, folder: Path) -> None:
    """A key and a certificate that is valid for `VALID_DAYS`, by openssl."""
    (folder / KEY).touch(mode=0o600)
    asked = ("-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", str(VALID_DAYS))
    files = ("-subj", "/CN=co3d-bench fleet", "-keyout", str(folder / KEY), "-out", str(folder / CERTIFICATE))
    done = subprocess.run(  # noqa: S603 - no shell
        [openssl, "req", *asked, *files], capture_output=True, text=True, errors="replace", check=False, timeout=60
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason"])[-1]
        raise UserError(f"openssl made no certificate: {last}", ENVIRONMENT)
    (folder / KEY).chmod(0o600)
    shutil.copyfile(folder / CERTIFICATE, folder / CA)
