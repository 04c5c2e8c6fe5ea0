use std::net::{IpAddr, SocketAddr};

/// Most octets of a packet: its length has 16 bits.
const LONGEST: usize = u16::MAX as usize;
/// In front of every chunk: its vendor, its type, its length.
const CHUNK_HEAD: usize = 6;

const FAMILY: u16 = 0x01;
const PROTOCOL: u16 = 0x02;
const SOURCE_V4: u16 = 0x03;
const DESTINATION_V4: u16 = 0x04;
const SOURCE_V6: u16 = 0x05;
const DESTINATION_V6: u16 = 0x06;
const SOURCE_PORT: u16 = 0x07;
const DESTINATION_PORT: u16 = 0x08;
const SECONDS: u16 = 0x09;
const MICROSECONDS: u16 = 0x0a;
const KIND: u16 = 0x0b;
const CAPTURE_ID: u16 = 0x0c;
const PASSWORD: u16 = 0x0e;
const PAYLOAD: u16 = 0x0f;
const CORRELATION: u16 = 0x11;
const NODE: u16 = 0x13;

/// The protocol type of SIP.
pub(super) const SIP: u8 = 1;

/// One captured message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet<'a> {
    /// Over TCP; otherwise over UDP.
    pub is_stream: bool,
    pub source: SocketAddr,
    pub destination: SocketAddr,
    /// Microseconds since 1970.
    pub at: u64,
    /// The protocol type.
    pub kind: u8,
    pub capture_id: u32,
    pub node: &'a str,
    pub password: Option<&'a str>,
    pub correlation: Option<&'a str>,
    pub payload: &'a [u8],
}

impl Packet<'_> {
    /// Appends the packet to `out`. A payload that makes it longer than `limit` octets is cut.
    ///
    /// Source: HEP specification, revision 37, generic chunks.
    pub fn encode(&self, limit: usize, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(b"HEP3\0\0");
        self.encode_addresses(out);
        chunk(out, SECONDS, &seconds(self.at).to_be_bytes());
        let micros = u32::try_from(self.at % 1_000_000).unwrap_or_default();
        chunk(out, MICROSECONDS, &micros.to_be_bytes());
        chunk(out, KIND, &[self.kind]);
        chunk(out, CAPTURE_ID, &self.capture_id.to_be_bytes());
        chunk(out, NODE, shortened(self.node));
        if let Some(password) = self.password {
            chunk(out, PASSWORD, shortened(password));
        }
        if let Some(correlation) = self.correlation {
            chunk(out, CORRELATION, shortened(correlation));
        }
        let used = out.len() - start + CHUNK_HEAD;
        let room = limit.min(LONGEST).saturating_sub(used);
        chunk(out, PAYLOAD, &self.payload[..self.payload.len().min(room)]);
        let length = u16::try_from(out.len() - start).unwrap_or(u16::MAX);
        out[start + 4..start + 6].copy_from_slice(&length.to_be_bytes());
    }

    fn encode_addresses(&self, out: &mut Vec<u8>) {
        // the numbers of the kernel: AF_INET, AF_INET6; IPPROTO_TCP, IPPROTO_UDP
        let protocol = if self.is_stream { 6 } else { 17 };
        match (self.source.ip(), self.destination.ip()) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                chunk(out, FAMILY, &[2]);
                chunk(out, PROTOCOL, &[protocol]);
                chunk(out, SOURCE_V4, &source.octets());
                chunk(out, DESTINATION_V4, &destination.octets());
            }
            (source, destination) => {
                chunk(out, FAMILY, &[10]);
                chunk(out, PROTOCOL, &[protocol]);
                chunk(out, SOURCE_V6, &v6(source));
                chunk(out, DESTINATION_V6, &v6(destination));
            }
        }
        chunk(out, SOURCE_PORT, &self.source.port().to_be_bytes());
        chunk(
            out,
            DESTINATION_PORT,
            &self.destination.port().to_be_bytes(),
        );
    }
}

/// One generic chunk: vendor 0, type, length with this head, value.
fn chunk(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(value.len() + CHUNK_HEAD).unwrap_or(u16::MAX);
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(value);
}

/// Names and ids are short; one that is not must not take the room of the payload.
fn shortened(text: &str) -> &[u8] {
    &text.as_bytes()[..text.len().min(512)]
}

fn v6(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}

fn seconds(micros: u64) -> u32 {
    u32::try_from(micros / 1_000_000).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Packet<'static> {
        Packet {
            is_stream: false,
            source: ([212, 202, 0, 1], 12_010).into(),
            destination: ([82, 116, 0, 211], 5060).into(),
            at: 1_313_440_459_120_000,
            kind: SIP,
            capture_id: 228,
            node: "n",
            password: None,
            correlation: None,
            payload: b"INVITE sip:bob",
        }
    }

    fn encoded(packet: &Packet<'_>, limit: usize) -> Vec<u8> {
        let mut out = b"before".to_vec();
        packet.encode(limit, &mut out);
        out.split_off(6)
    }

    /// The packet the specification shows, with the name of the node as one chunk more.
    #[test]
    fn example_of_the_specification_is_written_octet_by_octet() {
        let expected = "48455033 0078\
            0000000100 0702 0000000200 0711\
            0000000300 0ad4ca0001 0000000400 0a527400d3\
            0000000700 082eea 0000000800 0813c4\
            0000000900 0a4e4982cb 0000000a00 0a0001d4c0\
            0000000b00 0701 0000000c00 0a000000e4\
            0000001300 076e\
            0000000f00 14494e56495445207369703a626f62";
        let expected: String = expected.split_whitespace().collect();
        assert_eq!(hex::encode(encoded(&example(), LONGEST)), expected);
    }

    #[test]
    fn mixed_families_are_told_as_one() {
        let packet = Packet {
            destination: "[2001:db8::1]:5060".parse().unwrap(),
            ..example()
        };
        let hex = hex::encode(encoded(&packet, LONGEST));
        assert!(hex.contains("0000000100070a"), "{hex}");
        assert!(
            hex.contains("00000005001600000000000000000000ffffd4ca0001"),
            "{hex}"
        );
    }

    #[test]
    fn payload_is_cut_to_what_a_packet_holds() {
        let long = vec![b'x'; 70_000];
        let packet = Packet {
            payload: &long,
            ..example()
        };
        assert_eq!(encoded(&packet, 65_507).len(), 65_507);
        let longest = encoded(&packet, usize::MAX);
        assert_eq!(longest.len(), LONGEST);
        assert_eq!(longest[4..6], [0xff, 0xff]);
    }
}
