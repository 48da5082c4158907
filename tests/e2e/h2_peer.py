"""A peer that speaks HTTP/2 frame by frame and can break every rule of RFC 9113. It writes field
blocks with literals only and reads them with python3-hpack."""
import struct
import sys
import unittest

sys.path.append("/usr/lib/python3/dist-packages")  # Debian's, for a python3 that is not Debian's
import hpack  # noqa: E402

from harness import Peer, latchd  # noqa: E402

if latchd("--explain", "listeners.http2").returncode != 0:
    raise unittest.SkipTest("built without HTTP/2")

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
(DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE,
 CONTINUATION) = range(10)
PRIORITY_UPDATE = 16
END_STREAM, ACK, END_HEADERS, PADDED = 1, 1, 4, 8
(NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT, STREAM_CLOSED,
 FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, CONNECT_ERROR,
 ENHANCE_YOUR_CALM) = range(12)
INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE = 4, 5


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack("!I", len(payload))[1:] + struct.pack("!BBI", kind, flags, stream) + payload


def setting(identifier, value):
    return struct.pack("!HI", identifier, value)


def integer(n, prefix):
    """RFC 7541 section 5.1, with the other bits of the first byte zero."""
    most = (1 << prefix) - 1
    if n < most:
        return bytes([n])
    out, n = bytes([most]), n - most
    while n >= 128:
        out, n = out + bytes([n % 128 + 128]), n // 128
    return out + bytes([n])


def literal(name, value, index=False):
    """A field line; with `index` it enters the dynamic table."""
    name, value = name.encode("latin-1"), value.encode("latin-1")
    return ((b"\x40" if index else b"\x00") + integer(len(name), 7) + name
            + integer(len(value), 7) + value)


def block(*fields):
    return b"".join(literal(n, v) for n, v in fields)


def request(path="/", *more, method="GET", authority="localhost", scheme="https"):
    pseudo = [(":method", method), (":scheme", scheme), (":authority", authority), (":path", path)]
    return block(*[(n, v) for n, v in pseudo if v is not None], *more)


class Answer:
    def __init__(self):
        self.heads, self.body, self.ended, self.reset = [], b"", False, None

    @property
    def status(self):
        return int(dict(self.heads[-1])[":status"]) if self.heads else None

    def get(self, name):
        return next((v for n, v in self.heads[-1] if n == name), None)


class H2Peer(Peer):
    """Connected and with the preface sent, unless preface=False. `answers` has what came by stream,
    `seen` all frames as (type, flags, stream, payload); `goaway` the code of one."""

    def __init__(self, port, preface=True, settings=b"", **options):
        super().__init__(port, alpn=["h2"], **options)
        assert self.tls.selected_alpn_protocol() == "h2", self.tls.selected_alpn_protocol()
        self.decoder = hpack.Decoder()
        self.answers, self.seen, self.goaway, self.goaway_last = {}, [], None, None
        self.blocks, self.auto = {}, True
        if preface:
            self.send(PREFACE + frame(SETTINGS, 0, 0, settings))

    def frame(self, *args):
        self.send(frame(*args))
        return self

    def ask(self, stream, path="/", *more, end=True, **options):
        fields = request(path, *more, **options)
        parts = [fields[i : i + 16384] for i in range(0, len(fields), 16384)]
        for i, part in enumerate(parts):
            flags = END_HEADERS if i == len(parts) - 1 else 0
            flags |= END_STREAM if end and i == 0 else 0
            self.frame(CONTINUATION if i else HEADERS, flags, stream, part)
        return self

    def answer(self, stream):
        return self.answers.setdefault(stream, Answer())

    def next_frame(self):
        """None: the connection has ended."""
        while len(self.buffer) < 9 or len(self.buffer) < 9 + self._length():
            if not self._read_more():
                return None
        n = self._length()
        kind, flags, stream = struct.unpack("!BBI", self.buffer[3:9])
        payload = self._take(9 + n)[9:]
        self.seen.append((kind, flags, stream, payload))
        self._note(kind, flags, stream, payload)
        return self.seen[-1]

    def _length(self):
        return int.from_bytes(self.buffer[:3], "big")

    def _note(self, kind, flags, stream, payload):
        answer = self.answer(stream) if stream else None
        if kind in (HEADERS, CONTINUATION):
            self.blocks[stream] = self.blocks.get(stream, b"") + payload
            if flags & END_HEADERS:
                answer.heads.append(self.decoder.decode(self.blocks.pop(stream)))
        if kind == DATA:
            answer.body += payload
            if self.auto and payload:
                grant = struct.pack("!I", len(payload))
                self.send(frame(WINDOW_UPDATE, 0, 0, grant)
                          + (b"" if flags & END_STREAM
                             else frame(WINDOW_UPDATE, 0, stream, grant)))
        if kind in (HEADERS, DATA) and flags & END_STREAM:
            answer.ended = True
        if kind == RST_STREAM:
            answer.reset = struct.unpack("!I", payload)[0]
        if kind == SETTINGS and not flags & ACK and self.auto:
            self.send(frame(SETTINGS, ACK))
        if kind == GOAWAY:
            self.goaway_last, self.goaway = struct.unpack("!II", payload[:8])

    def until(self, condition):
        """Reads frames until condition() holds; an error if the connection ends before."""
        while not condition():
            if self.next_frame() is None:
                raise ConnectionError(f"ended, with GOAWAY {self.goaway}: {self.seen[-3:]}")
        return self

    def wait(self, stream):
        """The answer when it is whole, or was reset."""
        answer = self.answer(stream)
        self.until(lambda: answer.ended or answer.reset is not None)
        return answer

    def fetch(self, stream, *args, **options):
        return self.ask(stream, *args, **options).wait(stream)

    def ping(self):
        """Returns when the server has taken all that was sent before; its answer may come later."""
        self.frame(PING, 0, 0, b"areyouok")
        self.until(lambda: any(k == PING and f & ACK for k, f, _, _ in self.seen))
        self.seen = [s for s in self.seen if s[0] != PING]
        return self

    def to_end(self):
        """Everything until the connection's end; the GOAWAY code, None: there was none."""
        while self.next_frame() is not None:
            pass
        while not (self.saw_fin or self.saw_reset) and self._pull():
            pass
        return self.goaway
