/* Knows of no modem lines: talks to a module that waits for it. */
#include "port.h"

int main(int argc, char **argv)
{
    CHECK(argc == 3);
    int fd = open_port(argv[1], B500000);
    int answered = handshake(fd, 3);
    if (strcmp(argv[2], "answers") == 0) {
        CHECK(answered);
        boot_info(fd);
    } else {
        CHECK(!answered);
    }
    return 0;
}
