"""A serial client in plain Python: no pyserial, no threads."""
import array
import fcntl
import os
import select
import sys
import termios

fd = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY)
settings = termios.tcgetattr(fd)
settings[0] = settings[1] = settings[3] = 0
settings[2] = termios.CS8 | termios.CREAD | termios.CLOCAL | termios.HUPCL
settings[4] = settings[5] = termios.B500000
settings[6][termios.VMIN] = 0
settings[6][termios.VTIME] = 0
termios.tcsetattr(fd, termios.TCSANOW, settings)


def set_lines(request, bits):
    fcntl.ioctl(fd, request, array.array("i", [bits]))


def lines():
    bits = array.array("i", [0])
    fcntl.ioctl(fd, termios.TIOCMGET, bits)
    return bits[0]


def read(count, patience_s):
    data = b""
    while len(data) < count and select.select([fd], [], [], patience_s)[0]:
        data += os.read(fd, count - len(data))
    return data


assert lines() & termios.TIOCM_CTS and lines() & termios.TIOCM_DSR
set_lines(termios.TIOCMBIS, termios.TIOCM_RTS | termios.TIOCM_DTR)
set_lines(termios.TIOCMBIC, termios.TIOCM_DTR)
set_lines(termios.TIOCMBIC, termios.TIOCM_RTS)
for _ in range(20):
    os.write(fd, b"\x55" * 150)
    if read(2, 1) == b"OK":
        break
else:
    sys.exit("no answer to the handshake")
assert read(1, 0.02) == b""
os.write(fd, bytes([0x10, 0, 0, 0]))
assert read(28, 1)[:4] == b"OK\x18\x00"
