//! Against servers of many kinds, on loopback sockets.

use std::net::{Ipv4Addr, TcpListener};
use std::thread::{JoinHandle, spawn};

use bl702_protocol::rfc2217::com_port::{Command, encode_answer};
use bl702_protocol::rfc2217::telnet::{Decoder, Item, encode_data};
use rstest::rstest;

use super::*;

/// Limits that no test runs into unless it wants to.
const GENEROUS: Limits = Limits {
    connect: Duration::from_secs(60),
    answer: Duration::from_secs(60),
    optional: Duration::from_secs(60),
};
/// Limits for servers that say nothing.
const SHORT: Limits = Limits {
    connect: Duration::from_millis(20),
    answer: Duration::from_millis(20),
    optional: Duration::from_millis(20),
};

/// Requests, in order.
type Asked = Vec<(Code, Vec<u8>)>;

/// A server for one client.
fn serve(script: impl FnOnce(&mut TcpStream) + Send + 'static) -> (Address, JoinHandle<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = spawn(move || script(&mut listener.accept().unwrap().0));
    (Address { host: "127.0.0.1".to_owned(), port }, thread)
}

/// Says this, then listens until the client goes.
fn says(text: &'static [u8]) -> (Address, JoinHandle<()>) {
    serve(move |stream| {
        stream.write_all(text).unwrap();
        // That the client resets the connection is an end of it, too.
        let _ = io::copy(stream, &mut io::sink());
    })
}

/// Agrees to RFC 2217, answers requests as `answer` says, sends data back as they come; gives what it was asked.
fn controlled(
    answer: impl Fn(Code, &[u8]) -> Option<Vec<u8>> + Send + 'static,
) -> (Address, JoinHandle<Asked>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        stream.write_all(b"a banner\r\n\xff\xfd\x2c").unwrap();
        let (mut decoder, mut buffer, mut asked) = (Decoder::new(), [0; 1024], Asked::new());
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            let mut out = Vec::new();
            for item in decoder.decode(&buffer[..count]) {
                match item {
                    Item::Data(data) => encode_data(&data, &mut out),
                    Item::Subnegotiation(content) => {
                        let command = Command::parse(&content).unwrap();
                        asked.push((command.code, command.value.to_vec()));
                        if let Some(value) = answer(command.code, command.value) {
                            encode_answer(command.code, &value, &mut out);
                        }
                    }
                    _ => {}
                }
            }
            stream.write_all(&out).unwrap();
        }
        asked
    });
    (Address { host: "127.0.0.1".to_owned(), port }, thread)
}

/// What a server says that does everything; it has asserted DTR.
fn obliging(_: Code, value: &[u8]) -> Option<Vec<u8>> {
    Some(if value == [control::ASK_DTR] { vec![control::DTR_ON] } else { value.to_vec() })
}

fn open(limits: Limits, address: &Address) -> Result<Rfc2217Port, PortError> {
    Rfc2217Port::open_within(limits, address, 500_000)
}

#[test]
fn nobody_listens() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let address = Address { host: "127.0.0.1".to_owned(), port };
    let error = open(GENEROUS, &address).unwrap_err();
    assert!(matches!(error, PortError::Unreachable { .. }), "{error}");
}

#[rstest]
#[case::refuses(GENEROUS, b"\xff\xfe\x2c", "it refuses telnet's COM-PORT-OPTION")]
#[case::raw(
    Limits { connect: Duration::from_secs(2), ..GENEROUS },
    b"SSH-2.0-OpenSSH_9.2\r\n",
    "it does not speak telnet within 2.000 s, but says: SSH-2.0-OpenSSH_9.2"
)]
#[case::silent(SHORT, b"", "it says nothing within 20.00 ms")]
fn what_is_no_controlled_port(#[case] limits: Limits, #[case] text: &'static [u8], #[case] why: &str) {
    let (address, server) = says(text);
    match open(limits, &address) {
        Err(PortError::NoRemoteControl { reason, .. }) => assert_eq!(reason, why),
        other => panic!("{other:?}"),
    }
    server.join().unwrap();
}

#[rstest]
#[case::refused(b"Debian GNU/Linux 12\r\n\xff\xfe\x2cbench login: ", "Debian GNU/Linux 12 bench login:")]
#[case::not_telnet(b"Username:", "Username:")]
// A prompt in front of the agreement, in one piece with it.
#[case::agreed(b"Password: \xff\xfd\x2c", "Password:")]
fn a_login_is_no_port(#[case] text: &'static [u8], #[case] said: &str) {
    let (address, server) = says(text);
    match open(GENEROUS, &address) {
        Err(PortError::Login { prompt, .. }) => assert_eq!(prompt, said),
        other => panic!("{other:?}"),
    }
    server.join().unwrap();
}

#[test]
fn why_a_client_is_turned_away_is_told() {
    let (address, server) = serve(|stream| {
        stream.write_all(b"Port already in use\r\n").unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let _ = io::copy(stream, &mut io::sink());
    });
    let error = open(GENEROUS, &address).unwrap_err();
    assert_eq!(error.to_string(), format!("{address} turned this program away, saying: Port already in use"));
    server.join().unwrap();
}

