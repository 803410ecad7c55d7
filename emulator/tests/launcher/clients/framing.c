/* Sets what a pty does not keep of its settings, and reads it again. */
#include "port.h"

static void set(int fd, tcflag_t framing, int when)
{
    struct termios settings, again;
    CHECK(tcgetattr(fd, &settings) == 0);
    settings.c_cflag = (settings.c_cflag & ~(CSIZE | PARENB | PARODD | CSTOPB)) | framing;
    CHECK(tcsetattr(fd, when, &settings) == 0); /* some C libraries look whether it was taken over */
    CHECK(tcgetattr(fd, &again) == 0);
    CHECK(settings.c_cflag == again.c_cflag && settings.c_lflag == again.c_lflag);
    CHECK(settings.c_iflag == again.c_iflag && settings.c_oflag == again.c_oflag);
    CHECK(memcmp(settings.c_cc, again.c_cc, sizeof again.c_cc) == 0);
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    struct termios settings;
    unsigned char reply[28];
    int fd = open_port(argv[1], B500000);
    CHECK(tcgetattr(fd, &settings) == 0);
    CHECK(!(settings.c_lflag & EXTPROC) && (settings.c_cflag & CSIZE) == CS8);
    lines(fd, TIOCMBIC, TIOCM_DTR);
    lines(fd, TIOCMBIC, TIOCM_RTS);
    CHECK(handshake(fd, 20));
    boot_info(fd);
    set(fd, CS8 | CSTOPB, TCSANOW); /* the chip does not mind a longer pause */
    boot_info(fd);
    set(fd, CS5 | PARENB, TCSADRAIN);
    set(fd, CS6 | PARENB | PARODD, TCSAFLUSH);
    settings.c_cflag &= ~CREAD;
    CHECK(tcsetattr(fd, TCSANOW, &settings) == 0);
    set(fd, CS7, TCSANOW);
    /* The stop bit is read as the eighth, and the next start bit as a stop bit: no command. */
    CHECK(write(fd, "\x10\0\0\0", 4) == 4);
    CHECK(read_for(fd, reply, sizeof reply, 50) < (int)sizeof reply);
    set(fd, CS8, TCSADRAIN);
    lines(fd, TIOCMBIS, TIOCM_RTS);
    lines(fd, TIOCMBIC, TIOCM_RTS);
    CHECK(tcflush(fd, TCIOFLUSH) == 0);
    CHECK(handshake(fd, 20));
    boot_info(fd);
    return 0;
}
