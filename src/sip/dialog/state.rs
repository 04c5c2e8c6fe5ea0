use super::DialogId;
use crate::sip::codec::{Builder, HeaderError, Message, Method, Name, NameAddr};

/// The state of one dialog at this end (RFC 3261 §12).
#[derive(Clone, Debug)]
pub struct Dialog {
    id: DialogId,
    side: Side,
    early: bool,
    /// `From` of what we send.
    local: String,
    /// `To` of what we send.
    remote: String,
    local_seq: u32,
    remote_seq: Option<u32>,
    target: String,
    routes: Vec<String>,
}

/// Who made the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// We sent the request that opened the dialog.
    Caller,
    /// We answered it.
    Callee,
}

/// Why a message opens no dialog, or does not fit into one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DialogError {
    /// A header the dialog is made of cannot be read.
    #[error("{0}")]
    Header(#[from] HeaderError),
    /// No Contact to send later requests to.
    #[error("no Contact")]
    Contact,
    /// No tag of the other end where RFC 3261 demands one.
    #[error("no tag")]
    Tag,
    /// The request is older than one already taken (RFC 3261 §12.2.2).
    #[error("CSeq runs backwards")]
    Order,
}

impl DialogError {
    /// The response code that tells the peer.
    pub fn status(&self) -> u16 {
        match self {
            Self::Header(_) | Self::Contact | Self::Tag => 400,
            Self::Order => 500,
        }
    }

    /// Label value for metrics: one short word per variant.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Header(_) => "header",
            Self::Contact => "contact",
            Self::Tag => "tag",
            Self::Order => "order",
        }
    }
}

impl Dialog {
    /// The dialog that our response to `request` opens, early until [`confirm`](Self::confirm)
    /// (§12.1.1). `local_tag` is the To tag of that response.
    pub fn callee(request: &Message, local_tag: &str) -> Result<Self, DialogError> {
        let from = request.from()?;
        let cseq = request.cseq()?;
        let to = request.value(Name::To).unwrap_or_default();
        let local = match request.to()?.tag() {
            Some(_) => to.into_owned(),
            None => format!("{to};tag={local_tag}"),
        };
        Ok(Self {
            id: DialogId {
                call_id: request.call_id().as_ref().into(),
                local_tag: local_tag.into(),
                remote_tag: from.tag().unwrap_or_default().into(),
            },
            side: Side::Callee,
            early: true,
            local,
            remote: request.value(Name::From).unwrap_or_default().into_owned(),
            local_seq: 0,
            remote_seq: Some(cseq.number),
            target: contact(request)?,
            routes: request
                .list(Name::RecordRoute)
                .into_iter()
                .map(|route| route.into_owned())
                .collect(),
        })
    }

    /// The dialog that `response` to our `request` opens, early until
    /// [`confirm`](Self::confirm) (§12.1.2).
    pub fn caller(request: &Message, response: &Message) -> Result<Self, DialogError> {
        let tag = |message: &Message| -> Result<Box<str>, DialogError> {
            Ok(message.from()?.tag().ok_or(DialogError::Tag)?.into())
        };
        Ok(Self {
            id: DialogId {
                call_id: request.call_id().as_ref().into(),
                local_tag: tag(request)?,
                remote_tag: response.to()?.tag().ok_or(DialogError::Tag)?.into(),
            },
            side: Side::Caller,
            early: true,
            local: request.value(Name::From).unwrap_or_default().into_owned(),
            remote: response.value(Name::To).unwrap_or_default().into_owned(),
            local_seq: request.cseq()?.number,
            remote_seq: None,
            target: contact(response)?,
            routes: reversed_routes(response),
        })
    }

    /// What identifies the dialog.
    pub fn id(&self) -> &DialogId {
        &self.id
    }

    /// Who made the call.
    pub fn side(&self) -> Side {
        self.side
    }

    /// Whether no 2xx came yet.
    pub fn is_early(&self) -> bool {
        self.early
    }

