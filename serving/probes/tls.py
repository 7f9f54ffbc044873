"""Whether the wires can be encrypted, with a certificate that clients verify.

A certificate authority is made for the occasion (https://trustme.readthedocs.io/); the handshake is verified against it
and nothing else. Over REST a prediction is made as well; of gRPC the handshake is shown, with HTTP/2 agreed on (ALPN).
Then the same port is spoken to in plain text, which must lead nowhere.
"""

import http.client
import socket
import ssl
import tempfile
import time
from pathlib import Path

from evaluator.core import metrics
from serving.contract import HOST, Running, Tls
from serving.errors import NotReady, ServerError
from serving.life import Service
from serving.probing import END_OF_LOG, Field, Probe, Reply, by_wire, compare, failed, passed

_TIMEOUT_S = 10.0
_LOOK_EVERY_S = 0.1
_SETTLED_S = 5.0  # since the model was ready
_PROTOCOLS = {"rest": "http/1.1", "grpc": "h2"}  # for ALPN


class TlsPossible(Probe):
    """Starts an instance with a fresh certificate and shakes hands with every wire."""

    name = "tls"
    title = "TLS"
    question = "Can every wire be encrypted, with plain text refused?"
    risk = "medium"
    harm = "none"

    def ask(self, field: Field) -> Reply:
        """Look at every wire by itself; the key is nobody else's, and gone in the end."""
        with tempfile.TemporaryDirectory(prefix="tls-", ignore_cleanup_errors=True) as folder:
            return _ask(field, Path(folder))


def _ask(field: Field, folder: Path) -> Reply:
    tls, authority = _certificate(folder)
    context = ssl.create_default_context(cafile=str(authority))
    with field.launch(tls=tls) as (setup, running):
        service = Service(server=field.server, bundle=field.bundle, setup=setup, running=running, ready_s=0.0)
        version = _versions(field, service, context)
        if version.get("rest"):
            _predict(field, service, context)
        plain = [wire for wire in field.wires if field.problem(service, wire) is None]
    figures = by_wire("tls_version", {wire: found or "none" for wire, found in version.items()})
    told = ", ".join(f"{metrics.wire(wire)}: {found or 'no TLS'}" for wire, found in version.items())
    if plain or not all(version.values()):
        open_ = f"; {', '.join(metrics.wire(wire) for wire in plain)} answers in plain text" if plain else ""
        remedy = "end TLS in a proxy in front, and close the plain ports"
        return failed(f"{told}{open_}", remedy, *figures, plain_text=tuple(plain))
    return passed(f"{told}; plain text is refused", *figures, plain_text=())


def _certificate(folder: Path) -> tuple[Tls, Path]:
    """Make an authority and a certificate for `HOST` in a folder; return it, and the authority's own certificate."""
    import trustme
    from cryptography.hazmat.primitives import serialization as form

    authority = trustme.CA()
    # RSA in PKCS #8 is what every server reads: TorchServe's REST side takes no other key, its gRPC side no other form.
    issued = authority.issue_cert(HOST, "localhost", key_type=trustme.KeyType.RSA)
    key = form.load_pem_private_key(issued.private_key_pem.bytes(), None)
    tls = Tls(certificate=folder / "server.pem", key=folder / "server.key")
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    tls.key.touch(mode=0o600)
    tls.key.write_bytes(key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption()))
    tls.certificate.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
    return tls, folder / "authority.pem"


def _versions(field: Field, service: Service, context: ssl.SSLContext) -> dict[str, str | None]:
    """Shake hands with every wire until all have, or the model has been ready for a while: then the rest never will.

    A server may be ready before each of its ports is open.
    """
    begin = time.perf_counter()
    ready_since = None
    while True:
        found = {wire: _version(service.ports[wire], wire, context) for wire in field.wires}
        now = time.perf_counter()
        if ready_since is None and field.server.ready(service.bundle, service.ports):
            ready_since = now
        if all(found.values()) or (ready_since is not None and now - ready_since > _SETTLED_S):
            return found
        _go_on(field, service.running, begin, "it is not ready")


def _version(port: int, wire: str, context: ssl.SSLContext) -> str | None:
    """Shake hands; return TLS's version, None when it is not spoken there, or not yet."""
    context.set_alpn_protocols([_PROTOCOLS[wire]])
    try:
        with (
            socket.create_connection((HOST, port), timeout=_TIMEOUT_S) as plain,
            context.wrap_socket(plain, server_hostname=HOST) as secure,
        ):
            return secure.version() if secure.selected_alpn_protocol() in (_PROTOCOLS[wire], None) else None
    except OSError:  # ssl.SSLError is one
        return None


def _predict(field: Field, service: Service, context: ssl.SSLContext) -> None:
    """Predict over HTTPS until the answer is right; raises `NotReady` with the last refusal."""
    begin = time.perf_counter()
    while (refusal := _refusal(field, service, context)) is not None:
        _go_on(field, service.running, begin, refusal)


def _refusal(field: Field, service: Service, context: ssl.SSLContext) -> str | None:
    connection = http.client.HTTPSConnection(HOST, service.ports["rest"], timeout=_TIMEOUT_S, context=context)
    with field.server.connect("rest", service.bundle, service.ports) as wire:
        try:
            head = {"Content-Type": "application/json"}
            connection.request("POST", field.server.predict_path(service.bundle), wire.encode(field.inputs), head)
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != http.client.OK:
                return f"HTTPS answered {answer.status}"
            compare(field.expected, wire.decode(body))
        except (OSError, http.client.HTTPException, ServerError) as error:
            return str(error)
        finally:
            connection.close()
    return None


def _go_on(field: Field, running: Running, begin: float, problem: str) -> None:
    """Wait a moment; raises `NotReady` when it is no use."""
    if not running.alive() or time.perf_counter() - begin > field.ready_within_s:
        raise NotReady(f"with TLS: {problem}{END_OF_LOG}\n{running.log_tail()}")
    time.sleep(_LOOK_EVERY_S)


plugin = TlsPossible()
