use crate::sip::codec::{Builder, Message, Name};

/// The parts of an answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Status code.
    pub code: u16,
    /// Reason phrase, where the standard's own says too little.
    pub reason: Option<&'static str>,
    /// Header fields besides those copied from the request.
    pub fields: Vec<(Name, String)>,
}

impl Reply {
    /// An answer without more fields.
    pub fn new(code: u16) -> Self {
        Self {
            code,
            reason: None,
            fields: Vec::new(),
        }
    }

    /// The same with a reason phrase of its own.
    #[must_use]
    pub fn because(mut self, reason: &'static str) -> Self {
        self.reason = Some(reason);
        self
    }

    /// The same with one more field.
    #[must_use]
    pub fn with(mut self, name: Name, value: impl Into<String>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    /// The answer to `request`. `to_tag` is added where the request had none.
    pub fn to_message(&self, request: &Message, to_tag: &str) -> Message {
        let mut builder = Builder::response(request, self.code).to_tag(to_tag);
        if let Some(reason) = self.reason {
            builder = builder.reason(reason);
        }
        for (name, value) in &self.fields {
            builder = builder.header(*name, value);
        }
        builder.build()
    }
}
