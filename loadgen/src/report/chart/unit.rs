//! How values are written.

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Events a second.
    PerSecond,
    /// Octets a second.
    BytesPerSecond,
    /// Milliseconds.
    Millis,
    /// Octets.
    Bytes,
    /// Processor cores.
    Cores,
    /// How many.
    Count,
    /// Seconds since the run's beginning.
    Time,
    /// A share: 1 is all.
    Share,
    /// Nines of a share: 1 is 90 %, 2 is 99 %.
    Nines,
}

impl Unit {
    /// `value` as a reader sees it, as short as can be.
    pub fn write(self, value: f64) -> String {
        match self {
            Self::PerSecond => format!("{}/s", short(value)),
            Self::BytesPerSecond => format!("{}/s", octets(value)),
            Self::Millis => millis(value),
            Self::Bytes => octets(value),
            Self::Cores => match value {
                1.0 => "1 core".to_owned(),
                _ => format!("{} cores", plain(value, 2)),
            },
            Self::Count => short(value),
            Self::Time => time(value),
            Self::Share => format!("{} %", plain(value * 100.0, 1)),
            Self::Nines => share(value),
        }
    }

    /// `value` beside an axis whose title tells the rest.
    pub fn tick(self, value: f64) -> String {
        match self {
            Self::PerSecond => short(value),
            Self::BytesPerSecond => octets(value),
            Self::Cores => plain(value, 2),
            _ => self.write(value),
        }
    }

    /// Whether it is told in powers of two.
    pub fn is_binary(self) -> bool {
        matches!(self, Self::Bytes | Self::BytesPerSecond)
    }
}

/// `value` with at most `digits` behind the point, and no zeros at its end.
pub fn plain(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// Thousands as `k`, millions as `M`.
fn short(value: f64) -> String {
    match value {
        _ if value >= 9_999_500.0 => format!("{} M", plain(value / 1e6, 1)),
        _ if value >= 999_950.0 => format!("{} M", plain(value / 1e6, 2)),
        _ if value >= 9_999.5 => format!("{} k", plain(value / 1e3, 1)),
        _ if value >= 999.5 => format!("{} k", plain(value / 1e3, 2)),
        _ if value >= 10.0 => plain(value, 0),
        _ => plain(value, 2),
    }
}

fn octets(value: f64) -> String {
    let mut rest = value;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if rest < 1023.95 {
            let digits = if rest >= 100.0 || unit == "B" { 0 } else { 1 };
            return format!("{} {unit}", plain(rest, digits));
        }
        rest /= 1024.0;
    }
    format!("{} TiB", plain(rest, 2))
}

fn millis(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        _ if value >= 59_999.5 => time((value / 1000.0).round()),
        _ if value >= 999.5 => format!("{} s", plain(value / 1000.0, 2)),
        _ if value >= 100.0 => format!("{} ms", plain(value, 0)),
        _ if value >= 9.995 => format!("{} ms", plain(value, 1)),
        _ if value >= 0.9995 => format!("{} ms", plain(value, 2)),
        _ => format!("{} µs", plain(value * 1000.0, 0)),
    }
}

/// `42 s`, `1:05`, `2:00:00`.
fn time(seconds: f64) -> String {
    let whole = seconds as u64;
    let (hours, minutes) = (whole / 3600, whole / 60 % 60);
    match whole {
        _ if seconds < 60.0 => format!("{} s", plain(seconds, 1)),
        _ if hours == 0 => format!("{minutes}:{:02}", whole % 60),
        _ => format!("{hours}:{minutes:02}:{:02}", whole % 60),
    }
}

fn share(nines: f64) -> String {
    let percent = (1.0 - 10_f64.powf(-nines)) * 100.0;
    let digits = (nines.round() as usize).saturating_sub(2);
    format!("{} %", plain(percent, digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_short_as_can_be() {
        let cases = [
            (Unit::PerSecond, 5231.4, "5.23 k/s"),
            (Unit::PerSecond, 12.0, "12/s"),
            (Unit::PerSecond, 0.5, "0.5/s"),
            (Unit::Count, 1_000_000.0, "1 M"),
            (Unit::Count, 999_999.0, "1 M"),
            (Unit::Count, 100_000.0, "100 k"),
            (Unit::Millis, 0.25, "250 µs"),
            (Unit::Millis, 1.5, "1.5 ms"),
            (Unit::Millis, 250.0, "250 ms"),
            (Unit::Millis, 2500.0, "2.5 s"),
            (Unit::Millis, 90_000.0, "1:30"),
            (Unit::Bytes, 0.0, "0 B"),
            (Unit::Bytes, 1536.0, "1.5 KiB"),
            (Unit::Bytes, 1_048_576.0, "1 MiB"),
            (Unit::BytesPerSecond, 2048.0, "2 KiB/s"),
            (Unit::Cores, 1.0, "1 core"),
            (Unit::Cores, 1.333, "1.33 cores"),
            (Unit::Share, 0.125, "12.5 %"),
            (Unit::Time, 42.0, "42 s"),
            (Unit::Time, 65.0, "1:05"),
            (Unit::Time, 7200.0, "2:00:00"),
            (Unit::Nines, std::f64::consts::LOG10_2, "50 %"),
            (Unit::Nines, 1.0, "90 %"),
            (Unit::Nines, 3.0, "99.9 %"),
            (Unit::Nines, 5.0, "99.999 %"),
        ];
        for (unit, value, wanted) in cases {
            assert_eq!(unit.write(value), wanted, "{unit:?} {value}");
        }
    }

    #[test]
    fn ticks_leave_out_what_the_axis_says() {
        assert_eq!(Unit::PerSecond.tick(2000.0), "2 k");
        assert_eq!(Unit::Cores.tick(0.5), "0.5");
    }
}
