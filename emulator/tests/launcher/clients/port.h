/* What the small clients of these tests share. Each of them is an ordinary serial program. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

/* Ends the client with a message when `ok` does not hold. */
#define CHECK(ok)                                                                                      \
    do {                                                                                               \
        if (!(ok)) {                                                                                   \
            fprintf(stderr, "%s:%d: %s (errno %d: %s)\n", __FILE__, __LINE__, #ok, errno, strerror(errno)); \
            exit(99);                                                                                  \
        }                                                                                              \
    } while (0)

static int open_port(const char *path, speed_t speed)
{
    int fd = open(path, O_RDWR | O_NOCTTY);
    CHECK(fd >= 0);
    struct termios settings;
    CHECK(tcgetattr(fd, &settings) == 0);
    cfmakeraw(&settings);
    cfsetspeed(&settings, speed);
    settings.c_cflag |= CLOCAL | HUPCL;
    CHECK(tcsetattr(fd, TCSANOW, &settings) == 0);
    return fd;
}

static int lines_of(int fd)
{
    int bits = 0;
    CHECK(ioctl(fd, TIOCMGET, &bits) == 0);
    return bits & (TIOCM_RTS | TIOCM_DTR);
}

static void lines(int fd, unsigned long request, int bits)
{
    CHECK(ioctl(fd, request, &bits) == 0);
}

/* Reads until `wanted` bytes are there or nothing comes for `patience_ms`. */
static int read_for(int fd, unsigned char *place, int wanted, int patience_ms)
{
    int have = 0;
    struct pollfd waiting = {.fd = fd, .events = POLLIN};
    while (have < wanted) {
        int ready = poll(&waiting, 1, patience_ms);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready != 1)
            break;
        ssize_t count = read(fd, place + have, wanted - have);
        CHECK(count > 0);
        have += count;
    }
    return have;
}

/* 3 ms of 55h at 500,000 baud, as often as it takes the boot ROM to come out of a reset; 1 when it has answered OK. */
static int handshake(int fd, int tries)
{
    unsigned char burst[150], answer[2];
    memset(burst, 0x55, sizeof burst);
    for (int i = 0; i < tries; i++) {
        CHECK(write(fd, burst, sizeof burst) == sizeof burst);
        if (read_for(fd, answer, 2, 1000) == 2 && memcmp(answer, "OK", 2) == 0)
            return 1;
    }
    return 0;
}

/* The boot ROM has answered a handshake: does it also tell who it is? */
static void boot_info(int fd)
{
    unsigned char reply[28];
    /* It throws away what comes just behind its OK. */
    CHECK(read_for(fd, reply, sizeof reply, 20) == 0);
    CHECK(write(fd, "\x10\0\0\0", 4) == 4);
    CHECK(read_for(fd, reply, sizeof reply, 1000) == sizeof reply);
    CHECK(memcmp(reply, "OK\x18\0\x01\0\x02\x07", 8) == 0);
}
