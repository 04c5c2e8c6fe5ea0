//! SIP messages, as much of them as a device of known traffic needs.
use std::net::SocketAddr;

/// A request or an answer.
#[derive(Clone, Debug)]
pub struct Packet {
    /// The first line.
    pub start: String,
    head: String,
    body: String,
}

impl Packet {
    /// The status code; none if this is a request.
    pub fn code(&self) -> Option<u16> {
        let rest = self.start.strip_prefix("SIP/2.0 ")?;
        rest.get(..3)?.parse().ok()
    }

    /// Whether this is a request of `method`.
    pub fn is(&self, method: &str) -> bool {
        let rest = self.start.strip_prefix(method);
        rest.is_some_and(|rest| rest.starts_with(' '))
    }

    /// All values of the field `name`, in order.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.head.lines().filter_map(move |line| {
            let (found, value) = line.split_once(':')?;
            found
                .trim()
                .eq_ignore_ascii_case(name)
                .then(|| value.trim())
        })
    }

    /// The first value of the field `name`; empty where there is none.
    pub fn value<'a>(&'a self, name: &'a str) -> &'a str {
        self.values(name).next().unwrap_or_default()
    }

    /// The MSRP URI of the other end, and where it listens.
    ///
    /// Errors: a sentence for the user if the description has none.
    pub fn path(&self) -> Result<(String, SocketAddr), String> {
        let wrong = || format!("no path in the description:\n{}", self.body);
        let mut lines = self.body.lines();
        let path = lines.find_map(|line| line.strip_prefix("a=path:"));
        let path = path.ok_or_else(wrong)?.trim();
        let authority = path
            .strip_prefix("msrp://")
            .and_then(|rest| rest.split('/').next());
        let address = authority.and_then(|authority| authority.parse().ok());
        Ok((path.to_owned(), address.ok_or_else(wrong)?))
    }
}

/// Takes the packet at the front of `read`, if it is there as a whole.
pub fn parse(read: &mut Vec<u8>) -> Option<Packet> {
    // empty lines between packets keep connections alive
    while read.starts_with(b"\r\n") {
        read.drain(..2);
    }
    let end = memchr::memmem::find(read, b"\r\n\r\n")?;
    let text = String::from_utf8_lossy(&read[..end]).into_owned();
    let (start, head) = text.split_once("\r\n").unwrap_or((&text, ""));
    let mut packet = Packet {
        start: start.to_owned(),
        head: head.to_owned(),
        body: String::new(),
    };
    let length: usize = packet.value("Content-Length").parse().unwrap_or(0);
    let body = read.get(end + 4..end + 4 + length)?;
    packet.body = String::from_utf8_lossy(body).into_owned();
    read.drain(..end + 4 + length);
    Some(packet)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_taken_one_by_one_and_only_whole() {
        let one = b"SIP/2.0 200 OK\r\nTo: <sip:b@h>;tag=1\r\nContent-Length: 4\r\n\r\nbody";
        let mut read = [&b"\r\n\r\n"[..], one, one].concat();
        read.pop();
        let packet = parse(&mut read).unwrap();
        assert_eq!((packet.code(), packet.body.as_str()), (Some(200), "body"));
        assert_eq!(packet.value("to"), "<sip:b@h>;tag=1");
        assert!(parse(&mut read).is_none());
        read.push(b'y');
        assert!(parse(&mut read).is_some() && read.is_empty());
    }

    #[test]
    fn path_tells_where_to_connect() {
        let packet = |body: &str| Packet {
            start: String::new(),
            head: String::new(),
            body: body.to_owned(),
        };
        let (path, address) = packet("v=0\r\na=path:msrp://127.0.0.1:2855/00ab;tcp\r\n")
            .path()
            .unwrap();
        assert_eq!(path, "msrp://127.0.0.1:2855/00ab;tcp");
        assert_eq!(address.port(), 2855);
        assert!(packet("v=0\r\n").path().is_err());
    }
}
