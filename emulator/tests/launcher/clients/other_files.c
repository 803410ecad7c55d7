/* The same calls on anything but the port, and with bad arguments: as the kernel answers them. */
#include <linux/serial.h>

#include "port.h"

static void expect(int fd, unsigned long request, void *argument, int error)
{
    errno = 0;
    CHECK(ioctl(fd, request, argument) == -1);
    if (errno != error) {
        fprintf(stderr, "request %lx on %d: errno %d, not %d\n", request, fd, errno, error);
        exit(98);
    }
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    static const unsigned long requests[] = {TIOCMGET, TIOCMSET, TIOCMBIS, TIOCMBIC, TIOCGICOUNT, TIOCGSERIAL, TIOCSSERIAL};
    char place[256] = {0};
    int ends[2], port = open_port(argv[1], B500000);
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    CHECK(pipe(ends) == 0 && master >= 0 && unlockpt(master) == 0);
    int other = open(ptsname(master), O_RDWR | O_NOCTTY);
    CHECK(other >= 0);
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        expect(other, requests[i], place, ENOTTY);
        expect(master, requests[i], place, ENOTTY);
        expect(ends[0], requests[i], place, ENOTTY);
        expect(1000, requests[i], place, EBADF);
        expect(port, requests[i], (void *)8, EFAULT);
    }
    /* A descriptor number that leads elsewhere after dup2 is another file. */
    CHECK(dup2(other, port) == port);
    expect(port, TIOCMGET, place, ENOTTY);
    /* Breaks. */
    port = open_port(argv[1], B500000);
    CHECK(ioctl(port, TIOCSBRK) == 0 && ioctl(port, TIOCCBRK) == 0);
    CHECK(tcsendbreak(port, 0) == 0);
    CHECK(tcdrain(port) == 0);
    return 0;
}
