/* A program on Debian's libserialport, which takes only names in /dev that /sys/class/tty knows as well. */
#include <libserialport.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(ok)                                                                              \
    do {                                                                                       \
        if (!(ok)) {                                                                           \
            fprintf(stderr, "%d: %s (%s)\n", __LINE__, #ok, sp_last_error_message());          \
            exit(99);                                                                          \
        }                                                                                      \
    } while (0)

int main(int argc, char **argv)
{
    struct sp_port *port;
    enum sp_signal signals;
    unsigned char burst[150], reply[28];
    int answered = 0;
    CHECK(argc == 2);
    CHECK(sp_get_port_by_name(argv[1], &port) == SP_OK);
    CHECK(sp_open(port, SP_MODE_READ_WRITE) == SP_OK);
    CHECK(sp_set_baudrate(port, 500000) == SP_OK && sp_set_bits(port, 8) == SP_OK);
    CHECK(sp_set_parity(port, SP_PARITY_NONE) == SP_OK && sp_set_stopbits(port, 1) == SP_OK);
    CHECK(sp_set_flowcontrol(port, SP_FLOWCONTROL_NONE) == SP_OK);
    CHECK(sp_set_rts(port, SP_RTS_ON) == SP_OK && sp_set_dtr(port, SP_DTR_ON) == SP_OK);
    CHECK(sp_set_dtr(port, SP_DTR_OFF) == SP_OK && sp_set_rts(port, SP_RTS_OFF) == SP_OK);
    CHECK(sp_get_signals(port, &signals) == SP_OK);
    CHECK(signals == (SP_SIG_CTS | SP_SIG_DSR | SP_SIG_DCD));
    memset(burst, 0x55, sizeof burst);
    for (int i = 0; i < 20 && !answered; i++) {
        CHECK(sp_blocking_write(port, burst, sizeof burst, 1000) == sizeof burst);
        CHECK(sp_drain(port) == SP_OK);
        answered = sp_blocking_read(port, reply, 2, 1000) == 2 && memcmp(reply, "OK", 2) == 0;
    }
    CHECK(answered);
    CHECK(sp_blocking_read(port, reply, 1, 20) == 0);
    CHECK(sp_blocking_write(port, "\x10\0\0\0", 4, 1000) == 4);
    CHECK(sp_blocking_read(port, reply, sizeof reply, 1000) == sizeof reply);
    CHECK(sp_close(port) == SP_OK);
    return 0;
}
