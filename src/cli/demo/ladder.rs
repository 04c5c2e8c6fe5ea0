//! The ladder: who says what to whom, drawn while it happens.
use std::{
    collections::{HashMap, HashSet},
    io::{self, Write},
    time::Duration,
};

/// Columns between two poles, where there is room.
const WIDEST: usize = 33;
/// Columns between two poles at least.
const NARROWEST: usize = 16;
/// Columns that all lanes share.
const SHARED: usize = 104;
/// What an arrow takes beside its label.
const HEAD_AND_TAIL: usize = 5;
/// Columns before the first pole: those of the time.
const INDENT: usize = 11;
/// SENDs of one message drawn in full before the rest is only counted.
const DRAWN_IN_FULL: u32 = 2;

/// A pole, counted from the left.
pub(in crate::cli) type Pole = usize;

/// What travelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) enum What {
    /// A SIP message.
    Sip(String),
    /// A SEND of `octets` octets; `last` if its message ends with it.
    Send {
        transaction: String,
        label: String,
        octets: u64,
        last: bool,
    },
    /// The answer to a SEND.
    Answer { transaction: String, label: String },
    /// Another MSRP request: a REPORT.
    Msrp(String),
}

/// One arrow of the ladder, between two different poles.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Arrow {
    pub at: Duration,
    pub from: Pole,
    pub to: Pole,
    pub what: What,
}

/// Draws to `out`, one line an arrow.
pub(in crate::cli) struct Ladder<W> {
    out: W,
    style: Style,
    poles: Vec<String>,
    /// Columns between two poles.
    lane: usize,
    /// What is under way from one pole to another.
    transfers: HashMap<(Pole, Pole), Transfer>,
}

/// How the output looks.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::cli) struct Style {
    /// Colours, and a counter that moves: for a terminal.
    pub lively: bool,
}

/// The message under way between two poles.
#[derive(Debug, Default)]
struct Transfer {
    drawn: u32,
    hidden: u32,
    hidden_octets: u64,
    drawn_transactions: HashSet<String>,
}

/// The longest label that an arrow between neighbours takes, where there are so many poles.
pub(in crate::cli) fn room(poles: usize) -> usize {
    lane(poles) - HEAD_AND_TAIL
}

fn lane(poles: usize) -> usize {
    let lanes = poles.saturating_sub(1).max(1);
    (SHARED / lanes).clamp(NARROWEST, WIDEST)
}

impl<W: Write> Ladder<W> {
    pub(in crate::cli) fn new(out: W, style: Style, poles: &[&str]) -> Self {
        Self {
            out,
            style,
            lane: lane(poles.len()),
            poles: poles.iter().map(|&pole| pole.to_owned()).collect(),
            transfers: HashMap::new(),
        }
    }

    /// The names over the poles.
    pub(in crate::cli) fn heading(&mut self) -> io::Result<()> {
        let mut line = String::new();
        for (pole, name) in self.poles.iter().enumerate() {
            let middle = INDENT + pole * (self.lane + 1);
            let start = middle.saturating_sub(name.chars().count() / 2);
            let gap = start.saturating_sub(line.chars().count());
            line.extend(std::iter::repeat_n(' ', gap));
            line.push_str(name);
        }
        writeln!(self.out, "{line}")
    }

    /// A line across, for what happens beside the messages.
    pub(in crate::cli) fn note(&mut self, at: Duration, text: &str) -> io::Result<()> {
        self.wipe()?;
        let width = (self.poles.len() - 1) * (self.lane + 1) + 1;
        let text = shortened(text, width - 6);
        let line = format!("{:─^width$}", format!(" {text} "));
        writeln!(self.out, "{}  {}", time(at), self.coloured("1;33", &line))
    }

    /// Draws `arrow`, or only counts it if it is one of many alike.
    pub(in crate::cli) fn arrow(&mut self, arrow: &Arrow) -> io::Result<()> {
        match &arrow.what {
            What::Sip(label) => self.draw(arrow, label, '─', sip_colour(label)),
            What::Msrp(label) => self.draw(arrow, label, '═', "35"),
            What::Send {
                transaction,
                label,
                octets,
                last,
            } => self.send(arrow, transaction, label, *octets, *last),
            What::Answer { transaction, label } => {
                let drawn = &mut self.transfer((arrow.to, arrow.from)).drawn_transactions;
                if drawn.remove(transaction) || !label.starts_with("200") {
                    self.draw(arrow, label, '═', "32")
                } else {
                    Ok(())
                }
            }
        }
    }

