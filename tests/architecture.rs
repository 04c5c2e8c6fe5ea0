//! The picture in ARCHITECTURE.md, held by a test: rooms import downwards only, only actor files
//! and plumbing rooms meet I/O, time and threads, and each borrowed crate has its rooms.
#[path = "architecture/source.rs"]
mod source;

use source::{Source, read_all};
use std::collections::BTreeSet;

/// A room, and the rooms it may import.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("syntax", &[]),
    ("clock", &[]),
    ("profile", &["syntax"]),
    ("identity", &["syntax"]),
    ("sdp", &["syntax"]),
    ("digest", &[]),
    ("content", &["syntax", "identity", "profile"]),
    ("trail", &[]),
    ("net", &["clock"]),
    ("store", &["clock"]),
    (
        "sip",
        &[
            "syntax", "identity", "profile", "digest", "overload", "clock",
        ],
    ),
    ("msrp", &["syntax", "digest", "clock", "trail"]),
    ("neighbours", &["sip"]),
    ("overload", &[]),
    ("policy", &["identity", "content", "profile"]),
    (
        "sip_core",
        &["sip", "digest", "identity", "policy", "store", "clock"],
    ),
    (
        "deferred",
        &["identity", "content", "policy", "store", "clock", "trail"],
    ),
    (
        "controlling",
        &["identity", "content", "profile", "store", "clock"],
    ),
    (
        "participating",
        &[
            "identity",
            "clock",
            "trail",
            "profile",
            "sdp",
            "content",
            "store",
            "sip",
            "msrp",
            "overload",
            "policy",
            "neighbours",
            "sip_core",
            "deferred",
            "controlling",
        ],
    ),
    (
        "client",
        &[
            "sip", "msrp", "sdp", "digest", "content", "profile", "identity", "net", "clock",
        ],
    ),
    (
        "http",
        &[
            "identity",
            "clock",
            "store",
            "policy",
            "sip_core",
            "deferred",
            "controlling",
        ],
    ),
];

/// Rooms which assemble the others and so may import all of them.
const ASSEMBLY: &[&str] = &["cli", "config", "telemetry", "app", "main", "lib"];

/// Imports a room may make from its actor files only.
const ACTORS_MAY_IMPORT: &[(&str, &[&str])] = &[
    ("sip", &["net"]),
    ("overload", &["clock"]),
    ("msrp", &["net"]),
    ("sip_core", &["net"]),
    ("controlling", &["net"]),
];

/// Rooms that are plumbing as a whole: I/O, time and threads are their trade.
const PLUMBING: &[&str] = &[
    "net",
    "store",
    "clock",
    "http",
    "cli",
    "config",
    "telemetry",
    "app",
    "main",
    "lib",
];

/// What a pure file never mentions: it is a function of its arguments.
const IMPURE: &[&str] = &[
    "actix::",
    "actix_rt",
    "actix_web",
    "tokio::",
    "tokio_util::",
    "fjall::",
    "crossbeam::",
    "socket2::",
    "hickory_resolver::",
    "std::thread",
    "std::fs",
    "std::process",
    "env::var",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "Instant::now",
    "SystemTime::now",
    "getrandom",
];

