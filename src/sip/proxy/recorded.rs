//! Record-Route: what keeps us on the way of later requests (RFC 3261 §16.6 item 4).
use crate::sip::transaction::Transport;

/// The Record-Route values of a request that came over one transport and leaves over another.
///
/// The topmost one is for the far side. Where the transports differ there are two, so that either
/// side reaches us over the one it speaks (RFC 5658).
pub fn record_routes(sent_by: &str, came: Transport, leaves: Transport) -> Vec<String> {
    let value = |transport: Transport| match transport {
        Transport::Udp => format!("<sip:{sent_by};lr>"),
        stream => format!(
            "<sip:{sent_by};transport={};lr>",
            stream.as_str().to_ascii_lowercase()
        ),
    };
    match came == leaves {
        true => vec![value(leaves)],
        false => vec![value(leaves), value(came)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_record_for_one_transport_and_two_for_two() {
        let at = "192.0.2.1:5060";
        assert_eq!(
            record_routes(at, Transport::Udp, Transport::Udp),
            ["<sip:192.0.2.1:5060;lr>"]
        );
        assert_eq!(
            record_routes(at, Transport::Tcp, Transport::Udp),
            [
                "<sip:192.0.2.1:5060;lr>",
                "<sip:192.0.2.1:5060;transport=tcp;lr>"
            ]
        );
    }
}
