/* Resets the module by RTS as flashers do, and talks to its boot ROM. */
#include "port.h"

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    int fd = open_port(argv[1], B500000);
    CHECK(lines_of(fd) == (TIOCM_RTS | TIOCM_DTR));
    lines(fd, TIOCMBIC, TIOCM_DTR);
    CHECK(lines_of(fd) == TIOCM_RTS);
    CHECK(!handshake(fd, 1)); /* held in reset */
    lines(fd, TIOCMBIC, TIOCM_RTS);
    CHECK(lines_of(fd) == 0);
    CHECK(handshake(fd, 20));
    boot_info(fd);
    /* A pulse in the middle of a session ends it. */
    lines(fd, TIOCMSET, TIOCM_RTS);
    lines(fd, TIOCMSET, 0);
    CHECK(handshake(fd, 20));
    return 0;
}
