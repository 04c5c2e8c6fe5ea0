//! Charts as SVG: lines over time or over shares, with axes that fit what is shown.
//!
//! A chart carries no colours of its own: classes name its parts, and the page that holds it says
//! what they look like, by day and by night. What stands behind a place is told by the browser
//! when one points there; there is no script.
mod draw;
mod scale;
mod unit;

pub use draw::escaped;
pub use scale::Scale;
pub use unit::Unit;

/// One chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    /// What it shows.
    pub title: String,
    /// What a reader should know about it.
    pub note: String,
    /// What stands along its foot.
    pub x: Axis,
    /// What stands along its side.
    pub y: Axis,
    /// Its lines.
    pub traces: Vec<Trace>,
    /// Moments that stand out.
    pub marks: Vec<Mark>,
    /// Stretches in which the server was down.
    pub outages: Vec<(f64, f64)>,
}

/// What stands along one side of a chart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Axis {
    /// How its values are written.
    pub unit: Unit,
    /// How its values are spread.
    pub scale: Scale,
}

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// What it is, for the legend.
    pub name: String,
    /// The class of the page that gives it its colour.
    pub colour: &'static str,
    /// Its places, in the order of x; it is broken where there is no value.
    pub points: Vec<(f64, Option<f64>)>,
}

/// A moment that stands out.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// When, in seconds.
    pub at: f64,
    /// What is written beside it; nothing where the server was killed.
    pub label: Option<String>,
}

impl Chart {
    /// Fits both axes to what all `charts` show, so that they can be compared.
    pub fn share_scales(charts: &mut [&mut Self]) {
        let x = charts
            .iter()
            .flat_map(|chart| chart.xs().collect::<Vec<_>>());
        let x: Vec<f64> = x.collect();
        let y = charts
            .iter()
            .flat_map(|chart| chart.ys().collect::<Vec<_>>());
        let y: Vec<f64> = y.collect();
        for chart in charts {
            chart.x.scale = chart.x.scale.fitted(chart.x.unit, x.iter().copied());
            chart.y.scale = chart.y.scale.fitted(chart.y.unit, y.iter().copied());
        }
    }

    /// Whether there is nothing to show.
    pub fn is_empty(&self) -> bool {
        self.ys().next().is_none()
    }

    /// The chart as SVG.
    pub fn svg(&self) -> String {
        draw::svg(self)
    }

    fn xs(&self) -> impl Iterator<Item = f64> + '_ {
        let points = self.traces.iter().flat_map(|trace| &trace.points);
        points.filter(|(_, y)| y.is_some()).map(|(x, _)| *x)
    }

    fn ys(&self) -> impl Iterator<Item = f64> + '_ {
        let points = self.traces.iter().flat_map(|trace| &trace.points);
        points.filter_map(|(_, y)| *y)
    }
}
