//! Telnet and its COM-PORT-OPTION (RFC 854, 855, 2217): a serial port on the network, as both ends write it.
//!
//! What an end does with it is its own: the server's side is the emulator's, the client's is the flasher's.

pub mod com_port;
pub mod options;
pub mod telnet;
