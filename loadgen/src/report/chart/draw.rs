//! A chart as SVG.
use super::{Chart, Scale, Trace};
use std::{collections::BTreeSet, fmt::Write};

/// The whole drawing, in its own units.
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 260.0;
/// The room for what stands around the lines.
const LEFT: f64 = 62.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 16.0;
const BOTTOM: f64 = 26.0;

/// Places at most that tell their values when one points there.
const HINTS: usize = 150;

pub(super) fn svg(chart: &Chart) -> String {
    let mut out = String::new();
    let title = escaped(&chart.title);
    let head = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}\" \
         xmlns=\"http://www.w3.org/2000/svg\">"
    );
    out.push_str(&head);
    let fit = Fit {
        x: chart.x.scale.fitted_once(chart, Side::Foot),
        y: chart.y.scale.fitted_once(chart, Side::Side),
    };
    // writing to a string does not fail
    let _ = fit.outages(&mut out, chart);
    let _ = fit.axes(&mut out, chart);
    let _ = fit.marks(&mut out, chart);
    for trace in &chart.traces {
        let _ = fit.trace(&mut out, trace);
    }
    let _ = fit.hints(&mut out, chart);
    out.push_str("</svg>");
    out
}

enum Side {
    Foot,
    Side,
}

impl Scale {
    /// This scale if it has been fitted, or one that fits `chart`.
    fn fitted_once(self, chart: &Chart, side: Side) -> Self {
        let is_open = match self {
            Self::Linear(largest) | Self::Log(_, largest) => largest <= 0.0,
        };
        match (is_open, side) {
            (false, _) => self,
            (true, Side::Foot) => {
                let xs: Vec<f64> = chart.xs().collect();
                self.fitted(chart.x.unit, xs.into_iter())
            }
            (true, Side::Side) => {
                let ys: Vec<f64> = chart.ys().collect();
                self.fitted(chart.y.unit, ys.into_iter())
            }
        }
    }
}

/// Where values stand in the drawing.
struct Fit {
    x: Scale,
    y: Scale,
}

impl Fit {
    fn across(&self, x: f64) -> f64 {
        LEFT + self.x.place(x) * (WIDTH - LEFT - RIGHT)
    }

    fn up(&self, y: f64) -> f64 {
        HEIGHT - BOTTOM - self.y.place(y) * (HEIGHT - TOP - BOTTOM)
    }

    fn axes(&self, out: &mut String, chart: &Chart) -> std::fmt::Result {
        let (foot, end) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
        for tick in self.y.ticks(chart.y.unit) {
            let (y, label) = (self.up(tick), chart.y.unit.tick(tick));
            write!(out, "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{end}\"/>")?;
            let (x, y) = (LEFT - 6.0, y + 4.0);
            write!(
                out,
                "<text class=\"side\" x=\"{x}\" y=\"{y:.1}\">{label}</text>"
            )?;
        }
        let mut free = 0.0;
        for tick in self.x.ticks(chart.x.unit) {
            let (x, label) = (self.across(tick), chart.x.unit.tick(tick));
            write!(out, "<path class=\"grid\" d=\"M{x:.1} {TOP}V{foot}\"/>")?;
            // what has no room is left out
            let half = label.chars().count() as f64 * 3.2;
            if x - half < free {
                continue;
            }
            free = x + half + 6.0;
            let (x, y) = (x.min(end - half), foot + 16.0);
            write!(
                out,
                "<text class=\"foot\" x=\"{x:.1}\" y=\"{y}\">{label}</text>"
            )?;
        }
        write!(
            out,
            "<path class=\"axis\" d=\"M{LEFT} {TOP}V{foot}H{end}\"/>"
        )
    }

    fn outages(&self, out: &mut String, chart: &Chart) -> std::fmt::Result {
        let height = HEIGHT - TOP - BOTTOM;
        for (begin, end) in &chart.outages {
            let (x, end) = (self.across(*begin), self.across(*end));
            let width = (end - x).max(0.5);
            write!(out, "<rect class=\"outage\" x=\"{x:.1}\" y=\"{TOP}\" ")?;
            write!(out, "width=\"{width:.1}\" height=\"{height}\"/>")?;
        }
        Ok(())
    }

    fn marks(&self, out: &mut String, chart: &Chart) -> std::fmt::Result {
        let foot = HEIGHT - BOTTOM;
        let mut free = 0.0;
        for mark in &chart.marks {
            let x = self.across(mark.at);
            let Some(label) = &mark.label else {
                write!(out, "<path class=\"kill\" d=\"M{x:.1} {TOP}V{foot}\"/>")?;
                continue;
            };
            write!(out, "<path class=\"phase\" d=\"M{x:.1} {TOP}V{foot}\"/>")?;
            if x >= free {
                free = x + label.chars().count() as f64 * 6.5 + 8.0;
                let (y, label) = (TOP - 4.0, escaped(label));
                write!(
                    out,
                    "<text class=\"phase\" x=\"{x:.1}\" y=\"{y}\">{label}</text>"
                )?;
            }
        }
        Ok(())
    }

