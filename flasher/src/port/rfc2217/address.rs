//! `rfc2217://HOST:PORT`, taken apart.

use std::fmt;
use std::str::FromStr;

const SCHEME: &str = "rfc2217://";

/// Where a serial port is served on the network.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// Name, IPv4 or IPv6 address, the last without brackets.
    pub host: String,
    /// TCP port. RFC 2217 has no usual one.
    pub port: u16,
}

impl Address {
    /// Whether a port's name is of this kind, right or wrong.
    pub fn is_meant_by(name: &str) -> bool {
        name.get(..SCHEME.len()).is_some_and(|head| head.eq_ignore_ascii_case(SCHEME))
    }
}

/// Why a name is no address of a served port.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Another kind of name.
    #[error("it does not begin with rfc2217://")]
    Scheme,
    /// `user@` or `user:password@`.
    #[error("it names a user, but RFC 2217 has no login")]
    User,
    /// Something behind the port.
    #[error("nothing may follow the port number, but {0:?} does")]
    Tail(String),
    /// No host.
    #[error("it names no host")]
    Host,
    /// An IPv6 address without brackets.
    #[error("an IPv6 address goes into brackets, as in rfc2217://[::1]:4000")]
    Brackets,
    /// No port number, or none that can be.
    #[error("it needs a port number from 1 to 65535, as in rfc2217://host:4000")]
    Port,
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(name: &str) -> Result<Address, AddressError> {
        if !Address::is_meant_by(name) {
            return Err(AddressError::Scheme);
        }
        let rest = &name[SCHEME.len()..];
        let (place, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if !matches!(tail, "" | "/") {
            return Err(AddressError::Tail(tail.to_owned()));
        }
        if place.contains('@') {
            return Err(AddressError::User);
        }
        let (host, port) = match place.strip_prefix('[') {
            Some(bracketed) => {
                let (host, rest) = bracketed.split_once(']').ok_or(AddressError::Brackets)?;
                (host, rest.strip_prefix(':').ok_or(AddressError::Port)?)
            }
            None => {
                let (host, port) = place.rsplit_once(':').ok_or(AddressError::Port)?;
                if host.contains(':') {
                    return Err(AddressError::Brackets);
                }
                (host, port)
            }
        };
        if host.is_empty() {
            return Err(AddressError::Host);
        }
        // `parse` would take a sign as well.
        let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|port| is_number && *port > 0).ok_or(AddressError::Port)?;
        Ok(Address { host: host.to_owned(), port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "{SCHEME}[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{SCHEME}{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::name("rfc2217://bench-pi.local:4000", "bench-pi.local", 4000)]
    #[case::slash("rfc2217://10.0.0.7:4000/", "10.0.0.7", 4000)]
    #[case::shouted("RFC2217://host:65535", "host", 65535)]
    #[case::ipv6("rfc2217://[::1]:4000", "::1", 4000)]
    #[case::scope("rfc2217://[fe80::1%eth0]:4000", "fe80::1%eth0", 4000)]
    fn addresses(#[case] name: &str, #[case] host: &str, #[case] port: u16) {
        let address: Address = name.parse().unwrap();
        assert_eq!(address, Address { host: host.to_owned(), port });
        assert_eq!(address.to_string().parse(), Ok(address));
    }

    #[rstest]
    #[case("/dev/ttyUSB0", AddressError::Scheme)]
    #[case("socket://host:1", AddressError::Scheme)]
    #[case("rfc2217:/", AddressError::Scheme)]
    #[case("rfc2217://", AddressError::Port)]
    #[case("rfc2217://host", AddressError::Port)]
    #[case("rfc2217://host:", AddressError::Port)]
    #[case("rfc2217://host:0", AddressError::Port)]
    #[case("rfc2217://host:65536", AddressError::Port)]
    #[case("rfc2217://host:+80", AddressError::Port)]
    #[case("rfc2217://host:tty", AddressError::Port)]
    #[case("rfc2217://[::1]", AddressError::Port)]
    #[case("rfc2217://[::1]4000", AddressError::Port)]
    #[case("rfc2217://[::1:4000", AddressError::Brackets)]
    #[case("rfc2217://::1:4000", AddressError::Brackets)]
    #[case("rfc2217://:4000", AddressError::Host)]
    #[case("rfc2217://[]:4000", AddressError::Host)]
    #[case("rfc2217://me:secret@host:4000", AddressError::User)]
    #[case("rfc2217://host:4000/tty", AddressError::Tail("/tty".to_owned()))]
    #[case("rfc2217://host:4000?logging=debug", AddressError::Tail("?logging=debug".to_owned()))]
    fn mistakes(#[case] name: &str, #[case] error: AddressError) {
        assert_eq!(name.parse::<Address>(), Err(error));
    }
}
