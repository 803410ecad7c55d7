//! ser2net 4 as the server in front of a module, its modem lines answered by `bl702-emu exec`.
//!
//! Needs the program, as the environment variable `BL702_SER2NET`; run with
//! `BL702_SER2NET=/usr/sbin/ser2net cargo test -p bl702-emulator --test remote -- --ignored`.

use std::net::{TcpListener, TcpStream};
use std::process::Child;

use rustix::process::{Pid, Signal, kill_process};

use super::bench::{arg, command, readable, vector};
use super::network::NetworkClient;

/// How often a connection is tried before the test fails, 20 ms apart.
const MOST_TRIES: u32 = 1000;

/// A launcher with ser2net as its client, killed at the end of the test.
struct Launched(Child);

impl Drop for Launched {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Launched {
    /// The launcher's summary, when ser2net has been told to end.
    fn end(mut self) -> String {
        kill_process(Pid::from_child(&self.0), Signal::TERM).unwrap();
        let mut summary = String::new();
        std::io::Read::read_to_string(self.0.stderr.as_mut().unwrap(), &mut summary).unwrap();
        self.0.wait().unwrap();
        summary
    }
}

#[test]
#[ignore = "needs BL702_SER2NET, the path of ser2net 4"]
fn ser2net_as_the_server() {
    let ser2net = std::env::var("BL702_SER2NET").expect("set BL702_SER2NET to the path of ser2net 4");
    let dir = tempfile::tempdir().unwrap();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    // '#' is a line feed.
    let setup = format!(
        "connection: &module#  accepter: telnet(rfc2217),tcp,127.0.0.1,{}#  connector: serialdev,{{port}},115200n81,local",
        address.port(),
    );
    let pid_file = dir.path().join("pid");
    let launcher = ["exec", "--profile", "vectors-rom", "--wiring", "rts-en", "--boot", "dtr", "--"];
    let server = [ser2net.as_str(), "-n", "-u", "-P", arg(&pid_file), "-Y", &setup];
    let mut launched = Launched(command(&[launcher.as_slice(), &server].concat()).spawn().unwrap());
    let quiet = launched.0.stdout.take().unwrap();
    let connected = (0..MOST_TRIES).find_map(|_| {
        let connected = TcpStream::connect(address).ok();
        // Its output ends with it; until then this is nothing but a pause.
        if connected.is_none() && readable(&quiet, 20) {
            panic!("ser2net has ended: {:?}", launched.0.wait());
        }
        connected
    });
    let mut client = NetworkClient::over(connected.expect("ser2net does not listen"));
    client.write(b"\xff\xfb\x2c\xff\xfb\x00\xff\xfd\x00");
    client.set_baud(500_000);
    client.set_dtr(false);
    client.set_rts(false);
    client.shake_hands(500_000);
    let (request, reply) = vector("rom", "boot info (poll bytewise)");
    assert_eq!(client.ask(&request, reply.len()), reply);
    // Another reset, by ser2net's ioctl on the emulated port.
    client.set_rts(true);
    client.set_rts(false);
    client.shake_hands(500_000);
    assert_eq!(client.ask(&request, reply.len()), reply);
    client.close();
    let summary = launched.end();
    assert!(summary.contains("handshakes  boot ROM at 500,000 baud (2)"), "{summary}");
    assert!(summary.contains("fuses       none burnt"), "{summary}");
}