    fn trace(&self, out: &mut String, trace: &Trace) -> std::fmt::Result {
        let colour = trace.colour;
        let mut is_under_way = false;
        let mut lone = None;
        let mut path = String::new();
        for (x, y) in &trace.points {
            let Some(y) = y else {
                is_under_way = false;
                dot(out, lone.take(), colour)?;
                continue;
            };
            let place = (self.across(*x), self.up(*y));
            lone = (!is_under_way).then_some(place);
            let order = if is_under_way { 'L' } else { 'M' };
            write!(path, "{order}{:.1} {:.1}", place.0, place.1)?;
            is_under_way = true;
        }
        dot(out, lone, colour)?;
        write!(out, "<path class=\"line {colour}\" d=\"{path}\"/>")
    }

    /// What the values are wherever one points.
    fn hints(&self, out: &mut String, chart: &Chart) -> std::fmt::Result {
        let places: BTreeSet<u64> = chart.xs().map(f64::to_bits).collect();
        // values are not negative, so that their bits are in their order
        let places: Vec<f64> = places.into_iter().map(f64::from_bits).collect();
        let step = places.len().div_ceil(HINTS).max(1);
        let shown: Vec<f64> = places.into_iter().step_by(step).collect();
        let height = HEIGHT - TOP - BOTTOM;
        for (number, at) in shown.iter().enumerate() {
            let begin = match number {
                0 => LEFT,
                _ => (self.across(shown[number - 1]) + self.across(*at)) / 2.0,
            };
            let end = match shown.get(number + 1) {
                Some(next) => (self.across(*at) + self.across(*next)) / 2.0,
                None => WIDTH - RIGHT,
            };
            let width = (end - begin).max(0.1);
            write!(out, "<rect class=\"hint\" x=\"{begin:.1}\" y=\"{TOP}\" ")?;
            write!(out, "width=\"{width:.1}\" height=\"{height}\"><title>")?;
            write!(out, "{}", escaped(&hint(chart, *at)))?;
            write!(out, "</title></rect>")?;
        }
        Ok(())
    }
}

/// A value whose neighbours are missing would be no line.
fn dot(out: &mut String, place: Option<(f64, f64)>, colour: &str) -> std::fmt::Result {
    match place {
        Some((x, y)) => write!(
            out,
            "<circle class=\"dot {colour}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"1.5\"/>"
        ),
        None => Ok(()),
    }
}

/// What all lines say at `at`.
fn hint(chart: &Chart, at: f64) -> String {
    let mut text = chart.x.unit.write(at);
    for trace in &chart.traces {
        let place = trace.points.partition_point(|(x, _)| *x < at);
        let point = trace.points.get(place).filter(|(x, _)| *x <= at);
        if let Some((_, Some(value))) = point {
            let value = chart.y.unit.write(*value);
            text += &format!("\n{}: {value}", trace.name);
        }
    }
    text
}

/// `text` where it may stand in a document.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            _ => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::{Axis, Mark, Unit};
    use super::*;

    fn chart(points: Vec<(f64, Option<f64>)>) -> Chart {
        Chart {
            title: "rates & <more>".to_owned(),
            note: String::new(),
            x: Axis {
                unit: Unit::Time,
                scale: Scale::Linear(0.0),
            },
            y: Axis {
                unit: Unit::PerSecond,
                scale: Scale::Linear(0.0),
            },
            traces: vec![Trace {
                name: "accept".to_owned(),
                colour: "k-accept",
                points,
            }],
            marks: Vec::new(),
            outages: Vec::new(),
        }
    }

    #[test]
    fn line_goes_from_corner_to_corner_of_its_range() {
        let svg = chart(vec![(0.0, Some(0.0)), (10.0, Some(5.0))]).svg();
        assert!(
            svg.contains("class=\"line k-accept\" d=\"M62.0 234.0L628.0 16.0\""),
            "{svg}"
        );
        assert!(
            svg.contains("aria-label=\"rates &amp; &lt;more&gt;\""),
            "{svg}"
        );
        assert!(svg.contains("<title>10 s\naccept: 5/s</title>"), "{svg}");
    }

    #[test]
    fn line_is_broken_where_nothing_is_known() {
        let points = vec![
            (0.0, Some(1.0)),
            (1.0, None),
            (2.0, Some(1.0)),
            (3.0, Some(1.0)),
        ];
        let svg = chart(points).svg();
        let line = svg.split("class=\"line k-accept\" d=\"").nth(1).unwrap();
        let path = line.split('"').next().unwrap();
        assert_eq!(path.matches('M').count(), 2, "{path}");
        assert_eq!(svg.matches("<circle").count(), 1, "{svg}");
    }

    #[test]
    fn long_series_have_a_bounded_number_of_hints() {
        let points = (0..600).map(|second| (f64::from(second), Some(1.0)));
        let svg = chart(points.collect()).svg();
        assert_eq!(svg.matches("class=\"hint\"").count(), 150);
    }

    #[test]
    fn kills_phases_and_outages_are_marked() {
        let mut chart = chart(vec![(0.0, Some(1.0)), (60.0, Some(2.0))]);
        let label = Some("deliver".to_owned());
        chart.marks = vec![
            Mark {
                at: 5.0,
                label: None,
            },
            Mark { at: 30.0, label },
        ];
        chart.outages = vec![(5.0, 6.0)];
        let svg = chart.svg();
        for part in ["class=\"kill\"", ">deliver</text>", "class=\"outage\""] {
            assert!(svg.contains(part), "{part} is missing in {svg}");
        }
    }

    #[test]
    fn chart_without_values_is_drawn() {
        assert!(chart(Vec::new()).is_empty());
        assert!(!chart(Vec::new()).svg().contains("NaN"));
    }
}
