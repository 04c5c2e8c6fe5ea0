//! Which server, and how it is reached.
use super::time;
use clap::Args;
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

/// Own addresses at most.
const MOST_LOCALS: u32 = 1024;

/// Which server.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Server")]
pub struct Server {
    /// Where the server speaks SIP
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:5060")]
    pub sip: SocketAddr,
    /// Where the server offers its admin API, by which the users are made
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub http: SocketAddr,
    /// Domain of the users
    #[arg(long, value_name = "NAME", default_value = "localhost")]
    pub domain: String,
    /// Speak SIP over TCP instead of UDP
    #[arg(long)]
    pub tcp: bool,
    /// Own address, as the server sees it, or several, such as 127.0.0.2..127.0.0.9: the clients
    /// are spread over them
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    pub local: Locals,
    /// Threads that play the clients
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: u16,
    /// Names the run and makes its contents [default: drawn]. Repeated against the same server, a
    /// seed's messages are the same messages, which the server then has already
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,
    /// Bearer token of the admin API [default: read from DATA/admin.token]
    #[arg(
        long,
        value_name = "TOKEN",
        env = "RESTANTE_TOKEN",
        hide_env_values = true
    )]
    pub token: Option<String>,
    /// The server's data directory, for its admin.token [default: where `restante serve` keeps it]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Process whose processor time and memory are told [default: the one that listens at --http]
    #[arg(long, value_name = "PID")]
    pub server_pid: Option<u32>,
    /// The users exist already: do not make them
    #[arg(long)]
    pub no_provisioning: bool,
    /// Start the server, and stop it at the end; it is found beside this program. Where no --data
    /// is given, in the command or here, it has a folder that goes away with it
    #[arg(
        long,
        value_name = "COMMAND",
        num_args = 0..=1,
        default_missing_value = "restante serve"
    )]
    pub spawn: Option<String>,
    /// Kill the started server (SIGKILL) so often, and start it again, until the load is done
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub kill_server_every: Option<Duration>,
}

/// The addresses that clients have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locals(pub Vec<IpAddr>);

/// `127.0.0.1`, `127.0.0.2..127.0.0.9`, or several of these with commas between them.
impl FromStr for Locals {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut all = Vec::new();
        for piece in text.split(',').map(str::trim) {
            match piece.split_once("..") {
                Some((first, last)) => all.extend(between(piece, first, last)?),
                None => {
                    let address = piece.parse::<IpAddr>();
                    all.push(address.map_err(|error| format!("`{piece}`: {error}"))?);
                }
            }
        }
        Ok(Self(all))
    }
}

fn between(piece: &str, first: &str, last: &str) -> Result<impl Iterator<Item = IpAddr>, String> {
    let number = |text: &str| {
        let address = text.trim().parse::<Ipv4Addr>();
        address
            .map(u32::from)
            .map_err(|error| format!("`{text}` of `{piece}`: {error}"))
    };
    let (first, last) = (number(first)?, number(last)?);
    if last < first {
        return Err(format!("`{piece}` ends before it begins"));
    }
    if last - first >= MOST_LOCALS {
        return Err(format!("`{piece}` are more than {MOST_LOCALS} addresses"));
    }
    Ok((first..=last).map(|number| IpAddr::V4(number.into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_addresses_are_one_a_range_or_a_list() {
        let read = |text: &str| text.parse::<Locals>().unwrap().0.len();
        assert_eq!(read("127.0.0.1"), 1);
        assert_eq!(read("127.0.0.2..127.0.0.9"), 8);
        assert_eq!(read("127.0.0.2..127.0.0.3, ::1"), 3);
        for text in [
            "127.0.0.9..127.0.0.2",
            "127.0.0.0..127.9.0.0",
            "here",
            "::1..::2",
        ] {
            assert!(text.parse::<Locals>().is_err(), "{text}");
        }
    }
}
