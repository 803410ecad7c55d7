/* Writes 256 bytes after the other to a module whose RAM loader runs, and tells each that was acknowledged. */
#include "port.h"

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    int fd = open_port(argv[1], B2000000);
    unsigned char burst[600], answer[2], frame[8 + 256];
    memset(burst, 0x55, sizeof burst);
    CHECK(write(fd, burst, sizeof burst) == sizeof burst);
    CHECK(read_for(fd, answer, 2, 20000) == 2 && memcmp(answer, "OK", 2) == 0);
    CHECK(read_for(fd, answer, 1, 20) == 0);
    for (unsigned page = 0; page < 4096; page++) {
        unsigned length = 4 + 256, address = page * 256;
        unsigned char head[8] = {0x31, 0, length, length >> 8, address, address >> 8, address >> 16, 0};
        memcpy(frame, head, sizeof head);
        memset(frame + 8, page, 256);
        CHECK(write(fd, frame, sizeof frame) == sizeof frame);
        CHECK(read_for(fd, answer, 2, 20000) == 2 && memcmp(answer, "OK", 2) == 0);
        CHECK(printf("%u\n", page) > 0 && fflush(stdout) == 0);
    }
    return 0;
}