    /// The CSeq number of our latest request.
    pub fn local_seq(&self) -> u32 {
        self.local_seq
    }

    /// Where requests go in the end: the other end's Contact.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The other end as `To` of what we send names it.
    pub fn remote(&self) -> &str {
        &self.remote
    }

    /// A 2xx stands. At the caller `response` is that 2xx: it fixes the route set and the target
    /// (§13.2.2.4).
    pub fn confirm(&mut self, response: Option<&Message>) -> Result<(), DialogError> {
        if let (Some(response), true) = (response, self.early) {
            self.target = contact(response)?;
            self.routes = reversed_routes(response);
        }
        self.early = false;
        Ok(())
    }

    /// Books a received request other than ACK and CANCEL (§12.2.2).
    ///
    /// Errors: `Order`, to be answered 500, if its CSeq is not above all earlier ones.
    pub fn handle_request(&mut self, request: &Message) -> Result<(), DialogError> {
        let number = request.cseq()?.number;
        if self.remote_seq.is_some_and(|last| number <= last) {
            return Err(DialogError::Order);
        }
        self.remote_seq = Some(number);
        Ok(())
    }

    /// Takes over the Contact of a target refresh: a received INVITE or UPDATE that we accept,
    /// or a 2xx to one of ours. A message without a usable Contact changes nothing.
    pub fn refresh_target(&mut self, message: &Message) {
        if let Ok(target) = contact(message) {
            self.target = target;
        }
    }

    /// Begins the next request within the dialog: Request-URI, Route, From, To, Call-ID, CSeq
    /// and Max-Forwards are set (§12.2.1.1). Not for ACK and CANCEL.
    pub fn request(&mut self, method: Method) -> Builder {
        self.local_seq += 1;
        self.build(method, self.local_seq)
    }

    /// Begins the ACK of a 2xx to our INVITE with this CSeq number (§13.2.2.4).
    pub fn ack(&self, number: u32) -> Builder {
        self.build(Method::Ack, number)
    }

    /// Where the next request goes first: the topmost route, or the target.
    pub fn next_hop(&self) -> String {
        let first = self
            .routes
            .first()
            .and_then(|route| NameAddr::parse(route).ok());
        first.map_or_else(|| self.target.clone(), |route| route.uri.to_string())
    }

    fn build(&self, method: Method, number: u32) -> Builder {
        let cseq = format!("{number} {}", method.as_str());
        let builder = match self.strict_router() {
            None => {
                let builder = Builder::request(method, &self.target);
                self.routes
                    .iter()
                    .fold(builder, |builder, route| builder.header(Name::Route, route))
            }
            // the router knows only RFC 2543: it wants itself in the Request-URI
            Some(router) => {
                let builder = Builder::request(method, &router);
                let rest = self.routes[1..].iter();
                let builder =
                    rest.fold(builder, |builder, route| builder.header(Name::Route, route));
                builder.header(Name::Route, format!("<{}>", self.target))
            }
        };
        builder
            .header(Name::MaxForwards, "70")
            .header(Name::From, &self.local)
            .header(Name::To, &self.remote)
            .header(Name::CallId, self.id.call_id.as_bytes())
            .header(Name::CSeq, cseq)
    }

    /// The first route, if it is not a loose router.
    fn strict_router(&self) -> Option<String> {
        let route = NameAddr::parse(self.routes.first()?).ok()?;
        let uri = route.uri.as_sip()?;
        (!uri.params.contains("lr")).then(|| uri.to_string())
    }
}

fn contact(message: &Message) -> Result<String, DialogError> {
    let contacts = message.contacts()?;
    Ok(contacts
        .first()
        .ok_or(DialogError::Contact)?
        .uri
        .to_string())
}

fn reversed_routes(response: &Message) -> Vec<String> {
    let routes = response.list(Name::RecordRoute).into_iter();
    routes.rev().map(|route| route.into_owned()).collect()
}
