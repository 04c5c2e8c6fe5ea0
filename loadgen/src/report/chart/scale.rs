//! Where a value stands along an axis, and which values are written beside it.
use super::Unit;

/// Ticks of an axis, about.
const TICKS: f64 = 5.0;

/// Lengths of time that people divide an axis by, in seconds.
const TIMES: [f64; 15] = [
    1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0,
    14_400.0,
];

/// How values are spread along an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scale {
    /// Evenly, from 0 to a largest value.
    Linear(f64),
    /// Every order of magnitude takes the same room, from a smallest to a largest value.
    Log(f64, f64),
}

impl Scale {
    /// A scale like this one on which all `values` of `unit` have room; time is never cut short.
    pub fn fitted(self, unit: Unit, values: impl Iterator<Item = f64> + Clone) -> Self {
        let largest = values.clone().fold(0.0, f64::max);
        match self {
            Self::Linear(whole) if unit == Unit::Time => {
                let largest = largest.max(whole);
                Self::Linear(if largest > 0.0 { largest } else { 1.0 })
            }
            Self::Linear(_) if unit == Unit::Nines => Self::Linear(largest.max(1.0)),
            Self::Linear(_) => {
                let step = step(unit, largest);
                Self::Linear((largest / step).ceil().max(1.0) * step)
            }
            Self::Log(..) => {
                let positive = values.filter(|value| *value > 0.0);
                let smallest = positive.fold(f64::INFINITY, f64::min).min(largest);
                match largest > 0.0 {
                    true => Self::Log(floor_125(smallest), ceil_125(largest)),
                    false => Self::Log(0.1, 1.0),
                }
            }
        }
    }

    /// Where `value` stands: 0 at the begin of the axis, 1 at its end.
    pub fn place(self, value: f64) -> f64 {
        let place = match self {
            Self::Linear(largest) => value / largest,
            Self::Log(smallest, largest) => {
                let value = value.max(smallest);
                (value / smallest).ln() / (largest / smallest).ln().max(f64::MIN_POSITIVE)
            }
        };
        place.clamp(0.0, 1.0)
    }

    /// The values that are written beside the axis.
    pub fn ticks(self, unit: Unit) -> Vec<f64> {
        match self {
            Self::Linear(largest) if unit == Unit::Nines => {
                let whole = (1..=largest.floor() as u32).map(f64::from);
                [0.0, 0.5_f64.recip().log10()]
                    .into_iter()
                    .chain(whole)
                    .collect()
            }
            Self::Linear(largest) => {
                let step = step(unit, largest);
                let count = (largest / step + 1e-9).floor() as u32;
                (0..=count).map(|tick| f64::from(tick) * step).collect()
            }
            Self::Log(smallest, largest) => {
                let decades = (largest / smallest).log10();
                let factors: &[f64] = match decades {
                    _ if decades > 2.5 => &[1.0],
                    _ if decades > 1.2 => &[1.0, 3.0],
                    _ => &[1.0, 2.0, 5.0],
                };
                let first = smallest.log10().floor() as i32;
                let last = largest.log10().ceil() as i32;
                let all = (first..=last).flat_map(|power| {
                    let decade = 10_f64.powi(power);
                    factors.iter().map(move |factor| factor * decade)
                });
                let fits = |value: &f64| {
                    *value >= smallest * (1.0 - 1e-9) && *value <= largest * (1.0 + 1e-9)
                };
                all.filter(fits).collect()
            }
        }
    }
}

/// The distance of two ticks on an axis up to `largest`.
fn step(unit: Unit, largest: f64) -> f64 {
    let rough = largest / TICKS;
    if rough <= 0.0 {
        return 1.0;
    }
    if unit == Unit::Time {
        let fits = TIMES.into_iter().find(|time| largest / time <= 2.0 * TICKS);
        return fits.unwrap_or_else(|| (largest / TICKS / 3600.0).ceil() * 3600.0);
    }
    if unit.is_binary() {
        return 2_f64.powf(rough.log2().ceil()).max(1.0);
    }
    let step = ceil_125(rough);
    match unit {
        Unit::Count | Unit::PerSecond => step.max(1.0),
        _ => step,
    }
}

