//! The PROXY protocol, versions 1 and 2: what a load balancer says about a client, in front of the
//! client's own bytes (<https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt>).
//!
//! [`parse`] never fails on part of a header and never looks past its end, so a caller may read as
//! much as it has, peeking, and take exactly the header off a stream. What is not written as the
//! specification says is refused.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// How version 2 begins (section 2.2).
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// The longest header of version 1, its CRLF included (section 2.1).
const LONGEST_V1: usize = 107;
/// The fixed part of version 2.
const FIXED: usize = 16;
/// The longest header of version 2 that is taken: what balancers add in TLVs are some hundred bytes.
pub const LONGEST: usize = FIXED + 4096;

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The balancer itself speaks, to see whether the node lives: `LOCAL`.
    Local,
    /// The balancer does not say for whom it speaks: `UNKNOWN`, `AF_UNSPEC`, `AF_UNIX`.
    Unknown,
    /// A client, and where it connected to.
    Client {
        /// Whose connection it is.
        source: SocketAddr,
        /// What it connected to.
        destination: SocketAddr,
    },
}

/// Why bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// They begin like neither version.
    #[error("there is no PROXY protocol header")]
    Missing,
    /// Longer than the bound.
    #[error("the PROXY protocol header is longer than {LONGEST} bytes")]
    TooLong,
    /// A line of version 1 that is not written as it must be.
    #[error("the PROXY protocol header is not as version 1 has it")]
    MalformedV1,
    /// Another version, command, family, length or TLV than version 2 has.
    #[error("the PROXY protocol header is not as version 2 has it: {0}")]
    MalformedV2(&'static str),
}

/// Reads a header off the start of `bytes`: what it says and its length; none when `bytes` are only
/// the first part of one.
///
/// # Errors
///
/// [`ProxyError`] says why no bytes that follow can make it a header.
pub fn parse(bytes: &[u8]) -> Result<Option<(Source, usize)>, ProxyError> {
    if begins(bytes, SIGNATURE) {
        return v2(bytes);
    }
    if begins(bytes, b"PROXY ") {
        return v1(bytes);
    }
    Err(ProxyError::Missing)
}

/// Whether `bytes` begin with `start`, as far as both go.
fn begins(bytes: &[u8], start: &[u8]) -> bool {
    let compared = bytes.len().min(start.len());
    bytes[..compared] == start[..compared]
}

fn v1(bytes: &[u8]) -> Result<Option<(Source, usize)>, ProxyError> {
    let within = &bytes[..bytes.len().min(LONGEST_V1)];
    let Some(end) = within.iter().position(|byte| *byte == b'\n') else {
        return match bytes.len() < LONGEST_V1 {
            true => Ok(None),
            false => Err(ProxyError::MalformedV1),
        };
    };
    let line = within[..end].strip_suffix(b"\r");
    let line = line.and_then(|line| std::str::from_utf8(line).ok());
    let source = line.and_then(v1_line).ok_or(ProxyError::MalformedV1)?;
    Ok(Some((source, end + 1)))
}

fn v1_line(line: &str) -> Option<Source> {
    let rest = line.strip_prefix("PROXY ")?;
    // Whatever follows UNKNOWN must be ignored.
    if rest == "UNKNOWN" || rest.starts_with("UNKNOWN ") {
        return Some(Source::Unknown);
    }
    let mut words = rest.split(' ');
    let family = words.next()?;
    let (source, destination) = (words.next()?, words.next()?);
    let address = |text: &str| match family {
        "TCP4" => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        "TCP6" => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        _ => None,
    };
    let (source, destination) = (address(source)?, address(destination)?);
    let (from, to) = (port(words.next()?)?, port(words.next()?)?);
    words.next().is_none().then_some(Source::Client {
        source: SocketAddr::new(source, from),
        destination: SocketAddr::new(destination, to),
    })
}

/// Decimal digits without leading zeros.
fn port(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let plain = digits && (text == "0" || !text.starts_with('0'));
    plain.then(|| text.parse().ok()).flatten()
}

