/* Waits for the line as programs do that change the rate behind what they have written. */
#include <time.h>

#include "port.h"

static long milliseconds(void)
{
    struct timespec now;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int unsent(int fd)
{
    int count = -1;
    CHECK(ioctl(fd, TIOCOUTQ, &count) == 0);
    CHECK(count >= 0);
    return count;
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    unsigned char nothing[1920], empty;
    memset(nothing, 0, sizeof nothing);
    int fd = open_port(argv[1], B38400), state;
    CHECK(unsent(fd) == 0);
    /* Half a second of bytes that the boot ROM does not care about. */
    long began = milliseconds();
    CHECK(write(fd, nothing, sizeof nothing) == sizeof nothing);
    int count = unsent(fd);
    if (milliseconds() - began < 450)
        CHECK(count > 0 && count <= (int)sizeof nothing);
    CHECK(tcdrain(fd) == 0);
    CHECK(milliseconds() - began >= 490);
    CHECK(unsent(fd) == 0);
    CHECK(ioctl(fd, TIOCSERGETLSR, &state) == 0 && state == TIOCSER_TEMT);

    /* What was written goes out at the old rate, what comes behind at the new one: for each way to wait. */
    struct termios settings;
    for (int way = 0; way < 3; way++) {
        lines(fd, TIOCMBIS, TIOCM_RTS);
        lines(fd, TIOCMBIC, TIOCM_RTS);
        CHECK(tcgetattr(fd, &settings) == 0);
        cfsetspeed(&settings, B500000);
        CHECK(tcsetattr(fd, TCSANOW, &settings) == 0);
        CHECK(handshake(fd, 20));
        boot_info(fd);
        CHECK(write(fd, "\x10\0\0\0", 4) == 4);
        cfsetspeed(&settings, B38400);
        if (way == 0)
            CHECK(tcdrain(fd) == 0);
        while (way == 1 && unsent(fd) > 0)
            ;
        CHECK(tcsetattr(fd, way == 2 ? TCSADRAIN : TCSANOW, &settings) == 0);
        /* The report tells whether the module understood. Its answer is garbled: it comes at the rate of the question. */
        CHECK(read_for(fd, &empty, 1, 2000) == 1);
        while (read_for(fd, &empty, 1, 20) == 1)
            ;
    }
    return 0;
}
