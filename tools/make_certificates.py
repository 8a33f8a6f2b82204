"""Makes the store's certificate: ``python -m tools.make_certificates DIRECTORY NAME …``.

The authority signs this one certificate and its key is never written.  What is there and lasts for another sixty days
stays as it is; otherwise all three are made anew, and whoever trusts ``ca.pem`` must be started again.
"""

import ipaddress
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

LASTS = timedelta(days=825)
RENEW = timedelta(days=60)


def make(directory: Path, names: list[str], now: datetime) -> bool:
    """Whether new certificates were made."""
    store = directory / "store.pem"
    if store.exists():
        present = x509.load_pem_x509_certificate(store.read_bytes())
        if present.not_valid_after_utc > now + RENEW:
            return False
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = _certificate("huiyin store authority", authority_key, None, authority_key, [], now)
    certificate = _certificate(names[0], key, authority, authority_key, names, now)
    _write(directory / "ca.pem", authority.public_bytes(serialization.Encoding.PEM), 0o644)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write(directory / "store.key", secret, 0o600)
    _write(store, certificate.public_bytes(serialization.Encoding.PEM), 0o644)
    return True


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Certificate | None,
    signer: ec.EllipticCurvePrivateKey,
    names: list[str],
    now: datetime,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + LASTS)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=0 if issuer is None else None), True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([_named(each) for each in names]), False)
    return builder.sign(signer, hashes.SHA256())


def _named(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _write(path: Path, content: bytes, mode: int) -> None:
    temporary = path.with_name(f".{path.name}")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
        os.fchmod(file.fileno(), mode)
        os.fsync(file.fileno())
    temporary.replace(path)


if __name__ == "__main__":
    made = make(Path(sys.argv[1]), sys.argv[2:], datetime.now(UTC))
    print("new certificates" if made else "the certificates are still good")
