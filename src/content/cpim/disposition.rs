use serde::{Deserialize, Serialize};
use std::fmt;

/// Which notifications the sender of a message asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispositions {
    /// Tell when it was delivered.
    pub positive_delivery: bool,
    /// Tell when it could not be delivered.
    pub negative_delivery: bool,
    /// Tell when a server stored or processed it.
    pub processing: bool,
    /// Tell when it was shown.
    pub display: bool,
}

impl Dispositions {
    /// Reads a `Disposition-Notification` value; unknown words are ignored.
    ///
    /// Source: RFC 5438 §7.1.1.3, §10.
    pub fn parse(value: &str) -> Self {
        let mut asked = Self::default();
        for request in value.split(',') {
            match request.split(';').next().unwrap_or_default().trim() {
                "positive-delivery" => asked.positive_delivery = true,
                "negative-delivery" => asked.negative_delivery = true,
                "processing" => asked.processing = true,
                "display" => asked.display = true,
                _ => {}
            }
        }
        asked
    }

    /// Whether nothing is asked for.
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }
}

impl fmt::Display for Dispositions {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [
            (self.positive_delivery, "positive-delivery"),
            (self.negative_delivery, "negative-delivery"),
            (self.processing, "processing"),
            (self.display, "display"),
        ];
        let mut separator = "";
        for (_, word) in words.iter().filter(|(asked, _)| *asked) {
            write!(out, "{separator}{word}")?;
            separator = ", ";
        }
        Ok(())
    }
}
