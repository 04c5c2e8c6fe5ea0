//! All that is known of a message, drawn in its order.
use super::{
    Joined,
    poles::{Said, arrows},
    wire::message,
};
use crate::cli::{
    demo::{
        ladder::{Arrow, Ladder, Pole, Style, What, room},
        sight,
    },
    table,
};
use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// One thing that happened.
enum Event<'a> {
    Said(Said<'a>),
    Note(String),
}

/// Draws the ladder with all other news across it; without any wire, a table of the news.
pub(super) fn draw(joined: &Joined, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "message {}", joined.message_id)?;
    writeln!(out, "trace   {}\n", joined.trace_id)?;
    match joined.wire.is_empty() {
        true => draw_table(joined, out),
        false => draw_ladder(joined, out),
    }
}

/// The steps of its life and the lines of the logs: when, who tells it, what.
fn news(joined: &Joined) -> Vec<(u64, String, String)> {
    let steps = joined.steps.iter().map(|step| {
        let words = format!("{} for {}: {}", step.state, step.recipient, step.reason);
        (micros(&step.at), "store".to_owned(), words)
    });
    let lines = joined
        .log
        .iter()
        .map(|line| (line.at, line.node().to_owned(), line.words()));
    let mut news: Vec<_> = steps.chain(lines).collect();
    news.sort_by_key(|(at, ..)| *at);
    news
}

fn draw_table(joined: &Joined, out: &mut impl Write) -> io::Result<()> {
    let rows = news(joined).into_iter().map(|(at, who, what)| {
        let [at, who, what] = [date(at), who, what];
        [at, who, what]
    });
    let rows: Vec<_> = rows.collect();
    out.write_all(table::aligned(["TIME", "BY", "WHAT"], &rows).as_bytes())
}

fn draw_ladder(joined: &Joined, out: &mut impl Write) -> io::Result<()> {
    let said = arrows(&joined.wire);
    let poles = poles(&said);
    let names: Vec<&str> = poles.iter().map(String::as_str).collect();
    let mut events: Vec<_> = said
        .into_iter()
        .map(|said| (said.record.at, Event::Said(said)))
        .collect();
    events.extend(news(joined).into_iter().map(|(at, who, what)| {
        let words = format!("{who}: {what}");
        (at, Event::Note(words))
    }));
    events.sort_by_key(|(at, _)| *at);
    let began = events.first().map_or(0, |(at, _)| *at);
    writeln!(out, "seconds since {}\n", date(began))?;
    let lively = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let mut ladder = Ladder::new(out, Style { lively }, &names);
    ladder.heading()?;
    for (at, event) in events {
        let since = Duration::from_micros(at.saturating_sub(began));
        match event {
            Event::Note(words) => ladder.note(since, &words)?,
            Event::Said(said) => {
                if let Some(arrow) = arrow(&said, since, &poles) {
                    ladder.arrow(&arrow)?;
                }
            }
        }
    }
    Ok(())
}

/// Everybody: those on the way of the message first, in its direction, then in the order in which
/// they speak or are spoken to.
fn poles(said: &[Said<'_>]) -> Vec<String> {
    let mut poles: Vec<String> = Vec::new();
    let carries = |said: &&Said<'_>| {
        let start = said.record.text.lines().next().unwrap_or_default();
        start.starts_with("MESSAGE ") || (start.starts_with("MSRP ") && start.ends_with(" SEND"))
    };
    let ends = |said: &'_ Said<'_>| [said.from.clone(), said.to.clone()];
    let way = said.iter().filter(carries).chain(said);
    for name in &way.flat_map(ends).collect::<Vec<_>>() {
        if !poles.contains(name) {
            poles.push(name.clone());
        }
    }
    poles
}

fn arrow(said: &Said<'_>, at: Duration, poles: &[String]) -> Option<Arrow> {
    let place = |name: &String| -> Option<Pole> { poles.iter().position(|pole| pole == name) };
    let room = room(poles.len());
    let what = match said.record.is_sip() {
        true => {
            let message = message(said.record)?;
            if message.code() == Some(100) {
                return None;
            }
            What::Sip(sight::sip(&message, room))
        }
        false => sight::msrp(&said.record.text, room)?,
    };
    Some(Arrow {
        at,
        from: place(&said.from)?,
        to: place(&said.to)?,
        what,
    })
}

fn micros(date: &str) -> u64 {
    let date = OffsetDateTime::parse(date, &Rfc3339).ok();
    let nanos = date.map_or(0, OffsetDateTime::unix_timestamp_nanos);
    u64::try_from(nanos / 1000).unwrap_or_default()
}

fn date(micros: u64) -> String {
    let date = OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1000);
    let text = date.ok().and_then(|date| date.format(&Rfc3339).ok());
    text.unwrap_or_default()
}
