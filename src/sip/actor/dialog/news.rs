use crate::sip::{
    actor::RequestFailed,
    codec::{Builder, Message, Method, Name},
    transaction::ServerKey,
};
use bytes::Bytes;
use std::sync::atomic::{AtomicU64, Ordering};

/// Names one dialog actor within the process: who runs several tells their news apart by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DialogNumber(u64);

impl DialogNumber {
    pub(super) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// News of one dialog.
#[derive(Clone, Debug, actix::Message)]
#[rtype(result = "()")]
pub struct DialogEvent {
    /// The dialog.
    pub dialog: DialogNumber,
    /// What happened.
    pub news: DialogNews,
}

/// What happened in a dialog. Exactly one of `Failed`, `Cancelled` and `Ended` comes, as the last.
#[derive(Clone, Debug)]
pub enum DialogNews {
    /// Caller: a provisional response other than 100.
    Provisional(Message),
    /// Caller: the 2xx. Its ACK is sent.
    Answered(Message),
    /// Caller: no dialog came of it. 408 stands for silence and for ringing too long, 503 for a
    /// transport that failed, 487 for a call we cancelled; `message` is the response, if one came.
    Failed {
        /// The status.
        code: u16,
        /// The final response.
        message: Option<Message>,
    },
    /// Callee: the caller cancelled; 487 is sent.
    Cancelled,
    /// Callee: the ACK of our 2xx arrived, also after a re-INVITE.
    Confirmed(Message),
    /// A re-INVITE or UPDATE, to be answered with [`DialogHandle::answer`](super::DialogHandle::answer).
    Offered {
        /// The transaction to answer in.
        key: ServerKey,
        /// The request.
        request: Message,
    },
    /// The re-INVITE `key` was cancelled; 487 is sent.
    Withdrawn {
        /// The re-INVITE.
        key: ServerKey,
    },
    /// Another request within the dialog, to be answered with
    /// [`DialogHandle::answer`](super::DialogHandle::answer).
    Requested {
        /// The transaction to answer in.
        key: ServerKey,
        /// The request.
        request: Message,
    },
    /// The final response to a request of ours within the dialog; for a re-INVITE the ACK is sent.
    Responded {
        /// The method of our request.
        method: Method,
        /// The response, or why there is none.
        outcome: Result<Message, RequestFailed>,
    },
    /// The dialog is over.
    Ended(EndReason),
}

/// How a dialog ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndReason {
    /// Who ended it.
    pub by: EndedBy,
    /// The Reason header of the BYE that came, or the one we sent.
    pub reason: Option<String>,
}

/// Who ended a dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedBy {
    /// We did, by BYE or by refusing the INVITE.
    Local,
    /// The other end did.
    Remote,
    /// No ACK came for our 2xx.
    Timeout,
    /// The other end no longer knows the dialog, or cannot be reached.
    Error,
}

/// Headers and body to add to a message.
#[derive(Clone, Debug, Default)]
pub struct Extra {
    headers: Vec<(String, String)>,
    body: Option<(String, Bytes)>,
    description: Option<Bytes>,
}

impl Extra {
    /// Nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a header by its full name.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, content_type: impl Into<String>, body: impl Into<Bytes>) -> Self {
        self.body = Some((content_type.into(), body.into()));
        self
    }

    /// Says which session description the body holds, where it holds more: what refreshes the
    /// session by re-INVITE repeats it alone.
    #[must_use]
    pub fn describing(mut self, description: impl Into<Bytes>) -> Self {
        self.description = Some(description.into());
        self
    }

    pub(super) fn has_body(&self) -> bool {
        self.body.is_some()
    }

    /// The session description among it.
    pub(super) fn description(&self) -> Option<Bytes> {
        if self.description.is_some() {
            return self.description.clone();
        }
        let (content_type, body) = self.body.as_ref()?;
        let essence = content_type.split(';').next().unwrap_or_default();
        essence
            .trim()
            .eq_ignore_ascii_case("application/sdp")
            .then(|| body.clone())
    }

    pub(super) fn has(&self, name: Name) -> bool {
        let mut headers = self.headers.iter();
        headers.any(|(header, _)| Name::from_bytes(header.as_bytes()) == name)
    }

    pub(super) fn apply(&self, builder: Builder) -> Builder {
        let headers = self.headers.iter();
        let builder = headers.fold(builder, |builder, (name, value)| builder.other(name, value));
        match &self.body {
            Some((content_type, body)) => builder.body(content_type, body.clone()),
            None => builder,
        }
    }
}

/// A response to be: the dialog adds its tag, and its Contact where this has none.
#[derive(Clone, Debug)]
pub struct Reply {
    pub(super) code: u16,
    reason: Option<String>,
    extra: Extra,
}

impl Reply {
    /// A response with this status code and its usual reason phrase.
    pub fn new(code: u16) -> Self {
        Self {
            code,
            reason: None,
            extra: Extra::new(),
        }
    }

    /// Gives it another reason phrase.
    #[must_use]
    pub fn reason(mut self, phrase: impl Into<String>) -> Self {
        self.reason = Some(phrase.into());
        self
    }

    /// Adds a header by its full name.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.extra = self.extra.header(name, value);
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, content_type: impl Into<String>, body: impl Into<Bytes>) -> Self {
        self.extra = self.extra.body(content_type, body);
        self
    }

    /// The response to `request`. Contact goes into what may open a dialog or refresh its target.
    pub(super) fn draft(&self, request: &Message, tag: &str, contact: &str) -> Builder {
        let refreshes = request.is(&Method::Invite) || request.is(&Method::Update);
        let mut builder = Builder::response(request, self.code).to_tag(tag);
        if let Some(reason) = &self.reason {
            builder = builder.reason(reason);
        }
        let opens = (101..300).contains(&self.code) && refreshes;
        if opens && !self.extra.has(Name::Contact) {
            builder = builder.header(Name::Contact, contact);
        }
        self.extra.apply(builder)
    }

    pub(super) fn build(&self, request: &Message, tag: &str, contact: &str) -> Message {
        self.draft(request, tag, contact).build()
    }

    pub(super) fn extra(&self) -> &Extra {
        &self.extra
    }

    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.code)
    }
}