#[test]
fn a_port_is_set_up_and_used() {
    let (address, server) = controlled(obliging);
    let mut port = open(GENEROUS, &address).unwrap();
    assert!(port.has_lines());
    port.set_baud(2_000_000).unwrap();
    port.set_lines(Lines { dtr: false, rts: true }).unwrap();
    // Every byte value comes back, and what is there at a purge does not.
    port.write(b"left over").unwrap();
    port.purge_input().unwrap();
    let sent: Vec<u8> = (0..=255).chain([255, 255, 240, 13, 0]).collect();
    port.write(&sent).unwrap();
    let (mut got, mut buffer) = (Vec::new(), [0; 64]);
    while got.len() < sent.len() {
        let until = port.now() + Nanos::from_secs(60);
        let count = port.read(&mut buffer, until).unwrap();
        got.extend_from_slice(&buffer[..count]);
    }
    assert_eq!(got, sent);
    drop(port);
    let rate = |baud_bps: u32| (Code::BaudRate, baud_bps.to_be_bytes().to_vec());
    let expected = [
        rate(500_000),
        (Code::DataSize, vec![8]),
        (Code::Parity, vec![1]),
        (Code::StopSize, vec![1]),
        (Code::Control, vec![control::NO_FLOW]),
        (Code::LineStateMask, vec![0]),
        (Code::ModemStateMask, vec![0]),
        (Code::Control, vec![control::ASK_DTR]),
        (Code::Purge, vec![purge::RECEIVED]),
        rate(2_000_000),
        (Code::Control, vec![control::DTR_OFF]),
        (Code::Control, vec![control::RTS_ON]),
        (Code::Purge, vec![purge::RECEIVED]),
    ];
    assert_eq!(server.join().unwrap(), expected);
}

#[test]
fn rates_have_to_be_what_was_asked_for() {
    // Two adapters: one gets as near as its divider lets it, one has a fastest rate.
    let near = |code, value: &[u8]| match code {
        Code::BaudRate => Some(505_000_u32.to_be_bytes().to_vec()),
        code => obliging(code, value),
    };
    let (address, server) = controlled(near);
    drop(open(GENEROUS, &address).unwrap());
    server.join().unwrap();
    let (address, server) = controlled(|_, _| Some(230_400_u32.to_be_bytes().to_vec()));
    let error = open(GENEROUS, &address).unwrap_err();
    assert!(matches!(error, PortError::BaudRefused { baud_bps: 500_000, .. }), "{error}");
    assert!(error.to_string().ends_with("the server stays at 230400 baud"), "{error}");
    server.join().unwrap();
}

#[test]
fn a_server_need_not_have_lines_nor_answer_all() {
    let (address, server) = controlled(|code, value| (code == Code::BaudRate).then(|| value.to_vec()));
    let limits = Limits { optional: SHORT.optional, ..GENEROUS };
    let mut port = open(limits, &address).unwrap();
    assert!(!port.has_lines(), "nobody said how DTR is");
    drop(port);
    server.join().unwrap();
}

#[test]
fn a_server_that_sets_no_rate_is_of_no_use() {
    let (address, server) = controlled(|_, _| None);
    let limits = Limits { answer: SHORT.answer, ..GENEROUS };
    let error = open(limits, &address).unwrap_err();
    assert!(matches!(error, PortError::System { action: "set the rate of", .. }), "{error}");
    server.join().unwrap();
}

#[test]
fn other_frames_than_8n1_are_refused() {
    let odd = |code, value: &[u8]| if code == Code::Parity { Some(vec![2]) } else { obliging(code, value) };
    let (address, server) = controlled(odd);
    let error = open(GENEROUS, &address).unwrap_err();
    assert!(matches!(&error, PortError::NoRemoteControl { .. }), "{error}");
    assert!(error.to_string().ends_with("asked for no parity, it answers [2]"), "{error}");
    server.join().unwrap();
}

#[test]
fn a_server_that_ends_takes_the_port_with_it() {
    let (address, server) = serve(|stream| {
        stream.write_all(b"\xff\xfd\x2c").unwrap();
        let (mut decoder, mut buffer) = (Decoder::new(), [0; 1024]);
        loop {
            let count = stream.read(&mut buffer).unwrap();
            for item in decoder.decode(&buffer[..count]) {
                let Item::Subnegotiation(content) = item else { continue };
                let command = Command::parse(&content).unwrap();
                let mut out = Vec::new();
                encode_answer(command.code, &obliging(command.code, command.value).unwrap(), &mut out);
                stream.write_all(&out).unwrap();
                if command.code == Code::Purge {
                    return;
                }
            }
        }
    });
    let mut port = open(GENEROUS, &address).unwrap();
    server.join().unwrap();
    let error = loop {
        let until = port.now() + Nanos::from_secs(60);
        match port.read(&mut [0; 16], until) {
            Ok(0) => {}
            Ok(count) => panic!("{count} bytes came"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, PortError::Vanished { .. }), "{error}");
}
