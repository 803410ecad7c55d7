"""A session with the boot ROM by pyserial-asyncio; prints its boot info."""

import asyncio
import sys

import serial_asyncio


async def session():
    reader, writer = await serial_asyncio.open_serial_connection(url=sys.argv[1], baudrate=500000, exclusive=True)
    port = writer.transport.serial
    port.rts = True
    port.dtr = False
    port.rts = False
    for _ in range(5):
        writer.write(b"\x55" * 150)
        await writer.drain()
        try:
            answer = await asyncio.wait_for(reader.readexactly(2), 2)
            break
        except asyncio.TimeoutError:
            answer = b""
    assert answer == b"OK", answer
    await asyncio.sleep(0.02)
    writer.write(b"\x10\0\0\0")
    print((await reader.readexactly(28)).hex())
    writer.close()


asyncio.run(session())
