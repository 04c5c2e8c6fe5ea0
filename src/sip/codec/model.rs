//! Ordinary requests from rsip's typed model, on cold paths.
//!
//! rsip is right about method, CSeq, From, To and addresses without IPv6 and of scheme `sip`;
//! that is what a request outside of a dialog is made of. It is not used to read or to write
//! octets: `tests/sip_differential.rs` spells out why.
use super::{Builder, CSeq, Method, Name, NameAddr, Uri};
use rsip::{
    Header,
    common::uri::{Param, param::Tag},
    headers::UntypedHeader,
    typed,
};

/// What every request outside of a dialog has (RFC 3261 §8.1.1).
#[derive(Clone, Copy, Debug)]
pub struct Ordinary<'a> {
    /// The method.
    pub method: &'a Method,
    /// The Request-URI.
    pub target: &'a Uri,
    /// Whom it is from.
    pub from: &'a Uri,
    /// The tag of From; a token.
    pub from_tag: &'a str,
    /// Whom it is for.
    pub to: &'a Uri,
    /// Call-ID.
    pub call_id: &'a str,
    /// Number in CSeq.
    pub number: u32,
}

impl Builder {
    /// A request outside of a dialog: Max-Forwards, From, To, Call-ID and CSeq. Via and what the
    /// method needs are for the caller to add.
    pub fn ordinary(ordinary: &Ordinary<'_>) -> Self {
        match modelled(ordinary) {
            Some(request) => request.into(),
            None => written(ordinary),
        }
    }
}

// the request in rsip's model, unless the model would say something else than was asked for
fn modelled(ordinary: &Ordinary<'_>) -> Option<rsip::Request> {
    let uri = |uri: &Uri| {
        let text = uri.to_string();
        let modelled = rsip::Uri::try_from(text.as_str()).ok()?;
        (modelled.to_string() == text).then_some(modelled)
    };
    let method: rsip::Method = ordinary.method.as_str().parse().ok()?;
    let from = typed::From {
        display_name: None,
        uri: uri(ordinary.from)?,
        params: vec![Param::Tag(Tag::new(ordinary.from_tag))],
    };
    let to = typed::To {
        display_name: None,
        uri: uri(ordinary.to)?,
        params: Vec::new(),
    };
    let cseq = typed::CSeq::from((ordinary.number, method));
    let headers: Vec<Header> = vec![
        rsip::headers::MaxForwards::default().into(),
        from.into(),
        to.into(),
        rsip::headers::CallId::new(ordinary.call_id).into(),
        cseq.into(),
    ];
    Some(rsip::Request {
        method,
        uri: uri(ordinary.target)?,
        version: rsip::Version::V2,
        headers: headers.into(),
        body: Vec::new(),
    })
}

fn written(ordinary: &Ordinary<'_>) -> Builder {
    let mut from = NameAddr::new(ordinary.from.clone());
    from.params.set("tag", ordinary.from_tag);
    Builder::request(ordinary.method.clone(), ordinary.target)
        .header(Name::MaxForwards, "70")
        .value(Name::From, from)
        .value(Name::To, NameAddr::new(ordinary.to.clone()))
        .header(Name::CallId, ordinary.call_id)
        .value(
            Name::CSeq,
            CSeq::new(ordinary.number, ordinary.method.clone()),
        )
}

/// What rsip composed, written by us: its own writer spoils bodies that are not UTF-8.
impl From<rsip::Request> for Builder {
    fn from(request: rsip::Request) -> Self {
        let method = Method::from_bytes(request.method.to_string().as_bytes());
        let start = Self::request(method.unwrap_or(Method::Options), &request.uri);
        with_headers(start, &request.headers).payload(request.body)
    }
}

/// What rsip composed, written by us: its own writer spoils bodies that are not UTF-8.
impl From<rsip::Response> for Builder {
    fn from(response: rsip::Response) -> Self {
        let start = Self::status(response.status_code.code());
        with_headers(start, &response.headers).payload(response.body)
    }
}

fn with_headers(start: Builder, headers: &rsip::Headers) -> Builder {
    headers.iter().fold(start, |builder, header| {
        let text = header.to_string();
        match text.split_once(':') {
            Some((name, value)) => builder.other(name, value),
            None => builder,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ordinary(method: Method, target: &str, from: &str) -> Builder {
        let uri = |text: &str| Uri::parse(text).unwrap();
        Builder::ordinary(&Ordinary {
            method: &method,
            target: &uri(target),
            from: &uri(from),
            from_tag: "t1",
            to: &uri(from),
            call_id: "c1",
            number: 7,
        })
    }

    #[test]
    fn model_and_own_writer_say_the_same() {
        let method = Method::Register;
        let uri = Uri::parse("sip:bob@biloxi.com").unwrap();
        let asked = Ordinary {
            method: &method,
            target: &uri,
            from: &uri,
            from_tag: "t1",
            to: &uri,
            call_id: "c1",
            number: 7,
        };
        let modelled = Builder::from(modelled(&asked).unwrap()).build();
        assert_eq!(modelled, written(&asked).build());
        assert_eq!(
            std::str::from_utf8(modelled.octets()),
            Ok(
                "REGISTER sip:bob@biloxi.com SIP/2.0\r\nMax-Forwards: 70\r\n\
                From: <sip:bob@biloxi.com>;tag=t1\r\nTo: <sip:bob@biloxi.com>\r\nCall-ID: c1\r\n\
                CSeq: 7 REGISTER\r\nContent-Length: 0\r\n\r\n"
            )
        );
    }

    #[test]
    fn what_the_model_cannot_say_is_written_all_the_same() {
        for (method, uri) in [
            (Method::Options, "sip:bob@[2001:db8::10]:5062"),
            (Method::Message, "tel:+4930123"),
            (Method::Other("NEW".into()), "sip:bob@biloxi.com"),
        ] {
            let request = ordinary(method.clone(), uri, uri).build();
            assert_eq!(request.uri_text(), uri);
            assert_eq!(request.to().unwrap().uri.to_string(), uri);
            assert_eq!(request.method(), Some(method));
        }
    }

    #[test]
    fn binary_body_from_the_model_is_kept() {
        let request = rsip::Request {
            method: rsip::Method::Message,
            uri: rsip::Uri::try_from("sip:bob@biloxi.com").unwrap(),
            version: rsip::Version::V2,
            headers: rsip::Headers::default(),
            body: vec![0, 0xff, 0x80],
        };
        let message = Builder::from(request).build();
        assert_eq!(&message.body()[..], [0, 0xff, 0x80]);
        assert_eq!(message.value(Name::ContentLength).as_deref(), Some("3"));
    }
}
