//! Times on the command line.
use std::time::Duration;

/// Reads `30s`, `2m`, `500ms`; `30` is seconds.
///
/// Errors: a sentence that shows the shape.
pub fn time(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).map_err(|error| format!("`{text}`: {error}"));
    }
    humantime::parse_duration(text)
        .map_err(|error| format!("`{text}` is no time such as 30s: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_has_a_unit_or_is_seconds() {
        assert_eq!(time("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(time("0.5"), Ok(Duration::from_millis(500)));
        assert!(time("soon").unwrap_err().contains("such as 30s"));
        assert!(time("-1").is_err());
    }
}