/// The next of … 0.1, 0.2, 0.5, 1, 2, 5, 10 … from `value` on.
fn ceil_125(value: f64) -> f64 {
    let decade = 10_f64.powf(value.log10().floor());
    let fits = [1.0, 2.0, 5.0].map(|factor| factor * decade);
    let enough = fits.into_iter().find(|fit| *fit >= value * (1.0 - 1e-9));
    enough.unwrap_or(10.0 * decade)
}

/// The last of … 0.1, 0.2, 0.5, 1, 2, 5, 10 … before `value`, which itself may be one.
fn floor_125(value: f64) -> f64 {
    let decade = 10_f64.powf(value.log10().floor());
    let fits = [5.0, 2.0, 1.0].map(|factor| factor * decade);
    let enough = fits.into_iter().find(|fit| *fit <= value * (1.0 + 1e-9));
    enough.unwrap_or(decade)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fitted(scale: Scale, unit: Unit, values: &[f64]) -> Scale {
        scale.fitted(unit, values.iter().copied())
    }

    #[test]
    fn linear_axis_ends_at_a_round_value_above_all() {
        let scale = fitted(Scale::Linear(0.0), Unit::PerSecond, &[0.0, 4321.0]);
        assert_eq!(scale, Scale::Linear(5000.0));
        assert_eq!(
            scale.ticks(Unit::PerSecond),
            [0.0, 1000.0, 2000.0, 3000.0, 4000.0, 5000.0]
        );
        assert_eq!(scale.place(2500.0), 0.5);
    }

    #[test]
    fn octets_are_divided_by_powers_of_two() {
        let mib = 1024.0 * 1024.0;
        let scale = fitted(Scale::Linear(0.0), Unit::Bytes, &[300.0 * mib]);
        assert_eq!(scale, Scale::Linear(320.0 * mib));
        assert_eq!(scale.ticks(Unit::Bytes)[1], 64.0 * mib);
    }

    #[test]
    fn time_is_divided_as_people_do() {
        let scale = fitted(Scale::Linear(0.0), Unit::Time, &[0.0, 123.0]);
        assert_eq!(scale, Scale::Linear(123.0));
        let ticks = scale.ticks(Unit::Time);
        assert_eq!(
            ticks,
            [0.0, 15.0, 30.0, 45.0, 60.0, 75.0, 90.0, 105.0, 120.0]
        );
    }

    #[test]
    fn logarithmic_axis_gives_every_decade_the_same_room() {
        let scale = fitted(Scale::Log(1.0, 1.0), Unit::Millis, &[0.0, 0.3, 900.0]);
        assert_eq!(scale, Scale::Log(0.2, 1000.0));
        let ticks = scale.ticks(Unit::Millis);
        assert_eq!(ticks.len(), 4, "{ticks:?}");
        let [one, ten, hundred] = [1.0, 10.0, 100.0].map(|value| scale.place(value));
        assert!((ten - one - (hundred - ten)).abs() < 1e-9);
        assert_eq!((scale.place(0.0), scale.place(1000.0)), (0.0, 1.0));
    }

    #[test]
    fn axis_without_values_can_be_drawn() {
        for scale in [Scale::Linear(0.0), Scale::Log(0.0, 0.0)] {
            let scale = fitted(scale, Unit::Millis, &[]);
            assert!(scale.place(0.5).is_finite());
            assert!(scale.ticks(Unit::Millis).len() > 1, "{scale:?}");
        }
        let zero = fitted(Scale::Log(0.0, 0.0), Unit::Millis, &[0.0]);
        assert!(zero.place(0.0).is_finite());
    }

    #[test]
    fn nines_are_written_from_the_median_on() {
        let scale = fitted(Scale::Linear(0.0), Unit::Nines, &[0.0, 3.5]);
        let ticks = scale.ticks(Unit::Nines);
        assert_eq!(ticks.len(), 5);
        assert_eq!(Unit::Nines.write(ticks[1]), "50 %");
        assert_eq!(Unit::Nines.write(ticks[4]), "99.9 %");
    }
}
