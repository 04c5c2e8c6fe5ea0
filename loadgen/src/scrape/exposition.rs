//! Prometheus' text form, as far as a sample needs it.
use std::collections::BTreeMap;

/// The values of one page: for each name their sum, the largest and the smallest of them, whatever the labels.
pub(super) struct Exposition<'a>(BTreeMap<&'a str, Value>);

#[derive(Clone, Copy)]
struct Value {
    sum: f64,
    largest: f64,
    smallest: f64,
}

impl<'a> Exposition<'a> {
    /// Reads a page; lines that are none of a value are passed over.
    pub(super) fn read(page: &'a str) -> Self {
        let mut values = BTreeMap::new();
        for (name, value) in page.lines().filter_map(value_of) {
            let known = values.entry(name).or_insert(Value {
                sum: 0.0,
                largest: value,
                smallest: value,
            });
            known.sum += value;
            known.largest = known.largest.max(value);
            known.smallest = known.smallest.min(value);
        }
        Self(values)
    }

    /// The sum of what is called `name`.
    pub(super) fn sum(&self, name: &str) -> Option<f64> {
        self.0.get(name).map(|value| value.sum)
    }

    /// The smallest of what is called `name`.
    pub(super) fn smallest(&self, name: &str) -> Option<f64> {
        self.0.get(name).map(|value| value.smallest)
    }

    /// The largest of what is called `name`.
    pub(super) fn largest(&self, name: &str) -> Option<f64> {
        self.0.get(name).map(|value| value.largest)
    }
}

/// The version that a page tells.
pub(super) fn version(page: &str) -> Option<&str> {
    let mut lines = page.lines();
    let rest = lines.find_map(|line| line.strip_prefix("restante_build_info{version=\""))?;
    rest.split('"').next()
}

/// `name{labels} value` or `name value`; `NaN` is no value.
fn value_of(line: &str) -> Option<(&str, f64)> {
    if line.starts_with('#') {
        return None;
    }
    let end = line.find(['{', ' '])?;
    // a label's value may hold blanks, what follows the labels may not
    let value = line.rsplit(' ').next()?.parse().ok()?;
    (!f64::is_nan(value)).then_some((&line[..end], value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_summed_over_their_labels() {
        let page = "# HELP a Of something\n# TYPE a gauge\n\
            a{shard=\"0\"} 3\na{shard=\"1 {or} so\"} 4.5\n\nb 2e3\nc NaN\nnonsense\n";
        let page = Exposition::read(page);
        assert_eq!((page.sum("a"), page.largest("a")), (Some(7.5), Some(4.5)));
        assert_eq!(page.smallest("a"), Some(3.0));
        assert_eq!(page.sum("b"), Some(2000.0));
        assert_eq!((page.sum("c"), page.sum("d")), (None, None));
    }

    #[test]
    fn version_stands_in_a_label() {
        let page = "a 1\nrestante_build_info{version=\"1.2.3\"} 1\n";
        assert_eq!(version(page), Some("1.2.3"));
        assert_eq!(version("a 1\n"), None);
    }
}