fn v2(bytes: &[u8]) -> Result<Option<(Source, usize)>, ProxyError> {
    let wrong = ProxyError::MalformedV2;
    let command = match bytes.get(12) {
        None => return Ok(None),
        Some(0x20) => Command::Local,
        Some(0x21) => Command::Proxy,
        Some(byte) if byte >> 4 != 2 => return Err(wrong("another version")),
        Some(_) => return Err(wrong("an unknown command")),
    };
    let Some(family) = bytes.get(13) else {
        return Ok(None);
    };
    let addresses = match family {
        0x00 => 0,
        0x11 | 0x12 => 12,
        0x21 | 0x22 => 36,
        0x31 | 0x32 => 216,
        _ => return Err(wrong("an unknown family")),
    };
    let Some(length) = bytes.get(14..16) else {
        return Ok(None);
    };
    let total = FIXED + usize::from(u16::from_be_bytes([length[0], length[1]]));
    if total > LONGEST {
        return Err(ProxyError::TooLong);
    }
    let Some(payload) = bytes.get(FIXED..total) else {
        return Ok(None);
    };
    // A receiver must discard what follows LOCAL, and what follows an unspecified family.
    if command == Command::Local {
        return Ok(Some((Source::Local, total)));
    }
    if *family == 0 {
        return Ok(Some((Source::Unknown, total)));
    }
    let Some((block, tlvs)) = payload.split_at_checked(addresses) else {
        return Err(wrong("too short for its addresses"));
    };
    if !are_tlvs(tlvs) {
        return Err(wrong("a TLV longer than the header"));
    }
    let source = match family {
        0x11 => client(block, |address: [u8; 4]| Ipv4Addr::from(address).into()),
        0x21 => client(block, |address: [u8; 16]| Ipv6Addr::from(address).into()),
        // UNIX sockets name no address that means anything here.
        0x31 => Some(Source::Unknown),
        _ => return Err(wrong("datagrams on a stream")),
    };
    let source = source.ok_or(wrong("too short for its addresses"))?;
    Ok(Some((source, total)))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Command {
    Local,
    Proxy,
}

/// Source and destination address, source and destination port.
fn client<const N: usize>(block: &[u8], address: impl Fn([u8; N]) -> IpAddr) -> Option<Source> {
    let (source, rest) = block.split_first_chunk::<N>()?;
    let (destination, rest) = rest.split_first_chunk::<N>()?;
    let (from, rest) = rest.split_first_chunk::<2>()?;
    let (to, _) = rest.split_first_chunk::<2>()?;
    Some(Source::Client {
        source: SocketAddr::new(address(*source), u16::from_be_bytes(*from)),
        destination: SocketAddr::new(address(*destination), u16::from_be_bytes(*to)),
    })
}

/// Whether these bytes are TLVs to their end: type, length in two bytes, value (section 2.2.7).
fn are_tlvs(mut bytes: &[u8]) -> bool {
    while let Some(([_, high, low], rest)) = bytes.split_first_chunk::<3>() {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let Some(rest) = rest.get(length..) else {
            return false;
        };
        bytes = rest;
    }
    bytes.is_empty()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn client(source: &str, destination: &str) -> Source {
        Source::Client {
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
        }
    }

    /// The header of version 2 with this command byte, family byte and payload.
    fn header(command: u8, family: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([command, family]);
        bytes.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn version_1() {
        for (line, said) in [
            (
                "PROXY TCP4 203.0.113.9 10.0.0.1 56324 443\r\n",
                client("203.0.113.9:56324", "10.0.0.1:443"),
            ),
            (
                "PROXY TCP6 2001:db8::1 ::1 1 65535\r\n",
                client("[2001:db8::1]:1", "[::1]:65535"),
            ),
            ("PROXY UNKNOWN\r\n", Source::Unknown),
            ("PROXY UNKNOWN what ever 1 2 3\r\n", Source::Unknown),
        ] {
            let bytes = format!("{line}GET / HTTP/1.1\r\n");
            assert_eq!(parse(bytes.as_bytes()), Ok(Some((said, line.len()))));
        }
        for bad in [
            "PROXY TCP4 203.0.113.9 10.0.0.1 56324 443\n",
            "PROXY TCP4 203.0.113.9 10.0.0.1 56324 443 \r\n",
            "PROXY TCP4  203.0.113.9 10.0.0.1 56324 443\r\n",
            "PROXY TCP4 203.0.113.9 10.0.0.1 056324 443\r\n",
            "PROXY TCP4 203.0.113.9 10.0.0.1 +1 443\r\n",
            "PROXY TCP4 203.0.113.9 10.0.0.1 65536 443\r\n",
            "PROXY TCP4 203.0.113.9 10.0.0.1 1\r\n",
            "PROXY TCP4 203.0.113.256 10.0.0.1 1 2\r\n",
            "PROXY TCP4 ::1 ::1 1 2\r\n",
            "PROXY TCP6 10.0.0.1 10.0.0.1 1 2\r\n",
            "PROXY UDP4 203.0.113.9 10.0.0.1 1 2\r\n",
            "PROXY UNKNOWNS\r\n",
            "PROXY \r\n",
        ] {
            assert_eq!(parse(bad.as_bytes()), Err(ProxyError::MalformedV1), "{bad}");
        }
        let endless = format!("PROXY UNKNOWN {}", "x".repeat(100));
        assert_eq!(parse(endless.as_bytes()), Err(ProxyError::MalformedV1));
        assert_eq!(parse(b"GET / HTTP/1.1\r\n"), Err(ProxyError::Missing));
        assert_eq!(parse(b"PROXX"), Err(ProxyError::Missing));
    }

    #[test]
    fn version_2() {
        let v4 = [203, 0, 113, 9, 10, 0, 0, 1, 0xdc, 0x04, 0x01, 0xbb];
        let said = client("203.0.113.9:56324", "10.0.0.1:443");
        let bytes = header(0x21, 0x11, &v4);
        assert_eq!(parse(&bytes), Ok(Some((said, bytes.len()))));
        // With an ALPN and an empty NOOP TLV, and bytes of the client behind it.
        let mut payload = v4.to_vec();
        payload.extend(b"\x01\x00\x02h2\x04\x00\x00");
        let mut bytes = header(0x21, 0x11, &payload);
        let length = bytes.len();
        bytes.extend(b"GET");
        assert_eq!(parse(&bytes), Ok(Some((said, length))));

        let mut v6 = [0; 36];
        (v6[15], v6[31], v6[33], v6[35]) = (1, 2, 3, 4);
        let (said, _) = parse(&header(0x21, 0x21, &v6)).unwrap().unwrap();
        assert_eq!(said, client("[::1]:3", "[::2]:4"));

        assert_eq!(
            parse(&header(0x20, 0x00, b"rubbish")),
            Ok(Some((Source::Local, 23)))
        );
        assert_eq!(
            parse(&header(0x21, 0x00, b"rubbish")),
            Ok(Some((Source::Unknown, 23)))
        );
        assert_eq!(
            parse(&header(0x21, 0x31, &[0; 216])),
            Ok(Some((Source::Unknown, 232)))
        );

        for (bad, why) in [
            (header(0x11, 0x11, &v4), "another version"),
            (header(0x22, 0x11, &v4), "an unknown command"),
            (header(0x21, 0x13, &v4), "an unknown family"),
            (header(0x21, 0x12, &v4), "datagrams on a stream"),
            (header(0x21, 0x11, &v4[..11]), "too short for its addresses"),
            (header(0x21, 0x21, &v4), "too short for its addresses"),
            (
                header(0x21, 0x11, &[&v4[..], b"\x01\x00\x03h2"].concat()),
                "a TLV longer than the header",
            ),
        ] {
            assert_eq!(parse(&bad), Err(ProxyError::MalformedV2(why)));
        }
        let long = header(0x21, 0x11, &[0; 5000]);
        assert_eq!(parse(&long[..16]), Err(ProxyError::TooLong));
    }

    /// Any part of the header is no header yet, and none of the bytes behind it count.
    fn every_cut(header: &[u8], said: Source) {
        for end in 0..header.len() {
            assert_eq!(parse(&header[..end]), Ok(None), "{end}");
        }
        assert_eq!(parse(header), Ok(Some((said, header.len()))));
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(Some((_, length))) = parse(&bytes) {
                prop_assert!(length <= bytes.len());
            }
        }

        #[test]
        fn nothing_panics_behind_a_signature(
            command in any::<u8>(),
            family in any::<u8>(),
            payload in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let bytes = header(command, family, &payload);
            if let Ok(said) = parse(&bytes) {
                prop_assert_eq!(said.map(|(_, length)| length), Some(bytes.len()));
            }
        }

        #[test]
        fn what_is_written_is_read(
            source in any::<(Ipv4Addr, u16)>(),
            destination in any::<(Ipv4Addr, u16)>(),
            tlvs in proptest::collection::vec((any::<u8>(), proptest::collection::vec(any::<u8>(), 0..20)), 0..4),
        ) {
            let said = Source::Client { source: source.into(), destination: destination.into() };
            let (from, to) = (source.1, destination.1);
            let line = format!("PROXY TCP4 {} {} {from} {to}\r\n", source.0, destination.0);
            every_cut(line.as_bytes(), said);

            let mut payload = Vec::new();
            payload.extend(source.0.octets());
            payload.extend(destination.0.octets());
            payload.extend(from.to_be_bytes());
            payload.extend(to.to_be_bytes());
            for (kind, value) in tlvs {
                payload.push(kind);
                payload.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
                payload.extend(value);
            }
            every_cut(&header(0x21, 0x11, &payload), said);
        }

        #[test]
        fn six_as_well(source in any::<(Ipv6Addr, u16)>(), destination in any::<(Ipv6Addr, u16)>()) {
            let said = Source::Client { source: source.into(), destination: destination.into() };
            let (from, to) = (source.1, destination.1);
            let line = format!("PROXY TCP6 {} {} {from} {to}\r\n", source.0, destination.0);
            every_cut(line.as_bytes(), said);
        }
    }
}
