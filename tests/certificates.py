"""Certificates for tests: an authority, and PEM files of what it issues."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path

import trustme


@dataclass
class Authority:
    """A certificate authority with a directory for its files."""

    directory: Path
    ca: trustme.CA = field(default_factory=trustme.CA)

    def __post_init__(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.ca.cert_pem.write_to_path(str(self.file))

    @property
    def file(self) -> Path:
        return self.directory / "ca.pem"

    def issue(self, name: str = "server", *hosts: str) -> tuple[Path, Path]:
        """The files of a new certificate and its key; those of the same name are replaced."""
        leaf = self.ca.issue_cert(*(hosts or ("127.0.0.1", "localhost")))
        certificate, key = self.directory / f"{name}.pem", self.directory / f"{name}.key"
        certificate.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
        leaf.private_key_pem.write_to_path(str(key))
        return certificate, key

    def trusted(self, *, client: str = "") -> ssl.SSLContext:
        """A client's context; ``client`` issues it a certificate of its own."""
        context = ssl.create_default_context(cafile=str(self.file))
        if client:
            context.load_cert_chain(*self.issue(client, client))
        return context
