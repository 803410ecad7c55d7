"""The states of a BL702 module whose EN is on RTS and BOOT on DTR (reference: docs/bench.md)."""

import enum
import time

import attr
from labgrid.factory import target_factory
from labgrid.strategy import Strategy, StrategyError


class Status(enum.Enum):
    unknown = 0
    held = 1
    programming = 2
    firmware = 3


@target_factory.reg_driver
@attr.s(eq=False)
class Bl702Strategy(Strategy):
    """held: EN low; programming: restarted with BOOT high; firmware: restarted with BOOT low."""

    bindings = {"serial": "SerialDriver"}
    status = attr.ib(default=Status.unknown)

    def _pins(self, enable_high, boot_high):
        # An asserted line is low at the adapter's pin.
        self.serial.serial.dtr = not boot_high
        self.serial.serial.rts = not enable_high

    def transition(self, status):
        if not isinstance(status, Status):
            status = Status[status]
        if status == Status.unknown:
            raise StrategyError("a module cannot be brought to an unknown state")
        self.target.activate(self.serial)
        boot_high = status != Status.firmware
        self._pins(False, boot_high)
        time.sleep(0.05)
        if status != Status.held:
            self._pins(True, boot_high)
            time.sleep(0.1)
        self.status = status
