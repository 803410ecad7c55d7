//! The control socket: a hand on the buttons of a module that another process serves.
//!
//! `bl702-emu run` listens on a unix socket that only its user may open; `bl702-emu ctl` is the client, and anything
//! that can write a line of JSON to a socket can be another.
//!
//! ```text
//! -> {"command":"reset","ms":100}
//! <- {"ok":true}
//! -> {"command":"boot","level":"up"}
//! <- {"ok":false,"error":"unknown variant `up`, expected `high` or `low` at line 1 column 30"}
//! ```
//!
//! | part | what it does |
//! |---|---|
//! | [`message`] | requests and replies |
//! | [`place`] | where the sockets are |
//! | [`socket`] | a listening socket that comes and goes with its module |
//! | [`server`] | does what is asked |
//! | [`client`] | asks |
//! | [`words`] | what runs on a chip, for people |

pub mod client;
pub mod message;
pub mod place;
pub mod server;
pub mod socket;
pub mod words;
