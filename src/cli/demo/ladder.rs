//! The ladder: who says what to whom, drawn while it happens.
use std::{
    collections::HashSet,
    io::{self, Write},
    time::Duration,
};

/// Columns between two poles.
const LANE: usize = 33;
/// The longest label that an arrow takes.
pub(super) const LABEL: usize = LANE - 5;
/// SENDs of one message drawn in full before the rest is only counted.
const DRAWN_IN_FULL: u32 = 2;

/// The stretch between two neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// Alice and the server.
    Alice,
    /// The server and Bob.
    Bob,
}

/// Which way an arrow points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    ToServer,
    FromServer,
}

/// What travelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
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

/// One arrow of the ladder.
#[derive(Clone, Debug)]
pub(super) struct Arrow {
    pub at: Duration,
    pub lane: Lane,
    pub way: Way,
    pub what: What,
}

/// Draws to `out`, one line an arrow.
pub(super) struct Ladder<W> {
    out: W,
    style: Style,
    alice: Transfer,
    bob: Transfer,
}

/// How the output looks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Style {
    /// Colours, and a counter that moves: for a terminal.
    pub lively: bool,
}

/// The message under way in one lane.
#[derive(Debug, Default)]
struct Transfer {
    drawn: u32,
    hidden: u32,
    hidden_octets: u64,
    drawn_transactions: HashSet<String>,
}

impl<W: Write> Ladder<W> {
    pub(super) fn new(out: W, style: Style) -> Self {
        Self {
            out,
            style,
            alice: Transfer::default(),
            bob: Transfer::default(),
        }
    }

    /// The names over the poles.
    pub(super) fn heading(&mut self) -> io::Result<()> {
        writeln!(
            self.out,
            "{:>9}  Alice{:^width$}Bob",
            "",
            "Restante",
            width = 2 * LANE - 5
        )
    }

    /// A line across, for what happens beside the messages.
    pub(super) fn note(&mut self, at: Duration, text: &str) -> io::Result<()> {
        self.wipe()?;
        let width = 2 * LANE + 3;
        let text = shortened(text, width - 6);
        let line = format!("{:─^width$}", format!(" {text} "));
        writeln!(self.out, "{}  {}", time(at), self.coloured("1;33", &line))
    }

    /// Draws `arrow`, or only counts it if it is one of many alike.
    pub(super) fn arrow(&mut self, arrow: &Arrow) -> io::Result<()> {
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
                let drawn = &mut self.transfer(arrow.lane).drawn_transactions;
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
        let transfer = self.transfer(arrow.lane);
        if transfer.drawn >= DRAWN_IN_FULL && !last {
            transfer.hidden += 1;
            transfer.hidden_octets += octets;
            return self.show_counter(arrow.lane);
        }
        transfer.drawn += 1;
        transfer.drawn_transactions.insert(transaction.to_owned());
        if last {
            self.tell_hidden(arrow.lane)?;
            self.transfer(arrow.lane).drawn = 0;
        }
        self.draw(arrow, label, '═', "32")
    }

    /// A message ended or broke: tells how many SENDs were only counted.
    pub(super) fn tell_hidden(&mut self, lane: Lane) -> io::Result<()> {
        self.wipe()?;
        let Some(text) = self.transfer(lane).hidden_text() else {
            return Ok(());
        };
        *self.transfer(lane) = Transfer {
            drawn_transactions: std::mem::take(&mut self.transfer(lane).drawn_transactions),
            ..Transfer::default()
        };
        let line = poles(lane, &format!("{text:^LANE$}"));
        writeln!(self.out, "{:>9}  {}", "", self.coloured("2", &line))
    }

    fn transfer(&mut self, lane: Lane) -> &mut Transfer {
        match lane {
            Lane::Alice => &mut self.alice,
            Lane::Bob => &mut self.bob,
        }
    }

    fn draw(&mut self, arrow: &Arrow, label: &str, shaft: char, colour: &str) -> io::Result<()> {
        self.wipe()?;
        let drawn = shaft_with(label, points_right(arrow), shaft);
        let line = poles(arrow.lane, &self.coloured(colour, &drawn));
        writeln!(self.out, "{}  {line}", time(arrow.at))?;
        self.out.flush()
    }

    /// On a terminal, the count of hidden SENDs moves in place.
    fn show_counter(&mut self, lane: Lane) -> io::Result<()> {
        let transfer = self.transfer(lane);
        if !transfer.hidden.is_multiple_of(16) {
            return Ok(());
        }
        let text = transfer.hidden_text().unwrap_or_default();
        if self.style.lively {
            let line = poles(lane, &format!("{text:^LANE$}"));
            write!(self.out, "\r{:>9}  {line}", "")?;
            self.out.flush()?;
        }
        Ok(())
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

fn points_right(arrow: &Arrow) -> bool {
    (arrow.lane == Lane::Alice) == (arrow.way == Way::ToServer)
}

/// `─ INVITE ─────▶` or `◀───── 200 OK ─`, as wide as a lane.
fn shaft_with(label: &str, right: bool, shaft: char) -> String {
    let label = shortened(label, LABEL);
    let rest = LANE - 4 - label.chars().count();
    let long: String = std::iter::repeat_n(shaft, rest).collect();
    if right {
        format!("{shaft} {label} {long}▶")
    } else {
        format!("◀{long} {label} {shaft}")
    }
}

/// The three poles with `content` in its lane.
fn poles(lane: Lane, content: &str) -> String {
    let empty = " ".repeat(LANE);
    match lane {
        Lane::Alice => format!("│{content}│{empty}│"),
        Lane::Bob => format!("│{empty}│{content}│"),
    }
}

fn time(at: Duration) -> String {
    format!("{:>7.3} s", at.as_secs_f64())
}

/// At most `width` characters of `text`.
pub(super) fn shortened(text: &str, width: usize) -> String {
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

    fn arrow(lane: Lane, way: Way, what: What) -> Arrow {
        let at = Duration::from_millis(1_234);
        Arrow {
            at,
            lane,
            way,
            what,
        }
    }

    fn send(number: u32, last: bool) -> Arrow {
        let what = What::Send {
            transaction: format!("t{number}"),
            label: format!("SEND {number}"),
            octets: 1024,
            last,
        };
        arrow(Lane::Alice, Way::ToServer, what)
    }

    fn answer(number: u32) -> Arrow {
        let what = What::Answer {
            transaction: format!("t{number}"),
            label: "200 OK".into(),
        };
        arrow(Lane::Alice, Way::FromServer, what)
    }

    fn drawn(arrows: &[Arrow]) -> Vec<String> {
        let mut ladder = Ladder::new(Vec::new(), Style::default());
        for arrow in arrows {
            ladder.arrow(arrow).unwrap();
        }
        let text = String::from_utf8(ladder.out).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn arrows_point_to_where_the_message_goes() {
        let lines = drawn(&[
            arrow(Lane::Alice, Way::ToServer, What::Sip("INVITE".into())),
            arrow(Lane::Alice, Way::FromServer, What::Sip("200 OK".into())),
            arrow(Lane::Bob, Way::FromServer, What::Sip("INVITE".into())),
            arrow(Lane::Bob, Way::ToServer, What::Sip("200 OK".into())),
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
        let lines = drawn(&[arrow(Lane::Bob, Way::FromServer, What::Sip(long.into()))]);
        assert!(lines[0].contains('…'));
        assert_eq!(lines[0].chars().count(), 11 + 3 + 2 * LANE);
    }
}
