# Copyright: Contributors to the Gatehouse project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The stand-in's certificate authority: what Amazon's public one is to ACM."""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = timedelta(days=395)
SKEW = timedelta(hours=1)


class Authority:
    """A certificate authority kept in two files of the state directory."""

    def __init__(self, folder: Path) -> None:
        self.certificate_file = folder / "ca.pem"
        self._key_file = folder / "ca-key.pem"
        if not (self.certificate_file.exists() and self._key_file.exists()):
            self._create()
        self._key = _load_key(self._key_file)
        self._certificate = x509.load_pem_x509_certificate(self.certificate_file.read_bytes())

    def server_context(self, names: Sequence[str]) -> ssl.SSLContext:
        """A TLS context with a fresh leaf certificate for the names."""
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = self._sign_leaf(names, key)
        context = server_context()
        with tempfile.NamedTemporaryFile(suffix=".pem") as chain:
            chain.write(_key_pem(key) + _pem(leaf) + _pem(self._certificate))
            chain.flush()
            context.load_cert_chain(chain.name)
        return context

    def _create(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Gatehouse local AWS")])
        builder = _builder(name, name, key.public_key()).add_extension(x509.BasicConstraints(True, 0), critical=True)
        builder = builder.add_extension(_key_usage(signs_certificates=True), critical=True)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        certificate = builder.sign(key, hashes.SHA256())
        self._key_file.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(self._key_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as key_file:
            key_file.write(_key_pem(key))
        self.certificate_file.write_bytes(_pem(certificate))

    def _sign_leaf(self, names: Sequence[str], key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
        alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = _builder(subject, self._certificate.subject, key.public_key())
        builder = builder.add_extension(alternatives, critical=False).add_extension(issuer_key, critical=False)
        builder = builder.add_extension(x509.BasicConstraints(False, None), critical=True)
        builder = builder.add_extension(_key_usage(signs_certificates=False), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        return builder.sign(self._key, hashes.SHA256())


def server_context() -> ssl.SSLContext:
    """A TLS context without a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(now - SKEW).not_valid_after(now + LIFETIME)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _load_key(file: Path) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(file.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{file} does not hold an elliptic curve key")
    return key


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
