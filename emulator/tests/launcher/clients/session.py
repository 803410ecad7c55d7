"""A session with the boot ROM by pyserial; prints its boot info. Arguments: the port, keyword arguments as JSON."""

import json
import sys

import serial

port = serial.Serial(sys.argv[1], 500000, timeout=2, **json.loads(sys.argv[2]))
assert port.cts and port.dsr and port.cd and not port.ri
assert (port.in_waiting, port.out_waiting) == (0, 0)
port.dtr = port.rts = True
port.dtr = False
port.rts = False
for _ in range(5):
    port.write(b"\x55" * 150)
    port.flush()
    answer = port.read(2)
    if answer:
        break
assert answer == b"OK", answer
port.timeout = 0.02
assert port.read(1) == b""
port.reset_input_buffer()
port.timeout = 20
port.write(b"\x10\0\0\0")
print(port.read(28).hex())
port.set_low_latency_mode(True)
for baudrate in (1234567, 38400, 2000000):
    port.baudrate = baudrate
port.send_break(0.01)
port.break_condition = True
port.break_condition = False
port.reset_output_buffer()
port.close()