    fn send(
        &mut self,
        arrow: &Arrow,
        transaction: &str,
        label: &str,
        octets: u64,
        last: bool,
    ) -> io::Result<()> {
        let stretch = (arrow.from, arrow.to);
        let transfer = self.transfer(stretch);
        if transfer.drawn >= DRAWN_IN_FULL && !last {
            transfer.hidden += 1;
            transfer.hidden_octets += octets;
            return self.show_counter(stretch);
        }
        transfer.drawn += 1;
        transfer.drawn_transactions.insert(transaction.to_owned());
        if last {
            self.tell_hidden(stretch)?;
            self.transfer(stretch).drawn = 0;
        }
        self.draw(arrow, label, '═', "32")
    }

    /// A message ended or broke: tells how many SENDs were only counted.
    fn tell_hidden(&mut self, stretch: (Pole, Pole)) -> io::Result<()> {
        self.wipe()?;
        let Some(text) = self.transfer(stretch).hidden_text() else {
            return Ok(());
        };
        let transfer = self.transfer(stretch);
        *transfer = Transfer {
            drawn_transactions: std::mem::take(&mut transfer.drawn_transactions),
            ..Transfer::default()
        };
        let line = self.rung(stretch, |width| {
            format!("{:^width$}", shortened(&text, width))
        });
        writeln!(self.out, "{:>9}  {}", "", self.coloured("2", &line))
    }

    fn transfer(&mut self, stretch: (Pole, Pole)) -> &mut Transfer {
        self.transfers.entry(stretch).or_default()
    }

    fn draw(&mut self, arrow: &Arrow, label: &str, shaft: char, colour: &str) -> io::Result<()> {
        self.wipe()?;
        let stretch = (arrow.from, arrow.to);
        let right = arrow.from < arrow.to;
        let line = self.rung(stretch, |width| {
            self.coloured(colour, &shaft_with(label, right, shaft, width))
        });
        writeln!(self.out, "{}  {line}", time(arrow.at))?;
        self.out.flush()
    }

    /// On a terminal, the count of hidden SENDs moves in place.
    fn show_counter(&mut self, stretch: (Pole, Pole)) -> io::Result<()> {
        let transfer = self.transfer(stretch);
        if !transfer.hidden.is_multiple_of(16) {
            return Ok(());
        }
        let text = transfer.hidden_text().unwrap_or_default();
        if self.style.lively {
            let line = self.rung(stretch, |width| {
                format!("{:^width$}", shortened(&text, width))
            });
            write!(self.out, "\r{:>9}  {line}", "")?;
            self.out.flush()?;
        }
        Ok(())
    }

    /// All poles, with what `content` gives for so many columns between two of them.
    fn rung(&self, (from, to): (Pole, Pole), content: impl FnOnce(usize) -> String) -> String {
        let (first, last) = (from.min(to), from.max(to));
        let empty = format!("│{}", " ".repeat(self.lane));
        let content = content((last - first) * (self.lane + 1) - 1);
        let behind = " ".repeat(self.lane) + "│";
        let (left, right) = (first, self.poles.len() - 1 - last);
        format!("{}│{content}│{}", empty.repeat(left), behind.repeat(right))
    }

    fn wipe(&mut self) -> io::Result<()> {
        if self.style.lively {
            write!(self.out, "\r\x1b[2K")?;
        }
        Ok(())
    }

