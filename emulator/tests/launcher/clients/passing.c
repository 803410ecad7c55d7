/* Opens the port in one process and uses its lines in another: a forked child, one that was sent the descriptor over a
   socket, and an orphan. */
#include <sys/socket.h>
#include <sys/wait.h>

#include "port.h"

static void send_descriptor(int socket, int descriptor)
{
    char byte = 0, space[CMSG_SPACE(sizeof descriptor)] = {0};
    struct iovec data = {&byte, 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof descriptor);
    memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
    CHECK(sendmsg(socket, &message, 0) == 1);
}

static int receive_descriptor(int socket)
{
    int descriptor;
    char byte, space[CMSG_SPACE(sizeof descriptor)];
    struct iovec data = {&byte, 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
    CHECK(recvmsg(socket, &message, 0) == 1);
    memcpy(&descriptor, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof descriptor);
    return descriptor;
}

static void use(int fd, int bit)
{
    lines(fd, TIOCMBIC, bit);
    CHECK(!(lines_of(fd) & bit));
    lines(fd, TIOCMBIS, bit);
    CHECK(lines_of(fd) & bit);
}

static void expect_success(void)
{
    int status;
    CHECK(wait(&status) > 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    int pair[2], ends[2];
    char byte;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    if (fork() == 0) { /* forked before the port was opened */
        use(receive_descriptor(pair[1]), TIOCM_DTR);
        return 0;
    }
    int fd = open_port(argv[1], B500000);
    send_descriptor(pair[0], fd);
    expect_success();
    if (fork() == 0) {
        use(fd, TIOCM_RTS);
        return 0;
    }
    expect_success();
    CHECK(pipe(ends) == 0);
    if (fork() == 0) {
        if (fork() == 0) {
            setsid();
            use(fd, TIOCM_RTS);
            CHECK(write(ends[1], "x", 1) == 1);
        }
        return 0;
    }
    expect_success();
    close(ends[1]);
    CHECK(read(ends[0], &byte, 1) == 1);
    return 0;
}
