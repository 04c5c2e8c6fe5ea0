//! What the system shapes are made of: the files of `examples/`.
use clap::ValueEnum;

/// A system shape: figure 10A to 10D.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli::demo) enum Shape {
    /// One server is everybody's home, and keeps what is missed
    A,
    /// Two home servers, and one that keeps what is missed
    B,
    /// The same with the owner of groups between the home servers
    C,
    /// The same, but the home servers only pass requests on
    D,
}

/// One server: its name, and its configuration file.
#[derive(Clone, Copy, Debug)]
pub(super) struct NodeFile {
    pub name: &'static str,
    pub text: &'static str,
}

/// The file of a server in a folder of `examples/`.
macro_rules! node {
    ($name:literal, $file:literal) => {
        NodeFile {
            name: $name,
            text: include_str!(concat!("../../../../examples/", $file)),
        }
    };
}

const A: &[NodeFile] = &[node!("C", "shape-a/c.toml")];
const B: &[NodeFile] = &[
    node!("PF-A", "shape-b/pf-a.toml"),
    node!("PF-B", "shape-b/pf-b.toml"),
    node!("C", "shape-b/c.toml"),
];
const C: &[NodeFile] = &[
    node!("PF-A", "shape-c/pf-a.toml"),
    node!("D", "shape-c/d.toml"),
    node!("PF-B", "shape-c/pf-b.toml"),
    node!("C", "shape-c/c.toml"),
];
const D: &[NodeFile] = &[
    node!("PF-A", "shape-d/pf-a.toml"),
    node!("D", "shape-d/d.toml"),
    node!("PF-B", "shape-d/pf-b.toml"),
    node!("C", "shape-d/c.toml"),
];

pub(super) const ALICE: &str = "sip:alice@a.example";
pub(super) const BOB: &str = "sip:bob@b.example";
pub(super) const CAROL: &str = "sip:carol@b.example";
const TEAM: &str = "sip:team@x.example";

/// The network of all addresses in the files.
pub(super) const NETWORK: &str = "127.0.1.";

impl Shape {
    /// The servers, from Alice to Bob.
    pub(super) fn nodes(self) -> &'static [NodeFile] {
        match self {
            Self::A => A,
            Self::B => B,
            Self::C => C,
            Self::D => D,
        }
    }

    /// Whether Alice sends to a group, of which Carol is there.
    pub(super) fn has_group(self) -> bool {
        matches!(self, Self::C | Self::D)
    }

    /// Whom Alice sends to.
    pub(super) fn recipient(self) -> &'static str {
        if self.has_group() { TEAM } else { BOB }
    }

    /// Whether Bob's home server calls him, rather than he the one that keeps his messages.
    pub(super) fn is_pushed(self) -> bool {
        self != Self::D
    }

    /// Names of the poles of the ladder, those of the devices included.
    pub(super) fn poles(self) -> Vec<&'static str> {
        let mut poles = vec!["Alice"];
        poles.extend(self.nodes().iter().map(|node| node.name));
        poles.push("Bob");
        poles.extend(self.has_group().then_some("Carol"));
        poles
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn files_are_understood_and_name_each_other() {
        for shape in [Shape::A, Shape::B, Shape::C, Shape::D] {
            let configs: Vec<Config> = shape
                .nodes()
                .iter()
                .map(|node| Config::parse(node.text, []).unwrap_or_else(|error| panic!("{error}")))
                .collect();
            let listens = |uri: &str| {
                let of = |config: &Config| uri.contains(&config.sip.listen.to_string());
                configs.iter().any(of)
            };
            for node in shape.nodes() {
                let uris = node
                    .text
                    .split('"')
                    .filter(|text| text.contains(";transport="));
                for uri in uris {
                    assert!(listens(uri), "{shape:?} {}: nobody is at {uri}", node.name);
                }
            }
            let mut at: Vec<_> = configs.iter().map(|config| config.sip.listen).collect();
            at.sort();
            at.dedup();
            assert_eq!(at.len(), configs.len(), "each has an address of its own");
        }
    }
}
