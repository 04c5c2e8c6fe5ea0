//! How often something happens.
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// So many a second.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rate(f64);

impl Rate {
    /// The part of one of `threads`.
    pub fn shared(self, threads: usize) -> Self {
        Self(self.0 / threads.max(1) as f64)
    }

    /// How many a second; always more than none.
    pub fn per_second(self) -> f64 {
        self.0
    }
}

/// `5000/s`, `300/m`, `100/h`; `5000` is a second's.
impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, unit) = text.trim().split_once('/').unwrap_or((text.trim(), "s"));
        let seconds = match unit.trim() {
            "s" | "second" => 1.0,
            "m" | "min" | "minute" => 60.0,
            "h" | "hour" => 3600.0,
            other => return Err(format!("`{other}` is none of s, m, h as in 5000/s")),
        };
        match number.trim().parse::<f64>() {
            Ok(number) if number > 0.0 && number.is_finite() => Ok(Self(number / seconds)),
            _ => Err(format!("`{text}` is no rate such as 5000/s")),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 >= 1.0 {
            true => write!(out, "{}/s", self.0),
            false => write!(out, "{}/h", self.0 * 3600.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_is_read_by_its_unit() {
        let read = |text: &str| text.parse::<Rate>().unwrap().per_second();
        assert_eq!(read("5000/s"), 5000.0);
        assert_eq!(read("0.5"), 0.5);
        assert_eq!(read("300/m"), 5.0);
        assert_eq!(read("7200/h"), 2.0);
        assert_eq!("300/m".parse::<Rate>().unwrap().to_string(), "5/s");
    }

    #[test]
    fn nothing_a_second_is_no_rate() {
        for text in ["0/s", "-1/s", "many/s", "5/day", "inf"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }
}
