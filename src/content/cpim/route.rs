use super::CpimHead;
use crate::profile::mime;
use bytes::{BufMut, Bytes, BytesMut};
use std::ops::Range;

/// The routes of notifications, as an intermediary changes them. All other octets stay.
impl CpimHead {
    /// The head of a notification without its first `count` `IMDN-Route` headers.
    ///
    /// Source: RFC 5438 §8.
    pub fn without_imdn_route(&self, count: usize) -> Bytes {
        let mut out = BytesMut::with_capacity(self.octets().len());
        let mut from = 0;
        for line in self.imdn_lines("IMDN-Route").take(count) {
            out.put_slice(&self.octets()[from..line.start]);
            from = line.end;
        }
        out.put_slice(&self.octets()[from..]);
        out.freeze()
    }

    /// The head of a message with `uri` as its topmost `IMDN-Record-Route`; `None` where no
    /// notification is asked for, or `uri` stands there already.
    ///
    /// Source: RFC 5438 §8.
    pub fn recording_imdn_route(&self, uri: &str) -> Option<Bytes> {
        let is_known = self.imdn_record_route().next().as_deref() == Some(uri);
        if is_known || self.is_notification() || self.dispositions().is_empty() {
            return None;
        }
        let asked = self.imdn_lines("Disposition-Notification").next()?;
        let name = &self.octets()[asked.clone()];
        let prefix = std::str::from_utf8(name).ok()?.split_once('.')?.0;
        let top = self.imdn_lines("IMDN-Record-Route").next();
        let at = top.map_or(asked.end, |top| top.start);
        let line = format!("{prefix}.IMDN-Record-Route: <{uri}>\r\n");
        let (before, behind) = self.octets().split_at(at);
        Some([before, line.as_bytes(), behind].concat().into())
    }

    /// Where the lines of a header of RFC 5438 stand, their ends included.
    fn imdn_lines<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Range<usize>> + 'a {
        self.lines(mime::IMDN_CPIM_NAMESPACE, name)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Cpim;
    use super::*;

    fn head(lines: &str) -> CpimHead {
        let text = format!("From: <sip:a@h>\r\nNS: x <urn:ietf:params:imdn>\r\n{lines}\r\n");
        let text = format!("{text}Content-Type: text/plain\r\n\r\n");
        Cpim::parse(&text.into()).unwrap().head
    }

    #[test]
    fn own_route_is_taken_off_and_the_next_one_stays() {
        let routed = head(
            "x.IMDN-Route: <sip:us@h>\r\nx.Message-ID: 1\r\n\
             x.IMDN-Route: Next <sip:next@h>\r\n",
        );
        let rest = routed.without_imdn_route(1);
        let expected = head("x.Message-ID: 1\r\nx.IMDN-Route: Next <sip:next@h>\r\n");
        assert_eq!(&rest, expected.octets());
        assert_eq!(
            &routed.without_imdn_route(2),
            head("x.Message-ID: 1\r\n").octets()
        );
        assert_eq!(&routed.without_imdn_route(0), routed.octets());
    }

    #[test]
    fn own_route_is_recorded_on_top_of_the_others() {
        let plain = head("x.Disposition-Notification: display\r\nx.Message-ID: 1\r\n");
        let once = plain.recording_imdn_route("sip:us@h").unwrap();
        let expected = head(
            "x.Disposition-Notification: display\r\n\
             x.IMDN-Record-Route: <sip:us@h>\r\nx.Message-ID: 1\r\n",
        );
        assert_eq!(&once, expected.octets());
        assert_eq!(expected.recording_imdn_route("sip:us@h"), None);
        let twice = expected.recording_imdn_route("sip:they@h").unwrap();
        let twice = Cpim::parse(&twice).unwrap().head;
        let routes: Vec<_> = twice.imdn_record_route().collect();
        assert_eq!(routes, ["sip:they@h", "sip:us@h"]);
    }

    #[test]
    fn no_route_is_recorded_where_nothing_will_come_back() {
        assert_eq!(head("").recording_imdn_route("sip:us@h"), None);
        let empty = head("x.Disposition-Notification: \r\n");
        assert_eq!(empty.recording_imdn_route("sip:us@h"), None);
    }
}
