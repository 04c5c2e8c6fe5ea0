use super::Hop;
use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize, de};
use std::{collections::BTreeMap, net::IpAddr};

/// What an operator may say of a node's neighbours: the `[neighbours]` table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Networks and addresses whose P-Asserted-Identity counts: nobody there has to prove who
    /// sends. Other servers of the operator, never devices.
    #[serde(deserialize_with = "networks")]
    pub trusted: Vec<IpNet>,
    /// The outer SIP core: devices of our domains, and domains without a way of their own, are
    /// reached through it.
    pub core: Option<Hop>,
    /// The home IM server of our subscribers, where it is not this node.
    pub participating: Option<Hop>,
    /// The owner of the groups of our domains, where it is not this node.
    pub controlling: Option<Hop>,
    /// The server that keeps what our subscribers miss, where it is not this node.
    pub deferred: Option<Hop>,
    /// Whether foreign domains without a way of their own are looked up in the DNS. Otherwise
    /// they are not known here.
    pub dns: bool,
    /// Ways to foreign domains, by name.
    pub domains: BTreeMap<String, Hop>,
}

/// Networks (`10.0.0.0/8`), and addresses that stand for themselves.
fn networks<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<IpNet>, D::Error> {
    let texts = Vec::<String>::deserialize(from)?;
    let network = |text: &String| {
        let address = || text.parse::<IpAddr>().map(IpNet::from);
        let parsed = text.parse::<IpNet>().or_else(|_| address());
        parsed.map_err(|_| de::Error::custom(format!("`{text}` is neither network nor address")))
    };
    texts.iter().map(network).collect()
}
