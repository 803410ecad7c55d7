/* A close releases the lines and an open asserts them, unless HUPCL is off. Tells the count of resets it has caused. */
#include "port.h"

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    int fd = open_port(argv[1], B500000); /* holds the module: it is let go at the close, which is reset 1 */
    close(fd);
    fd = open_port(argv[1], B500000);
    CHECK(lines_of(fd) == (TIOCM_RTS | TIOCM_DTR));
    int second = dup(fd);
    close(fd); /* not the last */
    CHECK(lines_of(second) == (TIOCM_RTS | TIOCM_DTR));
    lines(second, TIOCMBIC, TIOCM_RTS); /* reset 2 */
    CHECK(handshake(second, 20));
    struct termios settings;
    CHECK(tcgetattr(second, &settings) == 0);
    settings.c_cflag &= ~HUPCL;
    CHECK(tcsetattr(second, TCSANOW, &settings) == 0);
    close(second); /* the lines stay: RTS released */
    fd = open_port(argv[1], B500000); /* asserts */
    CHECK(lines_of(fd) == (TIOCM_RTS | TIOCM_DTR));
    lines(fd, TIOCMBIC, TIOCM_RTS); /* reset 3 */
    CHECK(handshake(fd, 20));
    return 0; /* the close releases DTR; RTS is released already */
}