/// Borrowed crates that stay behind one door, so that they can be exchanged there.
const DOORS: &[(&str, &[&str])] = &[
    ("fjall", &["store"]),
    ("crossbeam", &["store"]),
    ("rsip", &["sip"]),
    ("sdp_types", &["sdp"]),
    ("quick_xml", &["content"]),
    ("ipnet", &["neighbours"]),
    ("hickory_resolver", &["sip"]),
    ("socket2", &["net"]),
    ("nix", &["net"]),
    ("rustls", &["net"]),
    ("rcgen", &["net"]),
    ("webpki", &["net"]),
    ("tungstenite", &["net"]),
    ("actix_web", &["http", "app"]),
    ("utoipa", &["http"]),
    ("sd_notify", &["app"]),
    ("metrics_exporter_prometheus", &["telemetry"]),
    ("tracing_subscriber", &["telemetry"]),
    ("opentelemetry", &["trail", "telemetry"]),
    ("opentelemetry_http", &["telemetry"]),
    ("opentelemetry_otlp", &["telemetry"]),
    ("opentelemetry_sdk", &["telemetry"]),
    ("tracing_opentelemetry", &["trail", "telemetry"]),
    ("clap", &["cli", "main"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("indicatif", &["cli"]),
    ("ureq", &["cli", "telemetry"]),
    ("toml", &["config"]),
];

/// Rooms of the library which the load generator is built on.
const LOADGEN_MAY_USE: &[&str] = &[
    "client",
    "identity",
    "clock",
    "net",
    "content",
    "profile",
    "telemetry",
    // it starts a server of its own
    "cli",
    // its long runs measure the deferred function without a network
    "deferred",
    "policy",
    "store",
];

#[test]
fn rooms_import_downwards_only() {
    let mut wrong = BTreeSet::new();
    for file in read_all("src") {
        if ASSEMBLY.contains(&file.room()) {
            continue;
        }
        let allowed = row(MAY_IMPORT, file.room())
            .unwrap_or_else(|| panic!("{}: add room `{}` to MAY_IMPORT", file.path(), file.room()));
        let actors = row(ACTORS_MAY_IMPORT, file.room())
            .filter(|_| file.is_actor())
            .unwrap_or_default();
        for to in file.imports("crate") {
            let fine = to == file.room()
                || allowed.contains(&to.as_str())
                || actors.contains(&to.as_str());
            if !fine {
                wrong.insert(format!("{} imports {to}", file.path()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn only_actors_and_plumbing_meet_io_time_and_threads() {
    let wrong: Vec<String> = read_all("src")
        .iter()
        .filter(|file| !file.is_actor() && !PLUMBING.contains(&file.room()))
        .flat_map(|file| {
            let words = IMPURE.iter().filter(|word| file.mentions(word));
            words.map(|word| format!("{} mentions {word}", file.path()))
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn borrowed_crates_stay_behind_their_doors() {
    let wrong: Vec<String> = read_all("src")
        .iter()
        .flat_map(|file| {
            let through = DOORS.iter().filter(|(name, rooms)| {
                !rooms.contains(&file.room()) && file.mentions(&format!("{name}::"))
            });
            through.map(|(name, _)| format!("{} uses {name}", file.path()))
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn load_generator_is_built_on_the_client_room() {
    let wrong: Vec<String> = read_all("loadgen/src")
        .iter()
        .flat_map(|file| {
            let imports = file.imports("restante").into_iter();
            let others = imports.filter(|to| !LOADGEN_MAY_USE.contains(&to.as_str()));
            others.map(|to| format!("{} uses restante::{to}", file.path()))
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_table_has_no_cycle_and_no_unknown_room() {
    let mut settled: BTreeSet<&str> = BTreeSet::from(["cluster"]);
    let mut rows: Vec<_> = MAY_IMPORT.iter().collect();
    while !rows.is_empty() {
        let before = rows.len();
        rows.retain(|(room, imports)| {
            let below = imports.iter().all(|to| settled.contains(to));
            if below {
                settled.insert(room);
            }
            !below
        });
        assert!(rows.len() < before, "a cycle or unknown room in {rows:?}");
    }
}

#[test]
fn table_of_the_document_is_the_table_of_the_test() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/ARCHITECTURE.md");
    let document = std::fs::read_to_string(path).expect("ARCHITECTURE.md is readable");
    let rows: Vec<(&str, &str)> = document.lines().filter_map(room_and_imports).collect();
    let mut wrong = Vec::new();
    for (room, imports) in MAY_IMPORT {
        let actors = row(ACTORS_MAY_IMPORT, room).map_or_else(String::new, |rooms| {
            format!("; from its actors also {}", rooms.join(", "))
        });
        let none = if imports.is_empty() { "–" } else { "" };
        let expected = format!("{none}{}{actors}", imports.join(", "));
        if !rows.contains(&(room, &expected)) {
            wrong.push(format!("| `{room}` | … | {expected} |"));
        }
    }
    assert!(wrong.is_empty(), "ARCHITECTURE.md should say {wrong:#?}");
}

#[test]
fn scanner_sees_paths_groups_and_climbing_supers() {
    let text = r###"
        // use crate::comment::x;
        use crate::{clock, msrp::hop::{Effect, Hop}, store as shelf};
        use super::super::net::open;
        use super::sibling;
        mod inner { use super::super::sibling; use super::super::super::policy; }
        fn f() { let x = crate::sip::y(); let s = "crate::string::z"; let c = '"'; }
        /* use crate::block::x; /* nested */ crate::still::in */
        #[cfg(test)]
        mod tests { use crate::app::everything; fn g() { "}"; } }
        fn h<'a>(x: &'a str) -> crate::identity::Address { r##"crate::raw"# "## }
        #[cfg(test)] use crate::config::Config;
    "###;
    let file = Source::from_text("src/msrp/codec.rs", text);
    let seen: Vec<String> = file.imports("crate").into_iter().collect();
    let expected = ["clock", "identity", "msrp", "net", "policy", "sip", "store"];
    assert_eq!(seen, expected);
}

#[test]
fn scanner_knows_actor_files_and_rooms() {
    let actor = |path| Source::from_text(path, "").is_actor();
    assert!(actor("src/sip/actor.rs") && actor("src/sip/actor/transport.rs"));
    assert!(!actor("src/sip/actors_of_old.rs") && !actor("src/sip/dialog.rs"));
    assert_eq!(Source::from_text("src/clock.rs", "").room(), "clock");
    assert_eq!(Source::from_text("src/sip/codec/uri.rs", "").room(), "sip");
}

/// First and last cell of a row of the table of rooms.
fn room_and_imports(line: &str) -> Option<(&str, &str)> {
    let (room, rest) = line.strip_prefix("| `")?.split_once("` | ")?;
    let (_, imports) = rest.strip_suffix(" |")?.rsplit_once(" | ")?;
    Some((room, imports))
}

fn row<'a>(table: &[(&str, &'a [&'a str])], room: &str) -> Option<&'a [&'a str]> {
    table
        .iter()
        .find(|(name, _)| *name == room)
        .map(|(_, imports)| *imports)
}
