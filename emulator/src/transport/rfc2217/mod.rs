//! A module's serial port for the network: RFC 2217, telnet's COM-PORT-OPTION.
//!
//! | part | what it does |
//! |---|---|
//! | [`bl702_protocol::rfc2217`] | data, commands and subnegotiations in a stream, codes of RFC 2217 (sans-IO) |
//! | [`options`] | which telnet options are in force (sans-IO) |
//! | [`com_port`] | requests for other frames than 8N1 (pure) |
//! | [`framing`] | what other frames than 8N1 do to bytes (pure) |
//! | [`session`] | one client's connection (sans-IO) |
//! | [`server`] | the listening socket |

pub mod com_port;
mod connection;
pub mod framing;
pub mod options;
pub mod server;
pub mod session;
