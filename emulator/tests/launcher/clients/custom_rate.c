/* Sets its rate by a custom divisor, as programs do that know only the rates of termios. */
#include <linux/serial.h>

#include "port.h"

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    int fd = open_port(argv[1], B38400);
    struct serial_struct serial, again;
    memset(&serial, 0xee, sizeof serial);
    CHECK(ioctl(fd, TIOCGSERIAL, &serial) == 0);
    CHECK(serial.baud_base == 24000000 && serial.custom_divisor == 0 && serial.flags == 0);
    serial.custom_divisor = serial.baud_base / 500000;
    serial.flags = (serial.flags & ~ASYNC_SPD_MASK) | ASYNC_SPD_CUST | ASYNC_LOW_LATENCY;
    CHECK(ioctl(fd, TIOCSSERIAL, &serial) == 0);
    memset(&again, 0xee, sizeof again);
    CHECK(ioctl(fd, TIOCGSERIAL, &again) == 0);
    CHECK(again.custom_divisor == 48 && again.flags == (ASYNC_SPD_CUST | ASYNC_LOW_LATENCY));
    lines(fd, TIOCMBIS, TIOCM_RTS);
    lines(fd, TIOCMBIC, TIOCM_RTS);
    CHECK(handshake(fd, 20));
    boot_info(fd);

    struct serial_icounter_struct counters;
    memset(&counters, 0xee, sizeof counters);
    CHECK(ioctl(fd, TIOCGICOUNT, &counters) == 0);
    CHECK(counters.tx >= 154 && counters.rx >= 30 && counters.cts == 0 && counters.frame == 0);
    return 0;
}