    fn coloured(&self, colour: &str, text: &str) -> String {
        if self.style.lively {
            format!("\x1b[{colour}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

impl Transfer {
    fn hidden_text(&self) -> Option<String> {
        let size = bytesize::ByteSize::b(self.hidden_octets);
        let plural = if self.hidden == 1 { "" } else { "s" };
        (self.hidden > 0).then(|| format!("… {} more SEND{plural}, {size} …", self.hidden))
    }
}

/// `─ INVITE ─────▶` or `◀───── 200 OK ─`, so many columns wide.
fn shaft_with(label: &str, right: bool, shaft: char, width: usize) -> String {
    let label = shortened(label, width - HEAD_AND_TAIL);
    let rest = width - HEAD_AND_TAIL + 1 - label.chars().count();
    let long: String = std::iter::repeat_n(shaft, rest).collect();
    if right {
        format!("{shaft} {label} {long}▶")
    } else {
        format!("◀{long} {label} {shaft}")
    }
}

fn time(at: Duration) -> String {
    format!("{:>7.3} s", at.as_secs_f64())
}

/// At most `width` characters of `text`.
pub(in crate::cli) fn shortened(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width - 1).collect();
    format!("{kept}…")
}

/// Refusals stand out.
fn sip_colour(label: &str) -> &'static str {
    match label.as_bytes().first() {
        Some(b'4'..=b'6') => "31",
        _ => "36",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrow(from: Pole, to: Pole, what: What) -> Arrow {
        let at = Duration::from_millis(1_234);
        Arrow { at, from, to, what }
    }

    fn send(number: u32, last: bool) -> Arrow {
        let what = What::Send {
            transaction: format!("t{number}"),
            label: format!("SEND {number}"),
            octets: 1024,
            last,
        };
        arrow(0, 1, what)
    }

    fn answer(number: u32) -> Arrow {
        let what = What::Answer {
            transaction: format!("t{number}"),
            label: "200 OK".into(),
        };
        arrow(1, 0, what)
    }

    fn drawn(arrows: &[Arrow]) -> Vec<String> {
        let mut ladder = Ladder::new(Vec::new(), Style::default(), &["A", "S", "B"]);
        for arrow in arrows {
            ladder.arrow(arrow).unwrap();
        }
        let text = String::from_utf8(ladder.out).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn arrows_point_to_where_the_message_goes() {
        let lines = drawn(&[
            arrow(0, 1, What::Sip("INVITE".into())),
            arrow(1, 0, What::Sip("200 OK".into())),
            arrow(1, 2, What::Sip("INVITE".into())),
            arrow(2, 1, What::Sip("200 OK".into())),
        ]);
        assert!(
            lines[0].starts_with("  1.234 s  │─ INVITE ──"),
            "{}",
            lines[0]
        );
        assert!(lines[1].contains("│◀──"), "{}", lines[1]);
        assert!(
            lines[2].contains("│─ INVITE ─") && lines[2].ends_with("▶│"),
            "{}",
            lines[2]
        );
        assert!(lines[3].ends_with("─ 200 OK ─│"), "{}", lines[3]);
        let widths: HashSet<usize> = lines.iter().map(|line| line.chars().count()).collect();
        assert_eq!(widths.len(), 1, "all lines are equally wide: {lines:#?}");
    }

    #[test]
    fn middle_of_a_long_transfer_is_only_counted() {
        let mut arrows: Vec<Arrow> = (1..=9).map(|number| send(number, false)).collect();
        arrows.push(send(10, true));
        arrows.extend((1..=10).map(answer));
        let lines = drawn(&arrows);
        assert_eq!(lines.len(), 2 + 1 + 1 + 3, "{lines:#?}");
        assert!(lines[2].contains("7 more SENDs, 7.0 KiB"), "{}", lines[2]);
        assert!(lines[3].contains("SEND 10"), "{}", lines[3]);
    }

    #[test]
    fn next_message_is_drawn_in_full_again() {
        let arrows = [
            send(1, false),
            send(2, true),
            send(3, false),
            send(4, false),
            send(5, true),
        ];
        assert_eq!(drawn(&arrows).len(), 5);
    }

    #[test]
    fn long_label_is_shortened_to_its_lane() {
        let long = "INVITE sip:somebody.with.a.long.name@a.long.domain.example.com";
        let lines = drawn(&[arrow(1, 2, What::Sip(long.into()))]);
        assert!(lines[0].contains('…'));
        assert_eq!(lines[0].chars().count(), 11 + 3 + 2 * WIDEST);
    }

    #[test]
    fn arrow_passes_the_poles_between_its_ends() {
        let mut ladder = Ladder::new(Vec::new(), Style::default(), &["A", "P", "Q", "C", "B"]);
        ladder.heading().unwrap();
        for (from, to) in [(0, 1), (3, 0), (2, 4)] {
            let what = What::Sip("ACK".into());
            ladder.arrow(&arrow(from, to, what)).unwrap();
        }
        let text = String::from_utf8(ladder.out).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let poles = |line: &str| line.matches('│').count();
        assert_eq!(
            lines[1..]
                .iter()
                .map(|line| poles(line))
                .collect::<Vec<_>>(),
            [5, 3, 4]
        );
        assert!(
            lines[2].contains("│◀─") && lines[2].contains("─ ACK ─│"),
            "{}",
            lines[2]
        );
        let widths: HashSet<usize> = lines[1..].iter().map(|line| line.chars().count()).collect();
        assert_eq!(widths.len(), 1, "all lines are equally wide: {lines:#?}");
        let place = |name| lines[0].chars().position(|one| one == name);
        let pole = lines[1]
            .char_indices()
            .filter(|(_, one)| *one == '│')
            .count();
        assert_eq!((place('A'), pole), (Some(INDENT), 5));
    }
}
