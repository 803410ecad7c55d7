//! A module's serial port for the network: RFC 2217, telnet's COM-PORT-OPTION.
//!
//! | part | what it does |
//! |---|---|
//! | [`telnet`] | data, commands and subnegotiations in a stream (sans-IO) |
//! | [`options`] | which telnet options are in force (sans-IO) |
//! | [`com_port`] | codes and values of RFC 2217 (pure) |
//! | [`framing`] | what other frames than 8N1 do to bytes (pure) |
//! | [`session`] | one client's connection (sans-IO) |
//! | [`server`] | the listening socket |

pub mod com_port;
mod connection;
pub mod framing;
pub mod options;
pub mod server;
pub mod session;
pub mod telnet;
