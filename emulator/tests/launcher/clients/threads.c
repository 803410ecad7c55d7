/* One thread sleeps until an input line changes, which none does; others go on, and a signal wakes it. */

#include "port.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

static int fd;
static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

static void *sleeper(void *told)
{
    CHECK(write(*(int *)told, "x", 1) == 1);
    int result = ioctl(fd, TIOCMIWAIT, TIOCM_CTS | TIOCM_DSR | TIOCM_CD | TIOCM_RNG);
    CHECK(result == -1 && errno == EINTR);
    return NULL;
}

static void *toggler(void *line)
{
    int bit = *(int *)line;
    for (int i = 0; i < 200; i++) {
        CHECK(ioctl(fd, TIOCMBIS, &bit) == 0);
        CHECK(lines_of(fd) & bit);
        CHECK(ioctl(fd, TIOCMBIC, &bit) == 0);
        CHECK(!(lines_of(fd) & bit));
    }
    return NULL;
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    fd = open_port(argv[1], B500000);
    struct sigaction action = {.sa_handler = on_signal};
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    int told[2];
    char byte;
    CHECK(pipe(told) == 0);
    pthread_t waiting, first, second;
    CHECK(pthread_create(&waiting, NULL, sleeper, &told[1]) == 0);
    CHECK(read(told[0], &byte, 1) == 1);
    int rts = TIOCM_RTS, dtr = TIOCM_DTR;
    CHECK(pthread_create(&first, NULL, toggler, &rts) == 0);
    CHECK(pthread_create(&second, NULL, toggler, &dtr) == 0);
    pthread_join(first, NULL);
    pthread_join(second, NULL);
    /* The sleeper may not sleep yet when the first signal comes. */
    struct timespec soon;
    do {
        pthread_kill(waiting, SIGUSR1);
        clock_gettime(CLOCK_REALTIME, &soon);
        soon.tv_nsec += 20000000;
        if (soon.tv_nsec >= 1000000000)
            soon.tv_sec++, soon.tv_nsec -= 1000000000;
    } while (pthread_timedjoin_np(waiting, NULL, &soon) == ETIMEDOUT);
    CHECK(interrupted);
    return 0;
}
