//! What neighbours tell each other of their load, in the Via between them (RFC 7339, with the loss
//! algorithm that every one of them knows).
use super::codec::Via;
use std::{
    fmt,
    time::{Duration, Instant},
};

/// How a client says that it will listen; behind its Via.
pub const ASKED: &str = ";oc;oc-algo=\"loss\"";

/// How long feedback counts that does not say so.
const VALIDITY: Duration = Duration::from_millis(500);

/// What a server asks a neighbour for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feedback {
    /// The percentage of requests to hold back.
    pub loss: u8,
    /// For how long.
    pub validity: Duration,
    /// When the server said so, by its own clock: what was said later counts.
    pub sequence: Sequence,
}

/// A moment of the server's, as `oc-seq` has it: seconds and parts of a hundred thousand of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sequence {
    seconds: u64,
    parts: u32,
}

impl Sequence {
    /// The moment that many microseconds after 1970.
    pub fn of_micros(micros: u64) -> Self {
        let parts = micros % 1_000_000 / 10;
        Self {
            seconds: micros / 1_000_000,
            parts: u32::try_from(parts).unwrap_or_default(),
        }
    }

    /// Shape: `1282321615.782`, at most twelve and five digits (RFC 7339 §9).
    fn parse(text: &str) -> Option<Self> {
        let (seconds, parts) = text.split_once('.')?;
        let are_digits = |text: &str, most: usize| {
            (1..=most).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_digit())
        };
        if !are_digits(seconds, 12) || !are_digits(parts, 5) {
            return None;
        }
        Some(Self {
            seconds: seconds.parse().ok()?,
            // `.8` is later than `.782`
            parts: format!("{parts:0<5}").parse().ok()?,
        })
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:05}", self.seconds, self.parts)
    }
}

/// Whether who wrote this Via listens to what is asked of it, by the algorithm we know.
pub fn is_asked_for(via: &Via) -> bool {
    let algorithms = via.params.unquoted("oc-algo");
    let knows_loss = algorithms.is_some_and(|list| {
        let mut list = list.split(',');
        list.any(|algorithm| algorithm.trim().eq_ignore_ascii_case("loss"))
    });
    via.params.contains("oc") && knows_loss
}

impl Feedback {
    /// Writes this into the Via of a request, from where every response to it takes it along.
    pub fn write(&self, via: &mut Via) {
        let params = &mut via.params;
        params.set("oc", &self.loss.to_string());
        params.set("oc-algo", "\"loss\"");
        params.set("oc-validity", &self.validity.as_millis().to_string());
        params.set("oc-seq", &self.sequence.to_string());
    }

    /// What the server says in a response to a request of ours, whose Via this is.
    ///
    /// `None` if it says nothing, or nothing that we understand.
    pub fn read(via: &Via) -> Option<Self> {
        let params = &via.params;
        let loss: u8 = params.get("oc")?.parse().ok().filter(|loss| *loss <= 100)?;
        let algorithm = params.unquoted("oc-algo")?;
        if !algorithm.eq_ignore_ascii_case("loss") {
            return None;
        }
        let validity = match params.get("oc-validity") {
            Some(millis) => Duration::from_millis(millis.parse().ok()?),
            None => VALIDITY,
        };
        Some(Self {
            loss,
            validity,
            sequence: Sequence::parse(params.get("oc-seq")?)?,
        })
    }
}

/// What one neighbour asked us to hold back.
#[derive(Clone, Copy, Debug)]
pub struct Throttle {
    feedback: Feedback,
    until: Instant,
}

impl Throttle {
    /// Begins with what the neighbour said first.
    pub fn new(feedback: Feedback, now: Instant) -> Self {
        Self {
            feedback,
            until: now + feedback.validity,
        }
    }

    /// Takes what it says now; what it had said before something else is old.
    pub fn take(&mut self, feedback: Feedback, now: Instant) {
        if feedback.sequence >= self.feedback.sequence {
            *self = Self::new(feedback, now);
        }
    }

    /// Whether a request is to be held back. `chance`, evenly spread over all numbers, chooses.
    pub fn holds_back(&self, chance: u32, now: Instant) -> bool {
        let share = u64::from(self.feedback.loss) << 32;
        now < self.until && u64::from(chance) * 100 < share
    }

    /// Whether it counts no longer.
    pub fn is_over(&self, now: Instant) -> bool {
        now >= self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn via(params: &str) -> Via {
        let text = format!("SIP/2.0/TCP p1.example.net;branch=z9hG4bK2d4790.1{params}");
        Via::parse(&text).expect("a Via")
    }

    #[test]
    fn feedback_is_asked_for_written_and_read_in_the_same_via() {
        let mut asking = via(ASKED);
        assert!(is_asked_for(&asking));
        assert_eq!(Feedback::read(&asking), None);
        let feedback = Feedback {
            loss: 20,
            validity: VALIDITY,
            sequence: Sequence::of_micros(1_282_321_615_782_000),
        };
        feedback.write(&mut asking);
        let expected = ";oc=20;oc-algo=\"loss\";oc-validity=500;oc-seq=1282321615.78200";
        assert!(asking.to_string().ends_with(expected), "{asking}");
        assert_eq!(Feedback::read(&asking), Some(feedback));
    }

    #[test]
    fn moments_are_told_apart_however_many_digits_they_have() {
        let moment = |text| Sequence::parse(text).expect("a moment");
        assert!(moment("5.8") > moment("5.782"));
        assert!(moment("6.0") > moment("5.99999"));
        assert_eq!(moment("5.78").to_string(), "5.78000");
    }

    #[test]
    fn client_that_knows_other_algorithms_only_is_told_nothing() {
        assert!(!is_asked_for(&via(";oc;oc-algo=\"rate\"")));
        assert!(is_asked_for(&via(";oc;oc-algo=\"rate,loss\"")));
        assert!(!is_asked_for(&via("")));
    }

    #[test]
    fn nonsense_is_no_feedback() {
        for params in [
            ";oc=101;oc-algo=\"loss\";oc-seq=1.1",
            ";oc=x;oc-algo=\"loss\";oc-seq=1.1",
            ";oc=20;oc-algo=\"rate\";oc-seq=1.1",
            ";oc=20;oc-algo=\"loss\";oc-seq=1",
            ";oc=20;oc-algo=\"loss\";oc-seq=1.123456",
            ";oc=20;oc-algo=\"loss\";oc-seq=1.1;oc-validity=soon",
        ] {
            assert_eq!(Feedback::read(&via(params)), None, "{params}");
        }
    }

    #[test]
    fn neighbour_is_spared_the_share_it_asks_for_as_long_as_it_counts() {
        let now = Instant::now();
        let said = |loss, second: u64| Feedback {
            loss,
            validity: VALIDITY,
            sequence: Sequence::of_micros(second * 1_000_000),
        };
        let mut throttle = Throttle::new(said(20, 5), now);
        let held = |throttle: &Throttle, at| {
            let step = u32::MAX / 1000;
            let chances = (0..1000).map(|number| number * step + step / 2);
            chances
                .filter(|chance| throttle.holds_back(*chance, at))
                .count()
        };
        assert_eq!(held(&throttle, now), 200);
        throttle.take(said(90, 4), now);
        assert_eq!(held(&throttle, now), 200);
        assert_eq!(held(&throttle, now + VALIDITY), 0);
        throttle.take(said(100, 6), now);
        assert_eq!(held(&throttle, now), 1000);
        throttle.take(said(0, 7), now);
        assert_eq!(held(&throttle, now), 0);
    }
}
