"""A client of the RFC 2217 server by way of pyserial: URL and request (hex) in, what came of it out, as JSON."""

import json
import sys

import serial

url, request = sys.argv[1], bytes.fromhex(sys.argv[2])
told = {"handshakes": [], "replies": []}


def handshake(port):
    for _ in range(5):
        port.write(b"\x55" * 150)
        answer = port.read(2)
        if answer:
            break
    told["handshakes"].append(answer.hex())
    # The ROM throws away what comes within a millisecond of its answer.
    port.timeout = 0.05
    assert port.read(1) == b""
    port.timeout = 2


def ask(port):
    port.write(request)
    told["replies"].append(port.read(28).hex())


# Opening asserts both lines, so that EN is low; BOOT goes up before EN does.
with serial.serial_for_url(url, baudrate=500000, timeout=2) as port:
    port.dtr = False
    port.rts = False
    handshake(port)
    ask(port)
    # What the module sends is thrown away before it is read.
    port.write(request)
    port.timeout = 0.2
    first = port.read(1)
    port.reset_input_buffer()
    told["purged"] = port.read(28).hex() if first else "nothing came to be purged"
    port.timeout = 2
    # A reset by the line ends the session.
    port.rts = True
    port.rts = False
    port.timeout = 0.2
    port.write(request)
    told["silence"] = port.read(1).hex()
    port.timeout = 2
    handshake(port)
    ask(port)
    port.baudrate = 2000000
    port.send_break(0.01)
    told["inputs"] = [port.cts, port.dsr, port.ri, port.cd]

try:
    with serial.serial_for_url(url, baudrate=500000, rtscts=True):
        told["hardware_flow_control"] = "accepted"
except ValueError as error:
    told["hardware_flow_control"] = str(error)

print(json.dumps(told))
